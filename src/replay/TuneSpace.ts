/**
 * The policies among which a search chooses: a few settings, each with a few values, about a policy that there is.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as CallWindow from "../CallWindow.ts"
import * as Setting from "../internal/Setting.ts"
import * as TripPolicy from "../TripPolicy.ts"
import type { Latencies } from "./Latencies.ts"
import * as Policy from "./Policy.ts"
import { written } from "./PolicyText.ts"
import type { Random } from "./Random.ts"

/**
 * A part of a policy that is searched: when it opens (`trip`), for how long (`open`), how it finds out that it may close (`probes`), and how
 * traffic comes back (`ramp`).
 *
 * @category models
 * @since 0.1.0
 */
export type Part = "trip" | "open" | "probes" | "ramp"

/** All parts. */
export const parts: ReadonlyArray<Part> = ["trip", "open", "probes", "ramp"]

/** Of each setting that is searched, the place of its value. */
export type Candidate = ReadonlyArray<number>

/** The policies of a search. */
export class Space {
  /** The policy that there is. */
  readonly start: Candidate
  private readonly given: Policy.Policy
  private readonly varies: ReadonlySet<Part>
  private readonly fixed: Values
  private readonly settings: ReadonlyArray<Choice>

  constructor(given: Policy.Policy, varies: ReadonlyArray<Part>, latencies: Latencies) {
    this.given = given
    this.varies = new Set(varies)
    this.fixed = valuesOf(given)
    this.settings = settingsOf(this.fixed, slowAfters(latencies)).filter(({ part }) => this.varies.has(part))
    this.start = this.settings.map(({ name, values }) => placeOf(values, this.fixed[name]))
  }

  /** The policy that a candidate is. */
  policy(candidate: Candidate, name: string): Policy.Policy {
    const values = { ...this.fixed }
    this.settings.forEach(({ name, values: all }, i) => Object.assign(values, { [name]: all[candidate[i]!] }))
    const { halfOpen, mode: _, openDuration, ramp, tripPolicy, ...rest } = this.given.options
    const trip = this.varies.has("trip") ? tripOf(values, tripPolicy) : tripPolicy
    const open = this.varies.has("open") ? openingOf(values) : openDuration
    const probes = this.varies.has("probes") ? probesOf(values) : halfOpen
    const back = this.varies.has("ramp") ? rampOf(values) : ramp
    return Policy.make(name, {
      ...(trip !== undefined && { tripPolicy: trip }),
      ...(open !== undefined && { openDuration: open }),
      ...(probes !== undefined && { halfOpen: probes }),
      ...(back !== undefined && { ramp: back }),
      ...rest
    })
  }

  /** Candidates all over the space, in which each value of a setting is as frequent as any other. */
  design(count: number, random: Random): ReadonlyArray<Candidate> {
    const columns = this.settings.map(({ name, values }) =>
      shuffled(Array.from({ length: count }, (_, i) => i % values.length), random.fork(name))
    )
    return Array.from({ length: count }, (_, i) => columns.map((column) => column[i]!))
  }

  /** Candidates with one setting changed: put back as it was first, then one step up or down. */
  neighbours(
    candidate: Candidate
  ): { readonly back: ReadonlyArray<Candidate>; readonly steps: ReadonlyArray<Candidate> } {
    const moved = (i: number, to: number) => candidate.map((at, j) => j === i ? to : at)
    const back: Array<Candidate> = []
    const steps: Array<Candidate> = []
    this.settings.forEach(({ name, values }, i) => {
      const at = candidate[i]!
      if (at !== this.start[i]) back.push(moved(i, this.start[i]!))
      const others = name === "rule" ? values.map((_, to) => to) : [at - 1, at + 1]
      for (const to of others) if (to !== at && to in values) steps.push(moved(i, to))
    })
    return { back, steps }
  }
}

/** The same things in an order by chance. */
export const shuffled = <A>(things: ReadonlyArray<A>, random: Random): Array<A> => {
  const left = things.slice()
  for (let i = left.length - 1; i > 0; i--) {
    const other = Math.floor(random.next() * (i + 1))
    const one = left[i]!
    left[i] = left[other]!
    left[other] = one
  }
  return left
}

