/**
 * The circuit of a fleet that has one member, written down and read again after every step, against the one in memory.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories are tried.
 */
// The assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { anySettings, anySteps } from "../anyHistory.ts"
import { inMemory, play } from "./fleetOfOne.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
const runs = Number(process.env.FC_RUNS ?? 1000)
console.info(`Fleet.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

describe("a fleet of one", () => {
  it(
    "says what the circuit in memory says, step by step, though it is written down in between (rule 2 to rule 27)",
    () => {
      const property = fc.property(anySettings, anySteps(), (settings, steps) => {
        Effect.runSync(play(settings, steps, inMemory()))
      })
      fc.assert(property, { seed, numRuns: Math.ceil(runs / 4) })
    },
    600_000
  )
})
