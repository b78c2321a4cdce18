/**
 * When a circuit of a process tells the fleet what happened: soon enough for the others, and seldom enough for Redis.
 *
 * @since 0.1.0
 */
import * as Outcome from "../Outcome.ts"

/** The circuit. Times are those of the monotonic clock. */
export interface Host {
  readonly exchange: {
    readonly isUnderWay: boolean
    /** When the last report was over. */
    readonly doneAt: number
    /** How many processes tell of the circuit. */
    readonly members: number
    forget(): void
  }
  /** Batches: after so many calls, or so long after the first of them. */
  readonly sharing: { readonly calls: number; readonly every: number }
  /** A report is due, at the latest then. */
  due(at: number): void
}

export class Timetable {
  private readonly host: Host
  /** How long after the last report the next one shall be, at the latest. */
  private spacing = Infinity
  /** Something waits to be told that holds for all, whatever others say. */
  isPressing = false
  private isSuspicious = false
  private suspectedAt = -Infinity

  constructor(host: Host) {
    this.host = host
  }

  /** A report begins. */
  begun(): void {
    this.spacing = Infinity
    this.isPressing = false
  }

  /** A report is over: what happened under way may be due already. */
  over(): void {
    if (this.spacing < Infinity) this.within(this.spacing)
  }

  /** So many entries wait to be told. */
  logged(length: number, now: number): void {
    const { exchange, sharing } = this.host
    if (length === 1) this.host.due(now + sharing.every)
    // As many reports as one busy process makes are enough for all: they would be in each other's way.
    else if (length === 2 * sharing.calls) this.within(hurry * exchange.members)
    else if (length === many) this.soon()
    // Whoever is so far behind has nothing to tell that is worth its room.
    else if (length >= mostTold) exchange.forget()
  }

  /** What this process sees would be the end, were it alone. */
  suspect(): void {
    this.isSuspicious = true
  }

  /**
   * A call came home: what may change the state of all is told soon, and what may be the end of it at once. Tells whether it is
   * either.
   */
  cameHome(outcome: Outcome.Outcome, now: number): boolean {
    if (outcome === Outcome.success && !this.isSuspicious) return false
    const isBad = this.isSuspicious || (outcome._tag !== "Success" && outcome._tag !== "Ignored")
    this.isPressing ||= outcome._tag === "Trip" || outcome._tag === "Throttled"
    if (this.isSuspicious && now - this.suspectedAt >= hurry) {
      this.suspectedAt = now
      this.within(0)
    } else if (outcome._tag !== "Success" && outcome._tag !== "Ignored") this.soon()
    this.isSuspicious = false
    return isBad
  }

  /** At once, but not more often than it takes to tell it. */
  soon(): void {
    this.within(hurry)
  }

  private within(millis: number): void {
    const { exchange } = this.host
    this.spacing = Math.min(this.spacing, millis)
    if (!exchange.isUnderWay) this.host.due(exchange.doneAt + this.spacing)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** How long after a report the next one begins, where something is urgent, in milliseconds. */
const hurry = 20

/** So much is told soon, however many processes tell. */
const many = 50_000

/** The most that may wait to be told: as long as Redis may take to answer, in a process that does nothing but call. */
const mostTold = 1_000_000
