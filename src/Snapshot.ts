/**
 * What there is to know about one circuit at one moment, as data that a page, a log or another process can read.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const failure = /*#__PURE__*/ Schema.Struct({
  at: Schema.Number,
  kind: Schema.optional(Schema.String),
  message: Schema.optional(Schema.String)
})

/** @internal Every rule that a cause may name. */
export const Rule = /*#__PURE__*/ Schema.Literals([
  "consecutive",
  "failureRate",
  "slowRate",
  "failureCount",
  "probes",
  "trip",
  "manual",
  "escalated",
  "throttled",
  "isolated",
  "store"
])

const cause = /*#__PURE__*/ Schema.Struct({
  rule: Rule,
  value: Schema.Number,
  limit: Schema.Number,
  calls: Schema.Number,
  note: Schema.optional(Schema.String),
  by: Schema.optional(Schema.String),
  failure: Schema.optional(failure)
})

/**
 * What there is to know about one circuit at one moment.
 *
 * **Details**
 *
 * The counts are those of the circuit's life; only calls that settled in the period that admitted them are counted.
 * `inFlight` calls run now. `openings` counts the openings in a row that the backoff remembers. `window` is what the trip
 * policy looks back on. `uptimePercentage` is the share of its life in which it was neither `Open` nor `Isolated`.
 * `retryAfter` is zero where asking may help now: an open circuit whose time is over, and which nobody has asked since,
 * still reads `Open`. `store` is there where the circuit is shared by many processes: `lost` while this one goes on alone.
 * Times (`since`, `at`) are milliseconds since the epoch.
 *
 * @category models
 * @since 0.1.0
 */
export class Snapshot extends /*#__PURE__*/ Schema.Class<Snapshot>("effect-breaker/Breaker/Snapshot")({
  name: Schema.String,
  state: Schema.Literals(["Closed", "Open", "HalfOpen", "Isolated"]),
  stage: Schema.optional(Schema.Literals(["Probing", "Ramping"])),
  share: Schema.optional(Schema.Number),
  mode: Schema.Literals(["enforce", "observe", "off"]),
  generation: Schema.Number,
  since: Schema.Number,
  retryAfter: Schema.DurationFromString,
  cause: Schema.optional(cause),
  successes: Schema.Number,
  failures: Schema.Number,
  ignored: Schema.Number,
  throttled: Schema.Number,
  slow: Schema.Number,
  rejected: Schema.Number,
  wouldReject: Schema.Number,
  inFlight: Schema.Number,
  openings: Schema.Number,
  uptimePercentage: Schema.Number,
  lastFailure: Schema.optional(failure),
  store: Schema.optional(Schema.Literals(["lost", "shared"])),
  window: Schema.Struct({ calls: Schema.Number, failureRate: Schema.Number, slowRate: Schema.Number })
}) {}
