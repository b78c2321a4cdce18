/**
 * What idle circuits weigh: how much memory a `BreakerMap` holds for each circuit that has seen one successful call.
 *
 * Each map is weighed in a process of its own (this file, run with a policy and a number), because what earlier
 * measurements leave to be collected later would count as lost weight.
 */
import { Effect } from "effect"
import { strictEqual } from "node:assert"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Breaker, BreakerMap, type BreakerMaps } from "./library.ts"
import { collect } from "./rounds.ts"
import { counted, policies } from "./subjects.ts"

export interface Weight {
  readonly policy: string
  readonly circuits: number
  /** Of a circuit and its place in the map, and of the text of its key. */
  readonly bytesEach: number
  readonly keyBytesEach: number
  readonly totalMegabytes: number
}

/** A map with its keys: every key has its circuit already. */
export interface Filled {
  readonly map: BreakerMaps.BreakerMap
  readonly keys: ReadonlyArray<string>
}

type PolicyName = keyof typeof policies

const keysOf = (circuits: number): ReadonlyArray<string> => Array.from({ length: circuits }, (_, i) => `model-${i}`)

/** A map whose circuits have seen one successful call each. */
export const fill = async (
  policy: PolicyName,
  circuits: number,
  keys = keysOf(circuits)
): Promise<Filled> => {
  const tripPolicy = policies[policy]
  const map = await Effect.runPromise(BreakerMap.make({ tripPolicy, capacity: 2 * circuits, openDuration: "1 minute" }))
  const successes = await Effect.runPromise(Effect.gen(function*() {
    let sum = 0
    for (const key of keys) sum += yield* map.execute(counted, { key })
    return sum
  }))
  strictEqual(successes, circuits)
  return { map, keys }
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

// Circuits are weighed as in a process that runs for long: some of them have opened before.
const live = async (policy: PolicyName): Promise<void> => {
  const { map } = await fill(policy, 1000)
  const options = { name: "first", tripPolicy: policies[policy], openDuration: 1, halfOpen: { successes: 1 } }
  const breaker = await Effect.runPromise(Breaker.make(options))
  for (const one of [breaker, await Effect.runPromise(map.get("model-1"))]) {
    for (let i = 0; i < 20; i++) await Effect.runPromiseExit(one.execute(Effect.fail("down")))
    strictEqual((await Effect.runPromise(one.state))._tag, "Open")
    await Effect.runPromise(one.reset)
  }
}

const weighHere = async (policy: PolicyName, circuits: number): Promise<Weight> => {
  await live(policy)
  // Some of what starting up took is given back late.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const empty = await held()
  const keys = keysOf(circuits)
  const withKeys = await held()
  const { map } = await fill(policy, circuits, keys)
  const full = await held()
  for (const key of [keys[0]!, keys.at(-1)!]) {
    const { state, successes } = await Effect.runPromise(Effect.flatMap(map.get(key), ({ snapshot }) => snapshot))
    strictEqual(`${state} ${successes}`, "Closed 1", "no circuit was let go")
  }
  return {
    policy,
    circuits,
    bytesEach: (full - withKeys) / circuits,
    keyBytesEach: (withKeys - empty) / circuits,
    totalMegabytes: (full - empty) / 2 ** 20
  }
}

const file = fileURLToPath(import.meta.url)

/** Weighs the circuits of a map in a process of their own. */
export const weigh = (policy: PolicyName, circuits: number): Weight => {
  const { error, status, stderr, stdout } = spawnSync(
    process.execPath,
    [...process.execArgv, file, policy, String(circuits)],
    { encoding: "utf8" }
  )
  if (status !== 0) throw new Error(`${error ?? ""}${stderr}`)
  return JSON.parse(stdout) as Weight
}

if (process.argv[1] === file) {
  const [policy, circuits] = process.argv.slice(2)
  console.log(JSON.stringify(await weighHere(policy as PolicyName, Number(circuits))))
}
