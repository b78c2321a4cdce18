/**
 * A scenario: a provider with what it can take, how healthy it is and when, and who calls it. Plain data, so that it can be a
 * JSON file. Times are milliseconds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Exact from "../internal/Exact.ts"
import * as Setting from "../internal/Setting.ts"
import * as Distribution from "./Distribution.ts"
import * as Fault from "./Fault.ts"

/**
 * The provider on a good day.
 *
 * **Details**
 *
 * - `servers`: how many calls it works on at once; without it as many as come.
 * - `queue`: how many more wait, first come first served, where all servers are there; without it as many as come. Where half of the
 *   servers are gone, so are half of the places. A call for which there is no place is
 *   told "overloaded" `turnedAway` later (100 unless given).
 * - `latency`: the work for one call, and of a language model up to its first content.
 * - `tokens`: how many an answer has (`output`), and how long `each` takes; `input`, how many the question has. Without it an
 *   answer is there at once.
 * - `slowdown`: when all servers are busy, work takes so much longer: 1 is twice as long. In between in proportion.
 * - `worksOn`: what becomes of work whose client gave up. It goes on to its end (`true`, unless given), in the queue too.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider {
  readonly servers?: number | undefined
  readonly queue?: number | undefined
  readonly turnedAway?: Distribution.Distribution | undefined
  readonly latency: Distribution.Distribution
  readonly tokens?: {
    readonly output: Distribution.Distribution
    readonly each: Distribution.Distribution
    readonly input?: number | undefined
  } | undefined
  readonly slowdown?: number | undefined
  readonly worksOn?: boolean | undefined
}

/**
 * A stretch of time: how healthy the provider is.
 *
 * **Details**
 *
 * - `faults`, each with the `share` of calls that meet it; what is left over goes well.
 * - `latencyFactor`: how many times longer the work takes.
 * - `capacity`: the share of its servers that is there, or how it changes in a straight line over the phase.
 * - `lifts`: the phase does not end by itself, but when after its `for` the load offered was `below` that share of what the
 *   provider can take, for so long (`during`). What is not given is judged by the second.
 *
 * The last phase lasts until the end of the scenario.
 *
 * @category models
 * @since 0.1.0
 */
export interface Phase {
  readonly name: string
  readonly for: number
  readonly faults?: ReadonlyArray<{ readonly fault: Fault.Fault; readonly share: number }> | undefined
  readonly latencyFactor?: number | undefined
  readonly capacity?: number | { readonly from: number; readonly to: number } | undefined
  readonly lifts?: { readonly below: number; readonly during: number } | undefined
}

/**
 * Who calls the provider.
 *
 * **Details**
 *
 * - `rate`: calls a second of all clients together, or from when on how many.
 * - `arrivals`: by chance (`poisson`, unless given), or `even`: one after the other in equal steps, the clients in turn.
 * - `count`: how many clients (processes) there are (1), and `breaker`: each with its `own` (unless given), or all `shared`.
 * - `concurrency`: how many calls a client makes at once; others wait for it, at most `queue`, and beyond that are dropped.
 * - `timeout`: how long a client waits for the first content, for more content (`idle`), and in `total`.
 * - `retry`: how many `attempts` a call gets (the first included), and the pause before the second: `delay`, multiplied by
 *   `factor` (2) for each one more, at most `most` (8 seconds), and with `jitter` shortened by up to that fraction. What the provider
 *   asks to wait is waited for where it is longer, up to a minute. `refusals`: whether a refusal is retried too, unless
 *   it is for longer than `most` (not, unless given).
 *
 * @category models
 * @since 0.1.0
 */
export interface Clients {
  readonly rate: number | ReadonlyArray<{ readonly at: number; readonly rate: number }>
  readonly arrivals?: "poisson" | "even" | undefined
  readonly count?: number | undefined
  readonly breaker?: "own" | "shared" | undefined
  readonly concurrency?: { readonly limit: number; readonly queue?: number | undefined } | undefined
  readonly timeout?: {
    readonly firstContent?: number | undefined
    readonly idle?: number | undefined
    readonly total?: number | undefined
  } | undefined
  readonly retry?: {
    readonly attempts: number
    readonly delay: number
    readonly factor?: number | undefined
    readonly most?: number | undefined
    readonly jitter?: number | undefined
    readonly refusals?: boolean | undefined
  } | undefined
}

/**
 * A scenario.
 *
 * **Details**
 *
 * Calls come for `duration`; those under way then are waited for. `price` is what a million tokens cost, in whatever money.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly name: string
  readonly about?: string | undefined
  readonly duration: number
  readonly provider: Provider
  readonly phases: ReadonlyArray<Phase>
  readonly clients: Clients
  readonly price?: { readonly input: number; readonly output: number } | undefined
}

const maybe = Schema.optional
const fraction = /*#__PURE__*/ Setting.setting(
  "a number from 0 to 1",
  (value) => Number.isFinite(value) && value >= 0 && value <= 1
)
const factor = /*#__PURE__*/ Setting.setting(
  "a finite number above zero",
  (value) => Number.isFinite(value) && value > 0
)
const amount = /*#__PURE__*/ Setting.setting(
  "a finite number of zero or more",
  (value) => Number.isFinite(value) && value >= 0
)
const places = /*#__PURE__*/ Setting.setting(
  "a whole number of zero or more",
  (value) => Number.isSafeInteger(value) && value >= 0
)
const name = /*#__PURE__*/ Setting.setting<string>(
  "a text that is not empty",
  (value) => typeof value === "string" && value.trim() !== ""
)
const steps = /*#__PURE__*/ Setting.setting<Clients["rate"]>(
  "a finite number of zero or more, or steps { at, rate } in rising order from 0",
  (value) =>
    amountIs(value) ||
    (Array.isArray(value) && value.length > 0 && value[0].at === 0 &&
      value.every(({ at, rate }, i) => amountIs(at) && amountIs(rate) && (i === 0 || at > value[i - 1].at)))
)
const amountIs = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value >= 0
const word = <A extends string>(...words: ReadonlyArray<A>) =>
  Setting.setting<A>(words.join(" or "), (value) => words.includes(value))

