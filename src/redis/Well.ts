/**
 * The calls of a process that came home well: most of what a busy process tells, and next to nothing of it says anything.
 *
 * Where nothing is bad a success is no verdict, and of all that a report tells of only the last few are in a window when it
 * is over. So a window is told of those, and not before somebody looks at it. All else is as if each call was settled by
 * itself.
 *
 * @since 0.1.0
 */
import { noRows } from "../Evidence.ts"
import { type Mutable, Permit } from "../State.ts"
import { FleetEvidence, type Times } from "./FleetEvidence.ts"

/**
 * Calls of one period that were admitted and came home well since the last report, in the order in which they came home.
 * Times are those of the process.
 */
export interface Well {
  readonly generation: number
  readonly startedAt: ReadonlyArray<number>
  readonly settledAt: ReadonlyArray<number>
}

/**
 * The entry that says of all calls up to the n-th, from the one that came home last, that each came home before anything else
 * happened: of a busy process most of them. Any other number is that of one call, which is admitted or comes home.
 */
export const upTo = (n: number): number => ~n

/** The last call of such an entry. */
export const lastOf = (entry: number): number => ~entry

/** The circuit that is told. */
export interface Host extends Times {
  readonly self: Mutable
  /** Begins one of these calls; `undefined` where its period is over. */
  readonly admit: (permit: Permit, n: number) => Permit | undefined
  /** One of these calls came home. */
  readonly settle: (permit: Permit, at: number) => void
}

export class WellCalls {
  private readonly host: Host
  /** Those that run: `null` stands for one of a period that is over. */
  private readonly permits: Array<Permit | null> = []
  // A permit that came home serves the next call: there are as many as run at once, however long the report.
  private readonly spare: Array<Permit> = []
  /** How many came home, and of which on the windows have yet to be told. */
  private home = 0
  private untold = 0

  constructor(host: Host) {
    this.host = host
  }

  tell(entry: number): void {
    if (entry < 0) return this.inTurn(lastOf(entry) + 1)
    const permit = this.permits[entry]
    if (permit === undefined) this.permits[entry] = this.admitted(entry)
    else this.cameHome(permit, entry)
  }

  /** Brings the windows up to date: somebody looks at them. */
  count(): void {
    const { home, host, host: { self }, untold } = this
    this.untold = home
    if (untold === home) return
    const evidence = self.cell.current.evidence as FleetEvidence
    evidence.counted(untold, home, host)
  }

  private inTurn(to: number): void {
    const { host, host: { self } } = this
    while (this.home < to) {
      const permit = this.admitted(this.home)
      this.cameHome(permit, this.home)
      const calls = permit === null ? 0 : quiet(self, permit)?.passedInTurn(this.home, to, host) ?? 0
      self.counts.successes += calls
      this.home += calls
    }
  }

  private admitted(n: number): Permit | null {
    return this.host.admit(this.spare.pop() ?? new Permit(), n) ?? null
  }

  private cameHome(permit: Permit | null, n: number): void {
    const { host, host: { self } } = this
    const evidence = permit === null ? undefined : quiet(self, permit)
    if (permit !== null && evidence !== undefined) {
      this.home = n + 1
      self.counts.successes++
      evidence.passed(permit, host.settledAt(n))
      this.spare.push(permit)
      return
    }
    this.count()
    this.home = this.untold = n + 1
    if (permit === null) return
    host.settle(permit, host.settledAt(n))
    permit.hung = undefined
    this.spare.push(permit)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// What a call belongs to, where that it came home well changes nothing but counts.
const quiet = ({ cell: { current }, mode }: Mutable, { generation }: Permit): FleetEvidence | undefined => {
  if (current._tag !== "Closed" || current.generation !== generation || mode === "off") return undefined
  const { evidence } = current
  return evidence instanceof FleetEvidence && evidence.rows === noRows && !evidence.isSuspicious()
    ? evidence
    : undefined
}
