/**
 * The series that are told, each by its name, what it means, and where its value is read.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import type { Answers, CircuitMeter, Shelf, Step } from "./CircuitMeter.ts"

/** @internal Every series: what it is called and what it means. */
export const catalogue = {
  state: [
    "effect_breaker_state",
    "State of the circuit: 0 closed, 1 half-open, 2 open, 3 isolated. Of several circuits the worst."
  ],
  calls: ["effect_breaker_calls_total", "Calls that were admitted and came home, by outcome."],
  refusals: ["effect_breaker_refusals_total", "Calls that were refused, by reason: calls saved."],
  wouldRefuse: [
    "effect_breaker_would_refuse_total",
    "Calls that mode observe let through and enforce would have refused, by reason."
  ],
  transitions: [
    "effect_breaker_transitions_total",
    "Steps from state to state, by the rule that opened or isolated the circuit."
  ],
  openings: ["effect_breaker_openings_total", "How often the circuit opened."],
  throttles: [
    "effect_breaker_throttles_total",
    "How often the provider asked for a pause that shut the gate for longer."
  ],
  probes: ["effect_breaker_probes_total", "Probes of a half-open circuit, by result."],
  inFlight: ["effect_breaker_in_flight", "Calls that run now."],
  duration: ["effect_breaker_call_duration_seconds", "How long admitted calls took."],
  openSeconds: [
    "effect_breaker_open_seconds_total",
    "Time that the circuit was open, until now. Of several circuits the sum."
  ],
  storeLost: [
    "effect_breaker_store_lost",
    "Whether the shared circuit goes on in this process alone: its store is gone. Of several circuits how many do."
  ],
  fallbacks: ["effect_breaker_fallbacks_total", "Answers of ladders of fallbacks, by where they came from."],
  savedTokens: [
    "effect_breaker_saved_tokens_total",
    "Tokens that refused calls would have cost: an estimate, each taken for the mean of the calls answered before it."
  ],
  firstChunk: [
    "gen_ai.client.operation.time_to_first_chunk",
    "Time to the first content of a streamed answer."
  ],
  perChunk: [
    "gen_ai.client.operation.time_per_output_chunk",
    "Time from one content chunk of a streamed answer to the next: each answer's mean, once for each chunk."
  ],
  tokens: ["gen_ai.client.token.usage", "Number of input and output tokens used, as the provider counted them."]
} as const

type Series = keyof typeof catalogue
type Attributes = Readonly<Record<string, string>>

const word = { Closed: "closed", HalfOpen: "half_open", Open: "open", Isolated: "isolated", Throttled: "throttled" }
const outcome = {
  Success: "success",
  Failure: "failure",
  Ignored: "ignored",
  Throttled: "throttled",
  Trip: "trip"
} as const

const reasons = ["Open", "HalfOpen", "Throttled", "Isolated"] as const
const outcomes = ["Success", "Failure", "Ignored", "Throttled", "Trip"] as const

/** @internal Where an answer of a ladder of fallbacks may come from. */
export const sources = ["primary", "cached", "fallback", "default"] as const

// Effect's exporters make a unit of this attribute; that of Prometheus leaves it out of the labels.
const seconds = { unit: "seconds" }

/** @internal The series of one layer. */
export class Book implements Shelf {
  private readonly context: Context.Context<never>
  private readonly registrations: Array<Metric.Registration> = []

  constructor(context: Context.Context<never>) {
    this.context = context
  }

  /** Whether the registry of metrics holds such a book already: the series of two would be the same ones. */
  isTaken(): boolean {
    const extra = Context.get(this.context, Metric.CurrentMetricAttributes)
    const mine = keyOf({ ...extra, source: sources[0] })
    for (const { attributes, id } of Context.get(this.context, Metric.MetricRegistry).values()) {
      if (id === catalogue.fallbacks[0] && keyOf(attributes ?? {}) === mine) return true
    }
    return false
  }

