import { Context, Effect, Layer, Schema } from "effect"
import { Dashboard } from "effect-breaker/dashboard"
import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { fails, type HasAny, same } from "./Assert.ts"

class Session extends Context.Service<Session, string>()("typetest/Dashboard/Session") {}
class Operators extends Context.Service<Operators, ReadonlySet<string>>()("typetest/Dashboard/Operators") {}
class Nobody extends Schema.TaggedError<Nobody>()("Nobody", {}) {}
class NotYou extends Schema.TaggedError<NotYou>()("NotYou", { name: Schema.String }) {}

type Needs<R> = HttpRouter.HttpRouter | HttpRouter.Request.From<"Requires", R>

// Without guards it needs the router, and nothing else.
export const open = Dashboard.layer({ title: "Answers" })
same<typeof open, Layer.Layer<never, never, HttpRouter.HttpRouter>>()

// What is known of each request costs nothing.
export const byHeader = Dashboard.layer({
  guard: Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    ({ headers }) => headers["x-user"] === undefined ? Effect.fail(new Nobody()) : Effect.void
  ),
  control: { guard: Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => headers["x-user"] ?? "somebody") }
})
same<typeof byHeader, Layer.Layer<never, never, HttpRouter.HttpRouter>>()

// What the guards need is asked of whoever provides the layer, and no error of theirs is left: they are answers.
declare const reads: Effect.Effect<void, Nobody, Session>
declare const orders: Effect.Effect<string, NotYou | HttpServerResponse.HttpServerResponse, Operators | Session>
export const guarded = Dashboard.layer({ guard: reads })
same<typeof guarded, Layer.Layer<never, never, Needs<Session>>>()
export const controlled = Dashboard.layer({ control: { guard: orders } })
same<typeof controlled, Layer.Layer<never, never, Needs<Operators | Session>>>()
export const both = Dashboard.layer({ guard: reads, control: { guard: orders } })
same<typeof both, Layer.Layer<never, never, Needs<Operators | Session>>>()

// A middleware gives what each request brings along, and a layer what is the program's.
const signedIn = HttpRouter.middleware<{ provides: Session }>()(
  Effect.succeed((answer) => Effect.provideService(answer, Session, "ada"))
)
export const provided = both.pipe(
  Layer.provide(signedIn.layer),
  HttpRouter.provideRequest(Layer.succeed(Operators, new Set(["ada"])))
)
same<typeof provided, Layer.Layer<never, never, HttpRouter.HttpRouter>>()
export const served = HttpRouter.serve(both)
same<Extract<Layer.Services<typeof served>, Operators | Session>, Operators | Session>()
same<Layer.Error<typeof served>, never>()

// @ts-expect-error a layer whose guard needs a session is not one that needs none
export const forgotten: Layer.Layer<never, never, HttpRouter.HttpRouter> = guarded
// @ts-expect-error nor is one whose guard of orders does
export const forgottenOrders: Layer.Layer<never, never, HttpRouter.HttpRouter> = controlled
// @ts-expect-error the guard of orders names the operator
Dashboard.layer({ control: { guard: Effect.void } })
// @ts-expect-error and it is there, where orders may be given
Dashboard.layer({ control: {} })
// @ts-expect-error a guard is an effect
Dashboard.layer({ guard: () => true })
// @ts-expect-error no such option
Dashboard.layer({ users: ["ada"] })
// @ts-expect-error a path begins with a slash
Dashboard.layer({ path: "breakers" })

fails<HasAny<Parameters<typeof Dashboard.layer>>>()
fails<HasAny<Dashboard.Options>>()
fails<HasAny<Dashboard.PageView>>()
fails<HasAny<Dashboard.BeatView>>()
fails<HasAny<Dashboard.OrderView>>()