const Provider = /*#__PURE__*/ Schema.Struct({
  servers: /*#__PURE__*/ maybe(Setting.count),
  queue: /*#__PURE__*/ maybe(places),
  turnedAway: /*#__PURE__*/ maybe(Distribution.Distribution),
  latency: Distribution.Distribution,
  tokens: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({
      output: Distribution.Distribution,
      each: Distribution.Distribution,
      input: /*#__PURE__*/ maybe(amount)
    })
  ),
  slowdown: /*#__PURE__*/ maybe(amount),
  worksOn: /*#__PURE__*/ maybe(Setting.flag)
})

const Phase = /*#__PURE__*/ Schema.Struct({
  name,
  for: Setting.positiveMillis,
  faults: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Array(/*#__PURE__*/ Schema.Struct({ fault: Fault.Fault, share: fraction })).check(
      /*#__PURE__*/ Schema.makeFilter((faults) => {
        const sum = faults.reduce((sum, { share }) => sum + share, 0)
        return sum > 1 + 1e-9 ? Setting.wrong("shares that add up to 1 at most", sum) : undefined
      })
    )
  ),
  latencyFactor: /*#__PURE__*/ maybe(factor),
  capacity: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Union([
      fraction,
      /*#__PURE__*/ Schema.Struct({ from: fraction, to: fraction })
    ])
  ),
  lifts: /*#__PURE__*/ maybe(/*#__PURE__*/ Schema.Struct({ below: factor, during: Setting.positiveMillis }))
})

const Clients = /*#__PURE__*/ Schema.Struct({
  rate: steps,
  arrivals: /*#__PURE__*/ maybe(/*#__PURE__*/ word("poisson", "even")),
  count: /*#__PURE__*/ maybe(Setting.count),
  breaker: /*#__PURE__*/ maybe(/*#__PURE__*/ word("own", "shared")),
  concurrency: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({ limit: Setting.count, queue: /*#__PURE__*/ maybe(places) })
  ),
  timeout: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({
      firstContent: /*#__PURE__*/ maybe(Setting.positiveMillis),
      idle: /*#__PURE__*/ maybe(Setting.positiveMillis),
      total: /*#__PURE__*/ maybe(Setting.positiveMillis)
    })
  ),
  retry: /*#__PURE__*/ maybe(
    /*#__PURE__*/ Schema.Struct({
      attempts: Setting.count,
      delay: Setting.millis,
      factor: /*#__PURE__*/ maybe(factor),
      most: /*#__PURE__*/ maybe(Setting.millis),
      jitter: /*#__PURE__*/ maybe(fraction),
      refusals: /*#__PURE__*/ maybe(Setting.flag)
    })
  )
})

/**
 * The Schema of a `Scenario`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Scenario: Schema.Codec<Scenario, unknown> = /*#__PURE__*/ Schema.Struct({
  name,
  about: /*#__PURE__*/ maybe(Setting.text),
  duration: Setting.positiveMillis,
  provider: Provider,
  phases: /*#__PURE__*/ Schema.Array(Phase).check(
    /*#__PURE__*/ Schema.makeFilter((phases) => phases.length > 0 || "at least one phase")
  ),
  clients: Clients,
  price: /*#__PURE__*/ maybe(/*#__PURE__*/ Schema.Struct({ input: amount, output: amount }))
})

/**
 * Checks a scenario.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that names the option, the rule and the value. Decode JSON through the Schema instead: that fails
 * with a readable issue.
 *
 * **Example** (Half a minute of errors)
 *
 * ```ts
 * import { Distribution, Scenario } from "effect-breaker/replay"
 *
 * const blip = Scenario.make({
 *   name: "blip",
 *   duration: 120_000,
 *   provider: { servers: 50, latency: Distribution.logNormal({ median: 300, sigma: 0.5 }) },
 *   phases: [
 *     { name: "healthy", for: 30_000 },
 *     { name: "errors", for: 30_000, faults: [{ fault: { _tag: "Failed", after: 0.3 }, share: 0.8 }] },
 *     { name: "healthy again", for: 60_000 }
 *   ],
 *   clients: { rate: 100 }
 * })
 *
 * console.log(Scenario.capacity(blip).toFixed(0)) // => "147"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (scenario: Scenario): Scenario => Exact.enforce("Scenario.make", Scenario, scenario)

/**
 * How long a server is busy with a call in the mean, in milliseconds, on a good day without a slowdown.
 *
 * @category reading
 * @since 0.1.0
 */
export const serviceTime = ({ provider: { latency, tokens } }: Scenario): number =>
  Distribution.mean(latency) +
  (tokens === undefined ? 0 : Distribution.mean(tokens.output) * Distribution.mean(tokens.each))

/**
 * How many calls a second the provider can take on a good day, all servers busy; infinite where they are not numbered.
 *
 * @category reading
 * @since 0.1.0
 */
export const capacity = (scenario: Scenario): number => {
  const { servers = Infinity, slowdown = 0 } = scenario.provider
  return servers * 1000 / (serviceTime(scenario) * (1 + slowdown))
}

/**
 * How many calls a second come at a moment.
 *
 * @category reading
 * @since 0.1.0
 */
export const rateAt = ({ clients: { rate } }: Scenario, at: number): number =>
  typeof rate === "number" ? rate : rate.findLast((step) => step.at <= at)!.rate