  /** Everything that there is for a label from the start: a rate is right only if its series began at zero. */
  add(meter: CircuitMeter): void {
    const circuit = { circuit: meter.label }
    const { notClosed, outcomes: counts, refusals } = meter
    this.gauge("state", circuit, () => notClosed.worst())
    for (const one of outcomes) this.counter("calls", { ...circuit, outcome: outcome[one] }, () => counts[one])
    for (const one of reasons) this.counter("refusals", { ...circuit, reason: word[one] }, () => refusals[one])
    this.counter("openings", circuit, () => meter.openings)
    this.counter("throttles", circuit, () => meter.throttles)
    this.counter("probes", { ...circuit, result: "passed" }, () => meter.passed)
    this.counter("probes", { ...circuit, result: "failed" }, () => meter.failed)
    this.gauge("inFlight", circuit, () => meter.inFlight)
    this.histogram("duration", { ...circuit, ...seconds }, meter.durations)
    this.counter(
      "openSeconds",
      { ...circuit, ...seconds },
      (context) => notClosed.openUntil(Context.get(context, Clock.Clock)) / 1000
    )
  }

  shared({ label, lost }: CircuitMeter): void {
    this.gauge("storeLost", { circuit: label }, () => lost!.count())
  }

  spared({ label, wouldRefuse }: CircuitMeter): void {
    for (const one of reasons) {
      this.counter("wouldRefuse", { circuit: label, reason: word[one] }, () => wouldRefuse![one])
    }
  }

  answered({ label: circuit }: CircuitMeter, answers: Answers): void {
    const chat = { circuit, "gen_ai.operation.name": "chat" }
    this.histogram("firstChunk", { ...chat, ...seconds }, answers.firstContent)
    this.histogram("perChunk", { ...chat, ...seconds }, answers.perChunk)
    const tokens = { ...chat, unit: "{token}" }
    this.histogram("tokens", { ...tokens, "gen_ai.token.type": "input" }, answers.inputTokens)
    this.histogram("tokens", { ...tokens, "gen_ai.token.type": "output" }, answers.outputTokens)
    this.counter("savedTokens", { circuit }, () => Math.round(answers.savedTokens))
  }

  stepped({ label }: CircuitMeter, step: Step): void {
    this.counter(
      "transitions",
      { circuit: label, from: word[step.from], to: word[step.to], rule: step.rule },
      () => step.count
    )
  }

  /** The answers of all ladders, by where they came from. */
  fallbacks(counts: Readonly<Record<string, number>>): void {
    for (const source of sources) this.counter("fallbacks", { source }, () => counts[source]!)
  }

  close(): void {
    for (const registration of this.registrations) registration.remove()
  }

  private counter(series: Series, attributes: Attributes, read: (context: Context.Context<never>) => number): void {
    const [name, description] = catalogue[series]
    const metric = Metric.counter(name, { description, attributes, incremental: true })
    this.register(metric, (context) => ({ count: read(context), incremental: true }))
  }

  private gauge(series: Series, attributes: Attributes, read: () => number): void {
    const [name, description] = catalogue[series]
    this.register(Metric.gauge(name, { description, attributes }), () => ({ value: read() }))
  }

  private histogram(series: Series, attributes: Attributes, from: { read(): Metric.HistogramState }): void {
    const [name, description] = catalogue[series]
    const boundaries = from.read().buckets.map(([bound]) => bound)
    this.register(Metric.histogram(name, { description, attributes, boundaries }), () => from.read())
  }

  private register<Input, State>(
    metric: Metric.Metric<Input, State>,
    get: (context: Context.Context<never>) => State
  ): void {
    const hooks = { get, update: nothing, modify: nothing }
    this.registrations.push(Metric.registerUnsafe(metric, this.context, hooks))
  }
}

const nothing = (): void => {}

const keyOf = (attributes: Attributes): string =>
  JSON.stringify(Object.keys(attributes).toSorted((a, b) => a < b ? -1 : 1).map((name) => [name, attributes[name]]))
