/**
 * What is counted of the circuits behind one label: plain numbers, touched by each call and read when somebody asks.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import type * as Outcome from "../Outcome.ts"
import type { Named } from "../Registry.ts"
import { Histogram } from "./Histogram.ts"
import { Lost } from "./Lost.ts"
import { NotClosed } from "./NotClosed.ts"

type Reason = Circuit.Refusal["reason"]

const none = (): Record<Reason, number> => ({ Open: 0, HalfOpen: 0, Throttled: 0, Isolated: 0 })

// As the semantic conventions of OpenTelemetry ask for: from 10 ms, doubling, and from one token, times four.
const chunkBounds = /*#__PURE__*/ Array.from({ length: 14 }, (_, i) => 10 * 2 ** i)
const tokenBounds = /*#__PURE__*/ Array.from({ length: 14 }, (_, i) => 4 ** i)

const MILLIS = 1000

/** @internal What was measured of the answers of a language model. */
export class Answers {
  readonly firstContent: Histogram = new Histogram(chunkBounds, MILLIS)
  readonly perChunk: Histogram = new Histogram(chunkBounds, MILLIS)
  readonly inputTokens: Histogram = new Histogram(tokenBounds)
  readonly outputTokens: Histogram = new Histogram(tokenBounds)
  /** Those whose tokens are known, and their tokens. */
  counted = 0
  tokens = 0
  /** The tokens that refused calls would have cost, had they been like those answered until then. */
  savedTokens = 0
}

/** @internal Told of what a label has to show for the first time. */
export interface Shelf {
  /** A circuit is shared by many processes. */
  readonly shared: (meter: CircuitMeter) => void
  /** Calls were spared a refusal. */
  readonly spared: (meter: CircuitMeter) => void
  /** Answers of a language model were measured. */
  readonly answered: (meter: CircuitMeter, answers: Answers) => void
  /** A step that was not seen before. */
  readonly stepped: (meter: CircuitMeter, step: Step) => void
}

/** @internal One kind of transition, and how often it was taken. */
export interface Step {
  readonly from: Circuit.State["_tag"]
  readonly to: Circuit.State["_tag"]
  readonly rule: string
  count: number
}

/** @internal The meter of every circuit behind one label. */
export class CircuitMeter implements Circuit.Meter {
  readonly label: string
  readonly outcomes: Record<Outcome.Outcome["_tag"], number>
  readonly refusals: Record<Reason, number>
  readonly durations: Histogram
  readonly notClosed: NotClosed
  inFlight = 0
  passed = 0
  failed = 0
  openings = 0
  throttles = 0
  wouldRefuse: Record<Reason, number> | undefined = undefined
  lost: Lost | undefined = undefined
  private answers: Answers | undefined = undefined
  private readonly steps = new Map<string, Step>()
  private readonly shelf: Shelf

  constructor(label: string, boundaries: ReadonlyArray<number>, shelf: Shelf) {
    this.label = label
    this.shelf = shelf
    this.outcomes = { Success: 0, Failure: 0, Ignored: 0, Throttled: 0, Trip: 0 }
    this.refusals = none()
    this.durations = new Histogram(boundaries, MILLIS)
    this.notClosed = new NotClosed()
  }

  /** A circuit counts here; it may be one that many processes share, and this one may go on alone. */
  holds(circuit: Named): void {
    if (circuit.isAlone === undefined) return
    if (this.lost === undefined) {
      this.lost = new Lost()
      this.shelf.shared(this)
    }
    this.lost.note(circuit)
  }

  admitted(): void {
    this.inFlight++
  }

  settled({ _tag }: Outcome.Outcome, took: number | undefined): void {
    this.inFlight--
    if (_tag === "Success") this.outcomes.Success++
    else this.outcomes[_tag]++
    if (took !== undefined) this.durations.observe(took)
  }

  refused(reason: Reason, spared: boolean): void {
    if (!spared) {
      this.refusals[reason]++
      return
    }
    if (this.wouldRefuse === undefined) {
      this.wouldRefuse = none()
      this.shelf.spared(this)
    }
    this.wouldRefuse[reason]++
  }

  probed(passed: boolean): void {
    if (passed) this.passed++
    else this.failed++
  }

  measured({ chunks = 0, firstContent, inputTokens, outputTokens, perChunk }: Circuit.Figures): void {
    const input = known(inputTokens)
    const output = known(outputTokens)
    if (firstContent === undefined && input === undefined && output === undefined) return
    if (this.answers === undefined) {
      this.answers = new Answers()
      this.shelf.answered(this, this.answers)
    }
    const { answers } = this
    if (firstContent !== undefined) answers.firstContent.observe(firstContent)
    if (perChunk !== undefined) answers.perChunk.observe(perChunk, chunks - 1)
    if (input !== undefined) answers.inputTokens.observe(input)
    if (output !== undefined) answers.outputTokens.observe(output)
    if (input === undefined && output === undefined) return
    answers.counted++
    answers.tokens += (input ?? 0) + (output ?? 0)
  }

  saved(): void {
    const { answers } = this
    if (answers !== undefined && answers.counted > 0) answers.savedTokens += answers.tokens / answers.counted
  }

  /** A circuit took a step of the machine. */
  stepped(
    circuit: Named,
    { at, cause, from, to }: Pick<Circuit.Transition, "from" | "to" | "at" | "cause">
  ): void {
    this.notClosed.note(circuit, to, at)
    // Opened anew by hand, or on with what an isolation interrupted: still the same opening.
    if (to === "Open" && from !== "Open" && from !== "Isolated") this.openings++
    const rule = cause !== undefined && (to === "Open" || to === "Isolated") ? cause.rule : "none"
    const key = `${from} ${to} ${rule}`
    let step = this.steps.get(key)
    if (step === undefined) {
      step = { from, to, rule, count: 0 }
      this.steps.set(key, step)
      this.shelf.stepped(this, step)
    }
    step.count++
  }
}

// What a provider counts may be anything.
const known = (tokens: number | undefined): number | undefined =>
  tokens !== undefined && tokens >= 0 && tokens < Number.POSITIVE_INFINITY ? tokens : undefined
