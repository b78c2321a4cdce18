/**
 * What a process knows to be kept of one circuit, and what it goes on from where it finds something else there.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import type { State } from "../State.ts"
import * as Fleet from "./Fleet.ts"
import { FleetEvidence } from "./FleetEvidence.ts"
import { stateAt } from "./Mirror.ts"
import { type Kept, type Store, StoreError } from "./Store.ts"
import * as Stored from "./Stored.ts"

/** The circuit of the process. */
export interface Party {
  readonly name: string
  readonly circuit: Circuit.Circuit
  /** The mode that it was made with. */
  readonly mode: Circuit.Mode
  /** What makes a monotonic time one of its own. */
  readonly origin: number
  /** Another state of affairs is known. `shift` makes a time of the fleet one of the process. */
  show(fleet: Circuit.Circuit, shift: number, now: number): void
}

/** What is known to be kept. */
export interface Known extends Kept {
  readonly epoch: string
  readonly count: number
  /** This process knows it, and whoever reads Redis does not. */
  readonly isLater: boolean
  /** As read from the text, if nothing has changed it since. */
  fleet: Stored.Fleet | undefined
}

export class Knowledge {
  private readonly party: Party
  private readonly store: Store

  constructor(party: Party, store: Store) {
    this.party = party
    this.store = store
  }

  /** Reads what is known, unless that was done. */
  fleetOf(known: Known, now: number): Stored.Fleet {
    const { circuit: mirror, mode, name } = this.party
    const fleet = known.fleet ?? Stored.read(known.text, mirror.rules, now, mode)
    if (fleet === undefined) {
      const message = `What Redis keeps of the circuit ${JSON.stringify(name)} cannot be read`
      throw new StoreError({ message, isOfOne: true })
    }
    fleet.circuit.random = () => mirror.random?.() ?? 0
    return fleet
  }

  /**
   * What to go on from, given what was known and what is found. Where Redis has lost what this process knew, the later
   * change of state holds: so a circuit that has recovered is not opened again, and one that broke is not closed.
   */
  reconciled(last: Known | undefined, found: Kept, now: number): Known {
    // What was never written nobody can have lost.
    const known = last?.version === "" && !last.isLater ? undefined : last
    const { count, epoch } = partsOf(found.version)
    const theirs: Known = { ...found, count, epoch, isLater: false, fleet: undefined }
    if (found.text === "") {
      return known === undefined ? this.begun(now) : this.own({ ...found, count: 0 }, this.latest(known, now), 0, now)
    }
    if (known === undefined || (known.epoch === epoch && count >= known.count)) return theirs
    const { current } = this.fleetOf(theirs, now).circuit.cell
    const latest = this.latest(known, now)
    return latest.since > current.since ? this.own({ ...found, count }, latest, current.generation + 1, now) : theirs
  }

  // The state that the circuit of this process is in, at the time of the fleet: to the digit as it was written, unless the
  // process moved alone. Told by their own clocks, no two that know the same would agree on what is later.
  private latest(known: Known, now: number): State {
    const { current } = this.party.circuit.cell
    const written = this.fleetOf(known, now).circuit.cell.current
    const isSame = written.generation === current.generation && written._tag === current._tag
    const evidence = (since: number) => new FleetEvidence(this.party.circuit.rules.plan, since)
    return isSame ? stateAt(written, 0, evidence) : stateAt(current, this.shift, evidence)
  }

  private begun(now: number): Known {
    const { circuit: mirror, mode } = this.party
    const epoch = crypto.randomUUID()
    const fleet = Fleet.make(mirror.rules, now, epoch, mode)
    return { version: "", text: Stored.write(fleet), count: 0, epoch, isLater: false, fleet }
  }

  // The state that this process knows, at the beginning of a new history.
  private own(
    { count, version }: { readonly version: string; readonly count: number },
    latest: State,
    least: number,
    now: number
  ): Known {
    const { shift, party: { circuit: mirror, mode } } = this
    const begun = this.begun(now)
    const fleet = begun.fleet!
    const { gateCause, gateSince, gateUntil, hintUntil, lastFailure, lastOpenFor, openings } = mirror
    Object.assign(fleet.circuit, {
      openings,
      lastOpenFor,
      lastFailure,
      gateCause,
      gateSince: gateSince + shift,
      gateUntil: gateUntil + shift,
      hintUntil: hintUntil + shift
    })
    fleet.mode = mirror.mode === mode ? undefined : mirror.mode
    fleet.circuit.cell.current = { ...latest, generation: Math.max(latest.generation, least) }
    return { ...begun, version, count, isLater: true, text: Stored.write(fleet) }
  }

  // What makes a time of the circuit one of the fleet.
  private get shift(): number {
    return (this.store.shift ?? 0) - this.party.origin
  }
}

/** Whether it is kept: what this process alone knows is kept by nobody yet. */
export const isWritten = ({ epoch, version }: Known): boolean => partsOf(version).epoch === epoch

/** How many changes a history has had, and its name. */
export const partsOf = (version: string): { readonly count: number; readonly epoch: string } => {
  const [count, , epoch] = version.split(".")
  return { count: Number(count) || 0, epoch: epoch ?? "" }
}
