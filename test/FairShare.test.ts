/**
 * The law under rule 15: a share is fair to calls that still run.
 *
 * With a true share clearly under the threshold a circuit stays closed, whatever the two latencies, the arrivals and
 * the concurrency; with one clearly above it opens within about n calls or the failures' own latency, whichever is
 * longer. Calls made one after the other see no difference to a plain sliding window. All of it on virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import * as CallWindow from "../src/CallWindow.ts"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { Agenda, chance, type Latencies, latencies } from "./loads.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Loads
// ---------------------------------------------------------------------------------------------------------------------

const WORKERS = 60
const BURST = 200
const RATE = 1000

/** How calls come: at so many a second, or from workers that each begin the next call when the last one is home. */
const arrivals = ["steady", "poisson", "bursts", "workers"] as const
type Arrivals = (typeof arrivals)[number]

interface Load extends Latencies {
  readonly arrivals: Arrivals
  readonly share: number
  /** Until then one call in twenty fails. */
  readonly from?: number
  /** The share of calls that end ignored, as soon as a failure would or sooner; of the others `share` fail. */
  readonly ignored?: number
  readonly seed: number
}

const nameOf = ({ arrivals, failure, share, success }: Load): string =>
  `${100 * share} % of ${arrivals}, success ${success.name}, failure ${failure.name}`

/** Calls a second. */
const rateOf = ({ arrivals, failure, share, success }: Load): number =>
  arrivals === "workers" ? WORKERS * 1000 / (share * failure.mean + (1 - share) * success.mean) : RATE

// ---------------------------------------------------------------------------------------------------------------------
// Simulation
// ---------------------------------------------------------------------------------------------------------------------

interface Contender {
  readonly name: string
  readonly policy: TripPolicy.FailureRate
}

const contenders: ReadonlyArray<Contender> = [
  { name: "lastCalls(100)", window: CallWindow.lastCalls(100) },
  { name: "lastCalls(100, within 10 s)", window: CallWindow.lastCalls(100, { within: "10 seconds" }) },
  { name: "lastDuration(10 s)", window: CallWindow.lastDuration("10 seconds") }
].flatMap(({ name, window }) =>
  [10, 100].map((minimumCalls) => ({
    name: `${name}, at least ${minimumCalls}`,
    policy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls, window })
  }))
)

const success = Outcome.success
const failure = Outcome.failure()

interface Opening {
  readonly at: number
  /** How many of the last hundred calls admitted have failed or will. */
  readonly doomed: number
}

