import { type Cause, Context, type Exit, Stream } from "effect"
import { type Breaker, BreakerStream, type CircuitRejected, Outcome } from "effect-breaker"
import { same } from "./Assert.ts"

class Down {
  readonly _tag = "Down"
}
class Model extends Context.Service<Model, string>()("typetest/Model") {}

declare const answer: Stream.Stream<string, Down, Model>
const { withBreaker } = BreakerStream

type Guarded = Stream.Stream<string, Down | CircuitRejected, Model | Breaker.Breaker>
type Timed = Stream.Stream<string, Down | CircuitRejected | Cause.TimeoutError, Model | Breaker.Breaker>

const classify = (_exit: Exit.Exit<void, unknown>): Outcome.Outcome => Outcome.ignored

// Without a deadline no timeout, in every form.
export const byFirst = withBreaker(answer)
export const byFirstWithOptions = withBreaker(answer, { classify })
export const byName = answer.pipe(withBreaker)
export const byCall = answer.pipe(withBreaker())
export const byOptions = answer.pipe(withBreaker({ classify }))
same<typeof byFirst, Guarded>()
same<typeof byFirstWithOptions, Guarded>()
same<typeof byName, Guarded>()
same<typeof byCall, Guarded>()
same<typeof byOptions, Guarded>()

// With one, `Cause.TimeoutError`.
export const timedFirst = withBreaker(answer, { firstElement: "10 seconds" })
export const timedIdle = answer.pipe(withBreaker({ idle: "10 seconds" }))
export const timedTotal = answer.pipe(withBreaker({ total: "10 seconds", classify }))
export const timedAll = withBreaker(answer, { firstElement: 1, idle: 1, total: 1, classify })
same<typeof timedFirst, Timed>()
same<typeof timedIdle, Timed>()
same<typeof timedTotal, Timed>()
same<typeof timedAll, Timed>()

// Types infer through a pipe.
export const piped = answer.pipe(
  withBreaker({ idle: "10 seconds" }),
  Stream.map((part) => part.length),
  Stream.catchTag("CircuitRejected", ({ retryAfter }) => Stream.make(retryAfter)),
  Stream.catchTag("TimeoutError", () => Stream.empty)
)
same<Stream.Error<typeof piped>, Down>()

// The classifier beside a stream is told that a stream that ran to its end exits with void.
withBreaker(answer, {
  classify: (exit) => {
    same<typeof exit extends Exit.Exit<infer A, unknown> ? A : never, void>()
    return Outcome.success
  }
})

// @ts-expect-error a deadline is a duration
withBreaker(answer, { firstElement: "soon" })
// @ts-expect-error no such deadline
withBreaker(answer, { firstToken: "1 second" })
// @ts-expect-error a classifier gives an outcome
withBreaker(answer, { classify: () => true })
// @ts-expect-error a refusal is among the errors
export const unrefused: Stream.Stream<string, Down, Model | Breaker.Breaker> = withBreaker(answer)
// @ts-expect-error a timeout is among the errors
export const untimed: Guarded = withBreaker(answer, { idle: "1 second" })