// ---------------------------------------------------------------------------------------------------------------------

type Rule = "as given" | "in a row" | "share" | "share, or slow"

interface Values {
  readonly rule: Rule
  readonly failures: number
  readonly threshold: number
  readonly calls: number
  readonly within: number
  readonly minimumCalls: number
  /** How many in a row while there are fewer calls; zero for no such rule. */
  readonly below: number
  readonly slowAfter: number
  readonly slowShare: number
  readonly first: number
  readonly factor: number
  readonly most: number
  readonly successes: number
  /** How many probes may fail. */
  readonly spare: number
  readonly concurrency: number
  readonly lease: number
  /** None for no ramp. */
  readonly shares: ReadonlyArray<number>
  readonly every: number
  readonly minimumSuccesses: number
  /** Zero for none. */
  readonly tolerance: number
}

interface Choice {
  readonly part: Part
  readonly name: keyof Values
  readonly values: ReadonlyArray<unknown>
}

const SECOND = 1000
const MINUTE = 60_000

const settingsOf = (given: Values, slow: ReadonlyArray<number>): ReadonlyArray<Choice> => {
  const of = (part: Part, name: keyof Values, ...values: ReadonlyArray<number>): Choice => ({
    part,
    name,
    values: [...new Set([...values, given[name] as number])].toSorted((a, b) => a - b)
  })
  const knowsSlow = slow.length > 0 || given.rule === "share, or slow"
  const rules: ReadonlyArray<Rule> = [
    ...(given.rule === "as given" ? ["as given" as const] : []),
    "in a row",
    "share",
    ...(knowsSlow ? ["share, or slow" as const] : [])
  ]
  const ramps = [[], [0.5], [0.25, 0.5], [0.1, 0.25, 0.5], [0.05, 0.1, 0.25, 0.5]]
  const known = ramps.some((shares) => same(shares, given.shares)) ? [] : [given.shares]
  return [
    { part: "trip", name: "rule", values: rules },
    of("trip", "failures", 2, 3, 4, 5, 7, 10, 15, 20),
    of("trip", "threshold", 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    of("trip", "calls", 10, 20, 50, 100, 200, 500),
    of("trip", "within", 10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE),
    of("trip", "minimumCalls", 5, 10, 20, 50),
    of("trip", "below", 0, 2, 3, 5, 8),
    ...(knowsSlow
      ? [of("trip", "slowAfter", ...slow), of("trip", "slowShare", 0.3, 0.5, 0.8, 1)]
      : []),
    of("open", "first", 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, MINUTE),
    of("open", "factor", 1, 1.5, 2, 3),
    of("open", "most", 10 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE),
    of("probes", "successes", 1, 2, 3, 5),
    of("probes", "spare", 0, 1, 2),
    of("probes", "concurrency", 1, 2, 3, 5),
    of("probes", "lease", 10 * SECOND, 30 * SECOND, 2 * MINUTE),
    {
      part: "ramp",
      name: "shares",
      values: [...ramps, ...known].toSorted((a, b) => a.length - b.length || (b[0] ?? 0) - (a[0] ?? 0))
    },
    of("ramp", "every", 500, SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND),
    of("ramp", "minimumSuccesses", 1, 5),
    of("ramp", "tolerance", 0, 0.05, 0.1, 0.2)
  ]
}

/** What takes longer than nearly every good answer, to two digits. */
const slowAfters = (latencies: Latencies): ReadonlyArray<number> => {
  const [usual, most] = [latencies.quantile(0.9), latencies.quantile(0.99)]
  if (usual === undefined || most === undefined || most <= 1) return []
  return [usual, most, 1.5 * most, 2 * most, 4 * most].map((millis) => Number(millis.toPrecision(2)))
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const placeOf = (values: ReadonlyArray<unknown>, value: unknown): number => values.findIndex((one) => same(one, value))

const valuesOf = (policy: Policy.Policy): Values => {
  const { concurrency, lease, outOf, ramp, successes } = Policy.rules(policy)
  return {
    ...valuesOfTrip(policy.options.tripPolicy ?? TripPolicy.consecutive(5)),
    ...valuesOfOpening(policy.options.openDuration),
    successes,
    spare: outOf - successes,
    concurrency,
    lease,
    shares: ramp?.shares ?? [],
    every: ramp?.every ?? 2 * SECOND,
    minimumSuccesses: ramp?.minimumCalls ?? 1,
    tolerance: ramp === undefined || ramp.tolerance === Infinity ? 0 : ramp.tolerance
  }
}

const unset = {
  failures: 5,
  threshold: 0.5,
  calls: 100,
  within: MINUTE,
  minimumCalls: 10,
  below: 5,
  slowAfter: 30 * SECOND,
  slowShare: 0.8
}

const valuesOfTrip = (
  policy: TripPolicy.TripPolicy
): Pick<Values, "rule" | keyof typeof unset> => {
  if (policy._tag === "Consecutive") return { ...unset, rule: "in a row", failures: policy.failures }
  const [share, slow, ...more] = policy._tag === "AnyOf" ? policy.policies : [policy]
  const asGiven = { ...unset, rule: "as given" } as const
  if (share?._tag !== "FailureRate" || share.window._tag !== "LastCalls" || share.window.within === undefined) {
    return asGiven
  }
  const { belowMinimum, minimumCalls, threshold, window: { calls, within } } = share
  const read = { ...unset, threshold, calls, within, minimumCalls, below: belowMinimum?.failures ?? 0 }
  if (slow === undefined) return { ...read, rule: "share" }
  const fits = slow._tag === "SlowRate" && more.length === 0 && same(slow.window, share.window) &&
    slow.minimumCalls === minimumCalls
  return fits ? { ...read, rule: "share, or slow", slowAfter: slow.slowAfter, slowShare: slow.threshold } : asGiven
}

const tripOf = (values: Values, given: TripPolicy.TripPolicy | undefined): TripPolicy.TripPolicy | undefined => {
  const { below, calls, failures, minimumCalls, rule, slowAfter, slowShare, threshold, within } = values
  if (rule === "as given") return given
  if (rule === "in a row") return TripPolicy.consecutive(failures)
  const over = { minimumCalls: Math.min(minimumCalls, calls), window: CallWindow.lastCalls(calls, { within }) }
  const share = TripPolicy.failureRate({
    ...over,
    threshold,
    ...(below > 0 && { belowMinimum: TripPolicy.consecutive(below) })
  })
  return rule === "share"
    ? share
    : TripPolicy.anyOf(share, TripPolicy.slowRate({ ...over, slowAfter, threshold: slowShare }))
}

const valuesOfOpening = (openDuration: Policy.Options["openDuration"]): Pick<Values, "first" | "factor" | "most"> => {
  const { factor = 2, first, most } = Object(openDuration) as Partial<Policy.Growing>
  if (first !== undefined) return { first: Setting.toMillis(first), factor, most: Setting.toMillis(most!) }
  return { first: Setting.toMillis((openDuration ?? MINUTE) as Duration.Input), factor: 1, most: 5 * MINUTE }
}

const openingOf = ({ factor, first, most }: Values): Policy.Options["openDuration"] =>
  factor === 1 || most <= first
    ? written(first) as Duration.Input
    : { first: written(first) as Duration.Input, factor, most: written(most) as Duration.Input }

const probesOf = ({ concurrency, lease, spare, successes }: Values): Policy.Options["halfOpen"] => ({
  concurrency: Math.min(concurrency, successes + spare),
  successes,
  ...(spare > 0 && { outOf: successes + spare }),
  lease: written(lease) as Duration.Input
})

const rampOf = ({ every, minimumSuccesses, shares, tolerance }: Values): Policy.Options["ramp"] =>
  shares.length === 0 ? undefined : {
    shares,
    every: written(every) as Duration.Input,
    minimumCalls: minimumSuccesses,
    ...(tolerance > 0 && { tolerance })
  }