/** The first opening of each circuit under the load; undefined for one that stayed closed. Times are milliseconds. */
const simulate = (
  load: Load,
  under: ReadonlyArray<Contender>,
  until: number
): ReadonlyArray<Opening | undefined> => {
  const random = chance(load.seed)
  const fates: Array<boolean> = []
  const openings: Array<Opening | undefined> = under.map(() => undefined)
  const circuits = under.map(({ policy }, i) => {
    let now = 0
    const circuit = Circuit.make(Circuit.rules({ tripPolicy: policy }), 0, {
      notify: () => {
        openings[i] = { at: now, doomed: fates.slice(-100).filter((failed) => failed).length }
      }
    })
    return {
      ask: (at: number): Circuit.Permit | undefined => {
        if (openings[i] !== undefined) return undefined
        now = at
        const answer = Circuit.admit(circuit, at)
        return answer instanceof Circuit.Permit ? answer : undefined
      },
      settle: (permit: Circuit.Permit, outcome: Outcome.Outcome, at: number): void => {
        if (openings[i] !== undefined) return
        now = at
        Circuit.settle(circuit, permit, outcome, at)
      }
    }
  })

  const agenda = new Agenda()
  const running: Array<
    { readonly outcome: Outcome.Outcome; readonly permits: ReadonlyArray<Circuit.Permit | undefined> }
  > = []
  const free: Array<number> = []
  const begin = (at: number): void => {
    const ignored = load.ignored !== undefined && random() < load.ignored
    const failed = !ignored && random() < (at < (load.from ?? 0) ? 0.05 : load.share)
    if (!ignored) fates.push(failed)
    const slot = free.pop() ?? running.length
    const outcome = ignored ? Outcome.ignored : failed ? failure : success
    running[slot] = { outcome, permits: circuits.map((circuit) => circuit.ask(at)) }
    agenda.add(at + (failed || ignored ? load.failure : load.success).draw(random) * (ignored ? random() : 1), slot)
  }
  const settleNext = (): number => {
    const at = agenda.next
    const slot = agenda.take()
    const { outcome, permits } = running[slot]!
    free.push(slot)
    for (let i = 0; i < circuits.length; i++) {
      const permit = permits[i]
      if (permit !== undefined) circuits[i]!.settle(permit, outcome, at)
    }
    return at
  }
  const isOver = () => openings.every((opening) => opening !== undefined)

  if (load.arrivals === "workers") {
    for (let i = 0; i < WORKERS; i++) begin(0)
    while (agenda.next <= until && !isOver()) begin(settleNext())
    return openings
  }
  let arrival = 0
  for (let count = 1; arrival <= until && !isOver(); count++) {
    while (agenda.next <= arrival) settleNext()
    begin(arrival)
    if (load.arrivals === "steady") arrival = count * 1000 / RATE
    else if (load.arrivals === "poisson") arrival += -1000 / RATE * Math.log(1 - random())
    else arrival = Math.floor(count / BURST) * BURST * 1000 / RATE
  }
  while (agenda.next <= until) settleNext()
  return openings
}

/** The time in which the window's calls are made, or the failures' own latency, whichever is longer. */
const measure = (load: Load, { policy: { window } }: Contender): number => {
  const { within } = window._tag === "LastCalls" ? window : { within: window.duration }
  const calls = window._tag === "LastCalls" ? 1000 * window.calls / rateOf(load) : Number.POSITIVE_INFINITY
  return Math.max(Math.min(calls, within ?? Number.POSITIVE_INFINITY), load.failure.p99)
}

/** Whether the window, as long as it is, ever holds the calls that it takes to be judged. */
const isJudged = (load: Load, { policy: { minimumCalls, window } }: Contender): boolean => {
  const span = window._tag === "LastCalls" ? window.within : window.duration
  return span === undefined || span / 1000 * rateOf(load) > 1.5 * minimumCalls
}

const bucketOf = ({ buckets, duration }: CallWindow.LastDuration, at: number): number =>
  Math.floor(at / (duration / buckets))

/** The share of a minute's arrivals that succeed: a thousand a second of which 35 % fail, failures first. */
const arrivalsServed = (seed: number): number => {
  const random = chance(seed)
  const circuit = Circuit.make(
    Circuit.rules({
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) })
    }),
    0
  )
  const agenda = new Agenda()
  const running: Array<{ readonly failed: boolean; readonly permit: Circuit.Permit }> = []
  let served = 0
  for (let arrival = 0; arrival < 60_000; arrival++) {
    while (agenda.next <= arrival) {
      const at = agenda.next
      const { failed, permit } = running[agenda.take()]!
      Circuit.settle(circuit, permit, failed ? failure : success, at)
    }
    const answer = Circuit.admit(circuit, arrival)
    if (!(answer instanceof Circuit.Permit)) continue
    const failed = random() < 0.35
    if (!failed) served++
    agenda.add(arrival + (failed ? 45 : 150), running.push({ failed, permit: answer }) - 1)
  }
  return served / 60_000
}

const late = (opening: Opening | undefined, from: number, bound: number): boolean =>
  opening === undefined || opening.at < from || opening.at - from > bound

