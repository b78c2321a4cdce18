/**
 * How long the live page keeps a program with many circuits from anything else: the longest turn of the event loop while it
 * looks, beside the longest while it does not. `node --import tsx bench/pauses.ts [circuits]` runs it; the machine has to be
 * quiet, for a turn is as long as others let it be.
 */
import { Effect, Layer } from "effect"
import { BreakerMap } from "effect-breaker"
import { Dashboard } from "effect-breaker/dashboard"
import { HttpRouter } from "effect/http"

const circuits = Number(process.argv[2] ?? 100_000)
const BEATS = 15

let longest = 0
let last = performance.now()
const tick = (): void => {
  const now = performance.now()
  longest = Math.max(longest, now - last)
  last = now
  setImmediate(tick)
}

/** The longest turn in half a second. */
const half = Effect.gen(function*() {
  longest = 0
  yield* Effect.sleep("500 millis")
  return longest
})

const told = (turns: ReadonlyArray<number>): string => {
  const sorted = turns.toSorted((a, b) => a - b)
  return `${sorted[Math.floor(sorted.length / 2)]!.toFixed(1)} ms, at most ${sorted.at(-1)!.toFixed(1)}`
}

await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
  const map = yield* BreakerMap.make({ capacity: 2 * circuits })
  for (let i = 0; i < circuits; i++) yield* map.get(String(i))
  tick()
  const quiet = yield* Effect.replicateEffect(half, BEATS)
  longest = 0
  yield* Layer.build(Layer.provideMerge(Dashboard.layer({ every: "500 millis" }), HttpRouter.layer))
  const first = longest
  const looking = yield* Effect.replicateEffect(half, BEATS)
  console.log(`${circuits} circuits, the longest turn of the event loop, middle of ${BEATS} half seconds`)
  console.log(`  without the page  ${told(quiet)}`)
  console.log(`  with the page     ${told(looking)}; its first look ${first.toFixed(1)} ms`)
  return yield* map.get("0")
})))
process.exit()
