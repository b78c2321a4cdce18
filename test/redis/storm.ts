/**
 * A storm over the processes of a fleet: most calls fail for a while, anything is said and ordered, processes stand still or
 * are killed.
 */
import * as fc from "fast-check"
import * as Circuit from "../../src/Circuit.ts"
import * as Outcome from "../../src/Outcome.ts"
import type * as Fleet from "../../src/redis/Fleet.ts"
import { anyOrder, anyOutcome, anySettings, ofMode, type Settings } from "../anyHistory.ts"
import { type Applied, beginning, Processes } from "./processes.ts"

export const pace: Fleet.Pace = { grace: 50, every: 200, forgetAfter: 2000 }

const anyChance = fc.integer({ min: 0, max: 2 ** 31 - 1 })

export interface Storm {
  readonly settings: Settings
  readonly processes: number
  readonly chance: number
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly orders: ReadonlyArray<Circuit.Command>
}

export const anyStorm: fc.Arbitrary<Storm> = fc.record({
  settings: anySettings,
  processes: fc.constantFrom(1, 2, 8, 16),
  chance: anyChance,
  outcomes: fc.array(anyOutcome, { minLength: 20, maxLength: 20 }),
  orders: fc.array(fc.oneof(anyOrder, fc.constantFrom<Circuit.Mode>("enforce", "observe", "off").map(ofMode)), {
    minLength: 5,
    maxLength: 5
  })
})

/** Lets it rage for a while; then come `calm` milliseconds in which everything goes well, and no calls after that. */
export const rage = (
  storm: Storm,
  millis: number,
  calm: number,
  watch: (applied: Applied, fleet: Processes) => void
) => {
  const { orders, outcomes, settings } = storm
  const fleet = new Processes({
    rules: settings,
    processes: storm.processes,
    pace,
    seed: storm.chance,
    lost: 0.1,
    off: 1
  })
  const { world } = fleet
  const { random } = world
  const alive = fleet.all.slice()
  fleet.watch = (applied) => watch(applied, fleet)
  const until = world.now + millis
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!
  const call = (): void => {
    const isCalm = world.now >= until
    if (world.now >= until + calm) return
    // In bad times most fail.
    const isBad = Math.floor((world.now - beginning) / 700) % 2 === 1
    const outcome = isCalm ? Outcome.success : isBad && random() < 0.7 ? Outcome.failure() : pick(outcomes)
    const took = isCalm ? 5 * random() : -Math.log(1 - random()) * 60
    pick(alive).ask((leave) => {
      if (leave instanceof Circuit.Refusal) return
      // Some never come home.
      if (isCalm || random() < 0.98) world.at(world.now + took, () => leave.settle(outcome))
    })
    world.at(world.now - Math.log(1 - random()) * 8, call)
  }
  const meddle = (): void => {
    if (world.now >= until) return
    const one = pick(alive)
    const kind = random()
    if (kind < 0.3) one.order(pick(orders))
    else if (kind < 0.5) {
      one.stop()
      world.at(world.now + 500 * random(), () => one.wake())
    } else if (kind < 0.6) {
      one.die()
      alive.splice(alive.indexOf(one), 1, fleet.join())
    }
    world.at(world.now + 300 * random(), meddle)
  }
  call()
  meddle()
  // Whoever stands still then may have an order left.
  world.at(until + 500, () => {
    const helper = fleet.join()
    helper.order({ _tag: "Release" })
    helper.order(ofMode("enforce"))
  })
  world.run(until + calm)
  return fleet
}
