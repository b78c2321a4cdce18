/**
 * A call on its way through a provider: at the door, in the queue, at work, and home; or left by its client.
 *
 * @since 0.1.0
 */
import * as Outcome from "../Outcome.ts"
import type { Agenda, Due } from "./Agenda.ts"
import * as Distribution from "./Distribution.ts"
import type * as Fault from "./Fault.ts"
import type { Random } from "./Random.ts"
import type { Scenario } from "./Scenario.ts"

/**
 * Who makes a call, and is told what comes of it. `content` is told at most once, `ended` exactly once.
 *
 * @category models
 * @since 0.1.0
 */
export interface Caller {
  content(now: number): void
  ended(outcome: Outcome.Outcome, now: number): void
}

/**
 * What the provider did in all.
 *
 * **Details**
 *
 * Each call that reached it was `turnedAway` at the door or `started`, or still waits. Tokens are those it produced or read;
 * the `wasted` ones are those of calls whose client got no good answer. `busyFor` is the time of its servers, and `waitedFor`
 * that of the calls in its queue, both in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Work {
  reached: number
  turnedAway: number
  started: number
  abandoned: number
  inputTokens: number
  outputTokens: number
  wastedInputTokens: number
  wastedOutputTokens: number
  busyFor: number
  waitedFor: number
}

/**
 * Where it is worked on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Workplace {
  readonly scenario: Scenario
  readonly agenda: Agenda
  readonly work: Work
  /** A call comes in. */
  enter(job: Job, now: number): void
  /** A server is free again. */
  release(now: number): void
  /** Who waits will not be worked on. */
  leaveQueue(): void
}

/**
 * A call on its way through the provider. `deadline` is how long its client waits for the first content and for the whole.
 *
 * @category models
 * @since 0.1.0
 */
export class Job implements Due {
  readonly fault: Fault.Fault | undefined
  private readonly provider: Workplace
  private readonly random: Random
  private caller: Caller | undefined
  private stage: "New" | "Door" | "Waiting" | "Working" | "Streaming" | "Left" | "Done" = "New"
  private version = 0
  private enteredAt = 0
  private startedAt = 0
  private contentAt = Infinity
  private firstBy = Infinity
  private endBy = Infinity
  private endsAt = Infinity
  /** What comes next comes too late. Decided when it is planned: the agenda rounds times. */
  private outOfTime = false
  private outcome: Outcome.Outcome = Outcome.success
  private tokens = 0
  private perToken = 0

  /** It asks for next to nothing: whether somebody is there. */
  private readonly isCheck: boolean

  /** @internal */
  constructor(provider: Workplace, caller: Caller, random: Random, fault: Fault.Fault | undefined, isCheck = false) {
    this.isCheck = isCheck
    this.provider = provider
    this.caller = caller
    this.random = random
    this.fault = fault
  }

  /** The call is made. */
  begin(now: number): void {
    const { firstContent = Infinity, total = Infinity } = this.provider.scenario.clients.timeout ?? {}
    this.enteredAt = now
    this.endBy = now + total
    this.firstBy = Math.min(now + firstContent, this.endBy)
    this.provider.enter(this, now)
  }

  /** @internal Its client has gone, and nobody works for it. */
  get isGone(): boolean {
    return this.stage === "Done"
  }

  due(now: number, version: number): void {
    if (version !== this.version) return
    switch (this.stage) {
      case "Door":
        this.provider.work.turnedAway++
        this.stage = "Done"
        return this.tell(this.outcome, now)
      case "Waiting":
        return this.giveUp(now)
      case "Working":
        if (this.outOfTime) return this.giveUp(now)
        if (this.perToken === 0 || this.endsAt <= this.contentAt) return this.finish(now)
        this.caller!.content(now)
        this.stage = "Streaming"
        return this.awaitEnd(now)
      case "Streaming":
        return this.outOfTime ? this.giveUp(now) : this.finish(now)
      case "Left":
        return this.finish(now)
      case "New":
      case "Done":
        return
    }
  }

  /** @internal It waits for a server. */
  wait(now: number): void {
    this.stage = "Waiting"
    if (this.firstBy < Infinity) this.agenda.add(Math.max(this.firstBy, now), this, this.version)
  }

  /** @internal It is answered at the door. */
  turnAway(outcome: Outcome.Outcome, after: Distribution.Distribution, now: number): void {
    this.stage = "Door"
    this.outcome = outcome
    // Whoever gives up sooner has failed all the same.
    const answerAt = now + Distribution.draw(after, this.random)
    if (answerAt > this.firstBy) this.outcome = timedOut
    this.agenda.add(Math.min(answerAt, this.firstBy), this, this.version)
  }

