/**
 * The circuit of a fleet of one over a real Redis, through the scripts that a process uses, against the one in memory.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
import { describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Layer } from "effect"
import { Redis } from "effect/persistence"
import * as fc from "fast-check"
import { Store } from "../../src/redis/Store.ts"
import * as Stored from "../../src/redis/Stored.ts"
import { anySettings, anySteps } from "../anyHistory.ts"
import { type Keeper, play } from "./fleetOfOne.ts"
import { redisOf } from "./members.ts"
import { makeServer, withTime } from "./server.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`Store.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

/** Keeps the text in Redis: read back, and replaced where it has the version that was read. */
const inRedis = (store: Store, name: string): Keeper => {
  let count = 0
  return {
    read: Effect.orDie(Effect.map(store.read(name), ({ text }) => text)),
    write: (text) =>
      Effect.gen(function*() {
        const { version } = yield* store.read(name)
        const next = { version: `${++count}.a.epoch`, text }
        const now = Number(yield* Clock.monotonicTimeNanos) / 1e6 + store.shift!
        const found = yield* store.swap(name, version, next, { livesFor: 60_000, isNews: count % 2 === 0, now })
        if (found !== undefined) yield* Effect.die(new Error(`somebody else wrote ${JSON.stringify(found)}`))
      }).pipe(Effect.orDie)
  }
}

describe.runIf(withTime)("a fleet of one over Redis", () => {
  it.live(
    "says what the circuit in memory says, step by step (rule 2 to rule 27)",
    () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const redis = Context.get(yield* Layer.build(redisOf(server)), Redis.Redis)
        const store = new Store(redis, { prefix: "laws", bound: 50, format: Stored.format })
        let histories = 0
        const property = fc.asyncProperty(anySettings, anySteps(), (settings, steps) =>
          Effect.runPromise(play(settings, steps, inRedis(store, `history ${histories++} "é\n`))))
        yield* Effect.promise(() =>
          fc.assert(property, { seed, numRuns: Math.ceil(runs / 25) })
        )
      }).pipe(Effect.scoped),
    600_000
  )
})