describe("FairShare", () => {
  describe("a true share clearly under the threshold", () => {
    for (const share of [0.2, 0.35]) {
      for (const pair of latencies) {
        for (const arriving of ["steady", "poisson", "workers"] as const) {
          const load: Load = { ...pair, arrivals: arriving, share, seed: 1 }
          it(`stays closed for a minute: ${nameOf(load)} (rule 15)`, () => {
            const openings = simulate(load, contenders, 60_000)

            assert.deepStrictEqual(openings, contenders.map(() => undefined))
          })
        }

        // A burst that ends is a plain window of its last hundred calls: at 35 %, half of them fail in one of 800.
        // That is chance, not haste: it must be true of the calls, and cannot be of a window with thousands of them.
        const load: Load = { ...pair, arrivals: "bursts", share, seed: 1 }
        it(`opens only where half of the calls truly failed: ${nameOf(load)} (rule 15)`, () => {
          const openings = simulate(load, contenders, 60_000)

          contenders.forEach(({ name, policy }, i) => {
            const opening = openings[i]
            if (opening === undefined) return
            assert.strictEqual(policy.window._tag, "LastCalls", `${name} at ${opening.at}`)
            assert.isAtLeast(opening.doomed, 50, `${name} at ${opening.at}`)
          })
        })
      }
    }

    it("lets at least 63 % of arrivals succeed at a true 35 %, failures fast and ten calls enough (rule 15)", () => {
      for (let seed = 1; seed <= 5; seed++) {
        const served = arrivalsServed(seed)

        assert.isAtLeast(served, 0.63, `seed ${seed}`)
      }
    })
  })

  describe("a true share clearly above the threshold", () => {
    for (const share of [0.65, 0.8, 1]) {
      for (const pair of latencies) {
        for (const arriving of arrivals) {
          const load: Load = { ...pair, arrivals: arriving, share, seed: 2 }
          it(`opens within three times what the window or the failures take: ${nameOf(load)} (rule 15)`, () => {
            const judged = contenders.filter((contender) => isJudged(load, contender))
            const bounds = judged.map((contender) => 3 * measure(load, contender))

            const openings = simulate(load, judged, Math.max(0, ...bounds))

            assert.deepStrictEqual(
              judged.flatMap(({ name }, i) =>
                late(openings[i], 0, bounds[i]!) ? [[name, openings[i]?.at, bounds[i]]] : []
              ),
              []
            )
          })
        }
      }
    }
  })

  describe("an outage after twenty healthy seconds", () => {
    const from = 20_000
    for (const share of [0.8, 1]) {
      for (const pair of latencies) {
        for (const arriving of ["steady", "poisson", "bursts"] as const) {
          const load: Load = { ...pair, arrivals: arriving, share, seed: 3, from }
          it(`opens within three times what the window or the failures take: ${nameOf(load)} (rule 15)`, () => {
            const bounds = contenders.map((contender) => 3 * measure(load, contender))

            const openings = simulate(load, contenders, from + Math.max(...bounds))

            assert.deepStrictEqual(
              contenders.flatMap(({ name }, i) =>
                late(openings[i], from, bounds[i]!) ? [[name, openings[i]?.at, from + bounds[i]!]] : []
              ),
              []
            )
          })
        }
      }
    }
  })

  describe("calls in bursts, whose failures are home before the next", () => {
    it("open the circuit though nothing of a block is left when it is closed (rule 15)", () => {
      const tripPolicy = TripPolicy.failureRate({
        threshold: 0.5,
        minimumCalls: 40,
        window: CallWindow.lastDuration("2 seconds")
      })
      const circuit = Circuit.make(Circuit.rules({ tripPolicy }), 0)
      const burst = (at: number, failing: number) => {
        const permits = Array.from({ length: 60 }, () => Circuit.admit(circuit, at))
        for (const permit of permits.slice(0, failing)) {
          if (permit instanceof Circuit.Permit) Circuit.settle(circuit, permit, failure, at + 300)
        }
      }

      // The other calls take twenty seconds: those of healthy times count as good beside the window until then.
      for (let at = 0; at < 1500; at += 600) burst(at, 0)
      for (let at = 1800; at < 9000; at += 600) burst(at, 39)

      assert.strictEqual(Circuit.snapshot(circuit, 9000).state, "Open")
    })
  })

  describe("where calls end ignored", () => {
    for (const ignored of [0.25, 0.5, 0.9]) {
      for (const pair of latencies.slice(0, 5)) {
        for (const arriving of ["steady", "poisson"] as const) {
          const fine: Load = { ...pair, arrivals: arriving, share: 0.35, seed: 7, ignored }
          const down: Load = { ...pair, arrivals: arriving, share: 0.8, seed: 7, ignored }

          it(`stays closed though ${100 * ignored} % do: ${nameOf(fine)} (rule 10, rule 15)`, () => {
            const openings = simulate(fine, contenders, 30_000)

            // Where few calls overlap chance may have its way, as it has with any window of a hundred calls.
            const unfair = openings.filter((opening) => opening !== undefined && opening.doomed < 50)
            assert.deepStrictEqual(unfair, [])
          })

          // Calls that run count as good, those too that will say nothing: where nine of ten do, they hide the others.
          if (ignored === 0.9) continue
          it(`opens though ${100 * ignored} % do: ${nameOf(down)} (rule 10, rule 15)`, () => {
            // Fewer calls count: those of a window take that much longer to come.
            const bounds = contenders.map((contender) => 3 * measure(down, contender) / (1 - ignored))

            const openings = simulate(down, contenders, Math.max(...bounds))

            assert.deepStrictEqual(
              contenders.flatMap(({ name }, i) => late(openings[i], 0, bounds[i]!) ? [[name, openings[i]?.at]] : []),
              []
            )
          })
        }
      }
    }
  })

  describe("calls made one after the other", () => {
    it("trip at the very call at which a plain sliding window does (rule 15, rule 18)", () => {
      const random = chance(4)
      const draw = (least: number, most: number) => least + Math.floor(random() * (most - least + 1))
      let tripped = 0
      for (let round = 0; round < 3000; round++) {
        const calls = draw(1, 30)
        const window = [
          CallWindow.lastCalls(calls),
          CallWindow.lastCalls(calls, { within: draw(1, 2000) }),
          CallWindow.lastDuration(draw(1, 200) * 10, { buckets: draw(1, 10) })
        ][round % 3]!
        const threshold = draw(1, 20) / 20
        const minimumCalls = window._tag === "LastCalls" ? draw(1, calls) : draw(1, 30)
        const failing = random()
        const circuit = Circuit.make(
          Circuit.rules({ tripPolicy: TripPolicy.failureRate({ threshold, minimumCalls, window }) }),
          0
        )
        const plain: Array<{ readonly at: number; readonly failed: boolean }> = []
        let now = draw(0, 10_000)
        for (let call = 0; call < 150; call++) {
          now += random() < 0.05 ? draw(0, 3000) : draw(0, 50)
          const permit = Circuit.admit(circuit, now)
          if (!(permit instanceof Circuit.Permit)) throw new Error(`refused in round ${round}, call ${call}`)
          now += draw(0, 20)
          const failed = random() < failing
          const says = random() >= 0.2
          Circuit.settle(circuit, permit, says ? failed ? failure : success : Outcome.ignored, now)
          if (says) plain.push({ at: now, failed })
          const held = window._tag === "LastCalls"
            ? plain.slice(-window.calls).filter(({ at }) => now - at <= (window.within ?? Number.POSITIVE_INFINITY))
            : plain.filter(({ at }) => bucketOf(window, at) > bucketOf(window, now) - window.buckets)
          const share = held.filter((one) => one.failed).length / held.length
          const trips = says && held.length >= minimumCalls && share >= threshold

          assert.strictEqual(Circuit.snapshot(circuit, now).state, trips ? "Open" : "Closed", `round ${round}, ${call}`)
          if (trips) tripped++
          if (trips) break
        }
      }

      assert.isAtLeast(tripped, 1000)
    })
  })
})
