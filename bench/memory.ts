/**
 * What idle circuits weigh: how much heap a `BreakerMap` holds for each circuit that has seen one successful call.
 */
import { Effect } from "effect"
import { strictEqual } from "node:assert"
import { BreakerMap, type TripPolicies } from "./library.ts"
import { collect } from "./rounds.ts"
import type { Filled } from "./scaling.ts"
import { counted } from "./subjects.ts"

export interface Weight {
  readonly policy: string
  readonly circuits: number
  /** Of a circuit and its place in the map, and of the text of its key. */
  readonly bytesEach: number
  readonly keyBytesEach: number
  readonly totalMegabytes: number
}

// What arrays of numbers hold is not on the heap, and is let go some time after its array.
const held = async (): Promise<number> => {
  let last = Number.POSITIVE_INFINITY
  for (;;) {
    collect("major")
    await new Promise((resolve) => setTimeout(resolve, 10))
    const { external, heapUsed } = process.memoryUsage()
    if (heapUsed + external > last - 10_000) return Math.min(heapUsed + external, last)
    last = heapUsed + external
  }
}

/** Fills a map with circuits that see one successful call each, and weighs it. */
export const fill = async (
  policy: string,
  tripPolicy: TripPolicies.TripPolicy,
  circuits: number
): Promise<Filled & { readonly weight: Weight }> => {
  const empty = await held()
  const keys = Array.from({ length: circuits }, (_, i) => `model-${i}`)
  const withKeys = await held()
  const map = await Effect.runPromise(BreakerMap.make({ tripPolicy, capacity: 2 * circuits, openDuration: "1 minute" }))
  const successes = await Effect.runPromise(Effect.gen(function*() {
    let sum = 0
    for (const key of keys) sum += yield* map.execute(counted, { key })
    return sum
  }))
  strictEqual(successes, circuits)
  const full = await held()
  const first = await Effect.runPromise(Effect.flatMap(map.get(keys[0]!), ({ snapshot }) => snapshot))
  strictEqual(first.successes, 1, "the first circuit was not let go")
  return {
    map,
    keys,
    weight: {
      policy,
      circuits,
      bytesEach: (full - withKeys) / circuits,
      keyBytesEach: (withKeys - empty) / circuits,
      totalMegabytes: (full - empty) / 2 ** 20
    }
  }
}