  /** @internal A server takes it on: what comes of it is settled, unless its client gives up before. */
  start(factor: number, now: number): void {
    const { fault, isCheck, provider: { scenario: { provider: { latency, tokens: whole } }, work }, random } = this
    const tokens = isCheck ? undefined : whole
    const left = this.stage === "Waiting" && this.caller === undefined
    if (this.stage === "Waiting") work.waitedFor += now - this.enteredAt
    this.version++
    this.startedAt = now
    const first = Distribution.draw(latency, random) * factor +
      (fault?._tag === "Slow" ? Distribution.draw(fault.longer, random) : 0)
    this.tokens = tokens === undefined ? 0 : Math.max(Math.round(Distribution.draw(tokens.output, random)), 1)
    this.perToken = tokens === undefined ? 0 : Distribution.draw(tokens.each, random) * factor
    work.inputTokens += tokens?.input ?? 0
    this.contentAt = now + first
    this.endsAt = this.contentAt + this.tokens * this.perToken
    this.bend(now, first)
    if (left) {
      this.stage = "Left"
      // Where nothing would ever come, the first look at the connection finds nobody there.
      if (this.endsAt === Infinity) this.endsAt = now + first
      this.agenda.add(this.endsAt, this, this.version)
      return
    }
    this.stage = "Working"
    this.expect(Math.min(this.contentAt, this.endsAt), this.firstBy)
  }

  /** What the fault makes of it. */
  private bend(now: number, first: number): void {
    const { fault } = this
    if (fault === undefined) return
    switch (fault._tag) {
      case "Failed":
        this.endsAt = now + fault.after * (this.endsAt - now)
        this.contentAt = Math.max(this.contentAt, this.endsAt)
        this.outcome = failed
        this.tokens = 0
        return
      case "Hang":
        this.contentAt = this.endsAt = Infinity
        this.outcome = timedOut
        this.tokens = 0
        return
      case "Stall":
        this.tokens = Math.min(fault.tokens, this.tokens)
        this.endsAt = Infinity
        this.outcome = stalled
        if (this.perToken === 0) this.contentAt = Infinity
        return
      case "Cut":
        this.tokens = Math.floor(fault.after * this.tokens)
        this.endsAt = now + first + this.tokens * this.perToken
        this.outcome = cut
        return
      case "BadAnswer":
        this.outcome = Outcome.ignored
        return
      case "Slow":
      case "Reset":
      case "Overloaded":
      case "RateLimited":
      case "QuotaSpent":
        return
    }
  }

  private awaitEnd(now: number): void {
    const idle = this.provider.scenario.clients.timeout?.idle ?? Infinity
    // Tokens come faster than that, unless they come no more.
    const silent = this.endsAt === Infinity ? now + this.tokens * this.perToken + idle : Infinity
    this.expect(this.endsAt, Math.min(this.endBy, silent))
  }

  /** Something comes, or its client gives up before. What comes at the very moment is in time. */
  private expect(comes: number, deadline: number): void {
    this.outOfTime = deadline < comes
    const next = Math.min(comes, deadline)
    if (next < Infinity) this.agenda.add(next, this, this.version)
  }

  private giveUp(now: number): void {
    const { provider, stage } = this
    const { provider: { worksOn = true } } = provider.scenario
    const outcome = this.outcome === stalled ? stalled : timedOut
    provider.work.abandoned++
    this.version++
    if (stage === "Waiting") {
      if (!worksOn) {
        this.stage = "Done"
        provider.leaveQueue()
      }
    } else if (worksOn && this.endsAt < Infinity) {
      this.stage = "Left"
      this.outcome = timedOut
      this.agenda.add(this.endsAt, this, this.version)
    } else {
      this.outcome = outcome
      this.endsAt = now
      this.settleWork(now)
    }
    if (this.stage === "Done" && stage !== "Waiting") provider.release(now)
    this.tell(outcome, now)
  }

  private finish(now: number): void {
    this.settleWork(now)
    // Who waits comes before who asks again.
    this.provider.release(now)
    this.tell(this.outcome, now)
  }

  /** What was done for it, good or not. */
  private settleWork(now: number): void {
    const { outcome, provider: { scenario: { provider: { tokens } }, work } } = this
    const wasted = this.stage === "Left" || outcome._tag !== "Success"
    this.stage = "Done"
    work.busyFor += now - this.startedAt
    const done = this.perToken === 0
      ? this.tokens
      : Math.min(this.tokens, Math.max(Math.floor((now - this.contentAt) / this.perToken + 1e-6), 0))
    work.outputTokens += done
    if (!wasted) return
    work.wastedOutputTokens += done
    work.wastedInputTokens += tokens?.input ?? 0
  }

  private tell(outcome: Outcome.Outcome, now: number): void {
    const { caller } = this
    this.caller = undefined
    caller?.ended(outcome, now)
  }

  private get agenda(): Agenda {
    return this.provider.agenda
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const failed = Outcome.failure({ kind: "server error" })
const timedOut = Outcome.failure({ kind: "timeout" })
const stalled = Outcome.failure({ kind: "stalled" })
const cut = Outcome.failure({ kind: "cut off" })
