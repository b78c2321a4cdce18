import { Breaker, type BreakerMap, Fallback, Outcome } from "effect-breaker/promise"
import { same } from "./Assert.ts"

declare const breaker: Breaker.Breaker
declare const map: BreakerMap.BreakerMap

// ---------------------------------------------------------------------------------------------------------------------
// A call keeps its type, whatever the function gives

same<typeof executed, Promise<number>>()
const executed = breaker.execute(async () => 1)
same<typeof plain, Promise<"aborted" | "not">>()
const plain = breaker.execute(({ answered, signal }) => {
  answered()
  return signal.aborted ? "aborted" : "not"
})
same<typeof keyed, Promise<boolean>>()
const keyed = map.execute(async ({ signal }) => signal.aborted, { key: "large" })

// A classifier sees what the function gives.
void breaker.execute(async () => ({ tokens: 1 }), {
  classify: (result) =>
    result.status === "fulfilled" && result.value.tokens > 0 ? Outcome.success : Outcome.failure({ kind: "empty" })
})

// ---------------------------------------------------------------------------------------------------------------------
// A wrapped function keeps its arguments

same<typeof wrapped, (question: string, init?: { readonly signal?: AbortSignal }) => Promise<number>>()
const wrapped = breaker.wrap(async (question: string, _init?: { readonly signal?: AbortSignal }) => question.length, {
  signal: ([, init]) => init?.signal
})
void breaker.wrap(fetch, { signal: ([, init]) => init?.signal })("http://127.0.0.1", { method: "POST" })
// @ts-expect-error: a number is no question
void wrapped(1)

same<typeof words, (question: string) => AsyncIterableIterator<string, unknown, undefined>>()
const words = breaker.wrapIterable(async function*(question: string) {
  yield question
})
same<typeof opened, AsyncIterableIterator<number, unknown, undefined>>()
const opened = breaker.iterate(async () =>
  (async function*() {
    yield 1
  })()
)

// ---------------------------------------------------------------------------------------------------------------------
// A ladder adds what its rungs answer with

same<typeof served, Promise<Fallback.Served<string | number | undefined>>>()
const served = breaker.serve(async () => "an answer", {
  fallback: [Fallback.call(async () => 1), Fallback.value(undefined)]
})
const lastGood = Fallback.cached<string>()
same<typeof remembered, Promise<Fallback.Served<string>>>()
const remembered = breaker.serve(async () => "an answer", { fallback: [lastGood.at("question")] })

// ---------------------------------------------------------------------------------------------------------------------
// The settings are data

void Breaker.make({ name: "openai", openDuration: { first: 1000, most: "1 minute" }, halfOpen: { lease: "1 minute" } })
// @ts-expect-error: openings that grow have an end
void Breaker.make({ name: "openai", openDuration: { first: 1000 } })
// @ts-expect-error: it has a name
void Breaker.make({ openDuration: 1000 })
