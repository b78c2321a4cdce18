/**
 * One contender in one scenario.
 */
import { type Guard, type Scenario, Simulation } from "effect-breaker/replay"
import type { Contender } from "./contender.ts"
import { install, rest } from "./virtualTime.ts"

export interface Run extends Simulation.Result {
  readonly contender: string
}

export const play = async (scenario: Scenario.Scenario, contender: Contender, seed: number): Promise<Run> => {
  let giveBack: (() => void) | undefined = undefined
  const guard: Guard.Make = (host) => {
    // Those that set timers do so from the moment in which they are made.
    giveBack ??= install(host.agenda)
    return contender.guard(host)
  }
  try {
    const simulation = Simulation.make(scenario, { seed, guard })
    let rested = 0
    // A breaker with timers of its own is never done.
    while (!simulation.isDone && simulation.step()) {
      // Those that answer at once still tell of their transitions by a stream: it is heard before much time has gone by.
      if (contender.asynchronous !== true && simulation.agenda.next - rested < 100) continue
      await rest()
      rested = simulation.now
    }
    await rest()
    return { contender: contender.name, ...simulation.read() }
  } finally {
    ;(giveBack as (() => void) | undefined)?.()
  }
}
