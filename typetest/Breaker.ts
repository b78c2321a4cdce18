import { Config, Context, Effect, Exit, type Layer, Schedule, type Stream } from "effect"
import { Breaker, BreakerMap, type CircuitRejected, Outcome, TripPolicy, withBreaker } from "effect-breaker"
import { HealthCheck } from "effect-breaker/control"
import { same } from "./Assert.ts"

class Answer {
  readonly text = ""
}
class Down {
  readonly _tag = "Down"
}
class Model extends Context.Service<Model, { readonly ask: Effect.Effect<Answer, Down> }>()("typetest/Model") {}

declare const call: Effect.Effect<Answer, Down, Model>
declare const sure: Effect.Effect<Answer>
declare const breaker: Breaker.Breaker
declare const map: BreakerMap.BreakerMap

type Guarded = Effect.Effect<Answer, Down | CircuitRejected, Model>
type WithBreaker = Effect.Effect<Answer, Down | CircuitRejected, Model | Breaker.Breaker>

const classify = (_exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => Outcome.ignored

// `withBreaker` adds exactly CircuitRejected and exactly Breaker.Breaker, in every form.
export const byFirst = withBreaker(call)
export const byFirstWithOptions = withBreaker(call, { classify })
export const byName = call.pipe(withBreaker)
export const byCall = call.pipe(withBreaker())
export const byOptions = call.pipe(withBreaker({ classify }))
export const inOneGo = withBreaker()(call)
same<typeof byFirst, WithBreaker>()
same<typeof byFirstWithOptions, WithBreaker>()
same<typeof byName, WithBreaker>()
same<typeof byCall, WithBreaker>()
same<typeof byOptions, WithBreaker>()
same<typeof inOneGo, WithBreaker>()

// `execute` adds exactly CircuitRejected, and no requirement.
export const executed = breaker.execute(call)
export const executedWithOptions = breaker.execute(call, { classify })
export const executedByName = call.pipe(breaker.execute)
export const executedByCall = call.pipe(breaker.execute())
export const executedByOptions = call.pipe(breaker.execute({ classify }))
const { execute } = breaker
export const executedDetached = execute(call)
same<typeof executed, Guarded>()
same<typeof executedWithOptions, Guarded>()
same<typeof executedByName, Guarded>()
same<typeof executedByCall, Guarded>()
same<typeof executedByOptions, Guarded>()
same<typeof executedDetached, Guarded>()

// What cannot fail and needs nothing can only be refused.
export const onlyRefused = breaker.execute(sure)
export const onlyRefusedInContext = sure.pipe(withBreaker)
same<typeof onlyRefused, Effect.Effect<Answer, CircuitRejected>>()
same<typeof onlyRefusedInContext, Effect.Effect<Answer, CircuitRejected, Breaker.Breaker>>()

// A map adds exactly CircuitRejected.
export const mapped = map.execute(call, { key: "large" })
export const mappedLast = call.pipe(map.execute({ key: "large" }))
same<typeof mapped, Guarded>()
same<typeof mappedLast, Guarded>()

// Types infer through a pipe, a generator and several breakers, with no annotation.
export const piped = call.pipe(
  withBreaker,
  Effect.map((answer) => answer.text.length),
  Effect.catchTag("CircuitRejected", ({ reason, retryAfter }) => Effect.succeed({ reason, retryAfter }))
)
same<Effect.Error<typeof piped>, Down>()
same<Effect.Services<typeof piped>, Model | Breaker.Breaker>()

export const program = Effect.gen(function*() {
  const openai = yield* Breaker.make({ name: "openai" })
  const search = yield* Breaker.make({ name: "search", openDuration: Schedule.exponential("1 second") })
  const pages = yield* Effect.succeed(["a page"]).pipe(search.execute())
  const answer = yield* call.pipe(openai.execute)
  same<typeof pages, string[]>()
  same<typeof answer, Answer>()
  return { answer, pages }
})
same<typeof program, Effect.Effect<{ answer: Answer; pages: string[] }, Down | CircuitRejected, Model>>()

export const provided = call.pipe(withBreaker, Effect.provide(Breaker.layer({ name: "openai" })))
same<typeof provided, Effect.Effect<Answer, Down | CircuitRejected, Model>>()

export const caught = byName.pipe(Effect.catchTags({
  CircuitRejected: (refused) => Effect.succeed(refused.circuit),
  Down: () => Effect.succeed("down")
}))
same<Effect.Error<typeof caught>, never>()

// `classify` sees the exit of the effect that it stands beside.
breaker.execute(call, {
  classify: (exit) => {
    same<typeof exit, Exit.Exit<Answer, Down>>()
    return Outcome.success
  }
})
withBreaker(call, {
  classify: (exit) => {
    same<typeof exit, Exit.Exit<Answer, Down>>()
    return Outcome.success
  }
})
breaker.execute(call, {
  classify: (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) ? Outcome.success : Outcome.ignored
})
// In a pipe it may name the exit itself.
call.pipe(
  withBreaker({ classify: (exit: Exit.Exit<Answer, Down>) => Exit.isSuccess(exit) ? Outcome.success : Outcome.ignored })
)

// Layers and makers.
same<ReturnType<typeof Breaker.make>, Effect.Effect<Breaker.Breaker>>()
const layer = Breaker.layer({ name: "openai" })
same<typeof layer, Layer.Layer<Breaker.Breaker>>()
const trivial = Breaker.layer({ name: "openai", healthCheck: HealthCheck.make(Effect.void) })
same<typeof trivial, Layer.Layer<Breaker.Breaker>>()
declare const listModels: Effect.Effect<ReadonlyArray<string>, Down, Model>
const checked = Breaker.layer({ name: "openai", healthCheck: HealthCheck.make(listModels, { every: "10 seconds" }) })
same<typeof checked, Layer.Layer<Breaker.Breaker, never, Model>>()
const fromConfig = Breaker.layerConfig({ name: Config.succeed("openai") }, {
  healthCheck: HealthCheck.make(() => listModels)
})
same<typeof fromConfig, Layer.Layer<Breaker.Breaker, Config.ConfigError, Model>>()
const fromEnvironment = Breaker.layerConfig({ name: Config.succeed("openai") })
same<typeof fromEnvironment, Layer.Layer<Breaker.Breaker, Config.ConfigError>>()
same<ReturnType<typeof BreakerMap.make>, Effect.Effect<BreakerMap.BreakerMap>>()
const mapLayer = BreakerMap.layer()
same<typeof mapLayer, Layer.Layer<BreakerMap.BreakerMap>>()
const checkedMap = BreakerMap.layer({
  idleTimeToLive: "1 day",
  healthCheck: HealthCheck.make((key) => Effect.as(listModels, key))
})
same<typeof checkedMap, Layer.Layer<BreakerMap.BreakerMap, never, Model>>()
same<typeof breaker.admit, Effect.Effect<Breaker.Permit, CircuitRejected>>()
same<typeof breaker.state, Effect.Effect<Breaker.State>>()
same<typeof breaker.snapshot, Effect.Effect<Breaker.Snapshot>>()
same<typeof breaker.events, Stream.Stream<Breaker.Event>>()
Breaker.layerConfig({
  name: Config.String("NAME"),
  openDuration: Config.Duration("OPEN_FOR"),
  halfOpen: { successes: Config.Int("N") }
})

// Orders that take something say who gives them; the others are effects as they stand.
export const orders = [
  breaker.isolate(),
  breaker.isolate("bad deploy"),
  breaker.isolate({ note: "bad deploy", by: "ada", for: "1 minute" }),
  breaker.trip(),
  breaker.trip({ note: "drill", by: "ada", openFor: "1 minute" }),
  breaker.setMode("observe"),
  breaker.setMode("observe", { note: "drill", by: "ada" }),
  breaker.release,
  breaker.reset
]
same<typeof orders, Array<Effect.Effect<void>>>()

// State and events are told apart by their tags.
export const stageOf = (state: Breaker.State): "Probing" | "Ramping" | undefined =>
  state._tag === "HalfOpen" ? state.stage : undefined
export const told = (event: Breaker.Event): string => event._tag === "Rejected" ? event.error.message : event.circuit

// What must not compile.
// @ts-expect-error a breaker needs a name
Breaker.make({})
// @ts-expect-error a mode that there is not
Breaker.make({ name: "openai", mode: "lenient" })
// @ts-expect-error no such option
Breaker.make({ name: "openai", maxFailures: 3 })
// @ts-expect-error a policy is data, not a word
Breaker.make({ name: "openai", tripPolicy: "consecutive" })
// @ts-expect-error a classifier gives an outcome
Breaker.make({ name: "openai", classify: () => "Failure" })
// @ts-expect-error a schedule that can fail is no open duration
Breaker.make({ name: "openai", openDuration: Schedule.spaced("1 second").pipe(Schedule.tap(() => Effect.fail("no"))) })
// @ts-expect-error a map names its circuits by their keys
BreakerMap.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
// @ts-expect-error a map needs a key
map.execute(call, {})
// @ts-expect-error a value is no effect
breaker.execute("an answer")
// @ts-expect-error a promise is no effect
withBreaker(Promise.resolve("an answer"))
// @ts-expect-error a classifier gives an outcome, beside the effect too
breaker.execute(call, { classify: () => true })
// @ts-expect-error a classifier gives an outcome, in a pipe too
call.pipe(breaker.execute({ classify: () => true }))
// @ts-expect-error a classifier of another effect
breaker.execute(call, { classify: (_exit: Exit.Exit<Answer, { readonly status: number }>) => Outcome.ignored })
// @ts-expect-error no such option
breaker.execute(call, { key: "large" })
// @ts-expect-error `withBreaker` needs the breaker
export const unprovided: Effect.Effect<Answer, Down | CircuitRejected, Model> = call.pipe(withBreaker)
// @ts-expect-error a refusal is among the errors
export const unrefused: Effect.Effect<Answer, Down, Model> = breaker.execute(call)
// @ts-expect-error no such reason
breaker.setMode("observe", { why: "drill" })
// @ts-expect-error a snapshot is read-only
export const write = (snapshot: Breaker.Snapshot) => snapshot.failures = 0
