/**
 * The words in which the tests of `LlmBreaker` tell a history.
 */
import { Effect } from "effect"
import type { Breaker, CircuitRejected } from "effect-breaker"
import type { LlmBreaker, LlmOutcome } from "effect-breaker/llm"

type Llm = LlmBreaker.LlmBreaker
type Outcome = LlmOutcome.LlmOutcome

export const success: Outcome = { _tag: "Success", scope: "model" }
export const overloaded: Outcome = { _tag: "Failure", kind: "overloaded", scope: "model" }
export const network: Outcome = { _tag: "Failure", kind: "network", scope: "provider" }
export const rateLimit: Outcome = { _tag: "Throttled", kind: "rate-limit", scope: "model" }
export const budget: Outcome = { _tag: "Throttled", kind: "rate-limit", scope: "key" }
export const gateway: Outcome = { _tag: "Throttled", kind: "gateway", scope: "provider" }
export const quota: Outcome = { _tag: "Trip", kind: "quota", scope: "key" }
export const auth: Outcome = { _tag: "Trip", kind: "auth", scope: "key", message: "Incorrect API key provided" }
export const gone: Outcome = { _tag: "Trip", kind: "model-gone", scope: "model" }
export const mistake: Outcome = { _tag: "Ignored", kind: "invalid-request", scope: "request" }
export const garbled: Outcome = { _tag: "Ignored", kind: "quality", scope: "model", message: "No object generated" }
export const empty: Outcome = { _tag: "Success", kind: "empty", scope: "model" }

/** So many calls with this outcome, one after the other; all of them must be admitted. */
export const calls = (llm: Llm, scopes: LlmBreaker.Scopes, outcome: Outcome, count = 1) =>
  Effect.gen(function*() {
    for (let i = 0; i < count; i++) {
      const permit = yield* llm.admit(scopes)
      yield* permit.settle(outcome)
    }
  })

/** What a call is told that asks now and takes nothing: which circuit refuses and why, or that it is admitted. */
export const knock = (llm: Llm, scopes: LlmBreaker.Scopes) =>
  Effect.matchEffect(llm.admit(scopes), {
    onFailure: (refused: CircuitRejected) => Effect.succeed(`${refused.circuit}: ${refused.reason}`),
    onSuccess: (permit) => Effect.as(permit.settle({ ...mistake, kind: "cancelled" }), "admitted")
  })

/** The states of all circuits, those only that are not closed. */
export const troubles = (llm: Llm) =>
  Effect.map(
    llm.snapshots,
    (all) => all.filter(({ state }) => state !== "Closed").map(({ name, state }) => `${name}: ${state}`)
  )

/** What each circuit heard, in one word: that of which it counted one more. */
export const heard = (before: ReadonlyArray<Breaker.Snapshot>, after: ReadonlyArray<Breaker.Snapshot>) =>
  Object.fromEntries(after.map((now) => {
    const was = before.find(({ name }) => name === now.name)
    const more = (count: "successes" | "failures" | "ignored" | "throttled") => now[count] - (was?.[count] ?? 0)
    const words = {
      Success: more("successes"),
      Failure: now.state === "Open" && was?.state !== "Open" && now.cause?.rule === "trip" ? 0 : more("failures"),
      Trip: now.state === "Open" && was?.state !== "Open" && now.cause?.rule === "trip" ? 1 : 0,
      Ignored: more("ignored"),
      Throttled: more("throttled")
    }
    return [now.name, Object.entries(words).flatMap(([word, count]) => count > 0 ? [word] : []).join(" and ")]
  }))
