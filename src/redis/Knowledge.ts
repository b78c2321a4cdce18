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
   * change of state holds: so a circuit that has recovered is not opened again, and one that broke is not closed. What a
   * process went through alone counts only against what another one did, not against what others went through together.
   */
  reconciled(last: Known | undefined, found: Kept, now: number): Known {
    // What was never written nobody can have lost.
    const known = last?.version === "" && !last.isLater ? undefined : last
    const { begins, count, epoch } = partsOf(found.version)
    const theirs: Known = { ...found, count, epoch, isLater: false, fleet: undefined }
    if (found.text === "") {
      return known === undefined ? this.begun(now) : this.own({ ...found, count: 0 }, this.latest(known, now), now)
    }
    if (known === undefined || (known.epoch === epoch && count >= known.count)) return theirs
    const { generation, since } = this.fleetOf(theirs, now).circuit.cell.current
    const mine = generation > begins ? this.written(known, now) : this.latest(known, now)
    if (mine.since < since || (mine.since === since && mine.generation <= generation)) return theirs
    return this.own({ ...found, count }, { ...mine, generation: Math.max(mine.generation, generation + 1) }, now)
  }

  // The state that was known to be kept: to the digit, lest no two that know the same agree on what is later.
  private written(known: Known, now: number): State {
    return stateAt(this.fleetOf(known, now).circuit.cell.current, 0, this.evidence)
  }

  // The state that the circuit of this process is in, at the time of the fleet: another one, if the process moved alone.
  private latest(known: Known, now: number): State {
    const written = this.written(known, now)
    const { current } = this.party.circuit.cell
    const isSame = written.generation === current.generation && written._tag === current._tag
    return isSame ? written : stateAt(current, this.shift, this.evidence)
  }

  private readonly evidence = (since: number) => new FleetEvidence(this.party.circuit.rules.plan, since)

  private begun(now: number, generation = 0): Known {
    const { circuit: mirror, mode } = this.party
    const epoch = `${generation}:${crypto.randomUUID()}`
    const fleet = Fleet.make(mirror.rules, now, epoch, mode)
    return { version: "", text: Stored.write(fleet), count: 0, epoch, isLater: false, fleet }
  }

  // The state that this process knows, at the beginning of a new history.
  private own(
    { count, version }: { readonly version: string; readonly count: number },
    state: State,
    now: number
  ): Known {
    const { shift, party: { circuit: mirror, mode } } = this
    const begun = this.begun(now, state.generation)
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
    fleet.circuit.cell.current = state
    return { ...begun, version, count, isLater: true, text: Stored.write(fleet) }
  }

  // What makes a time of the circuit one of the fleet.
  private get shift(): number {
    return (this.store.shift ?? 0) - this.party.origin
  }
}

/** Whether it is kept: what this process alone knows is kept by nobody yet. */
export const isWritten = ({ epoch, version }: Known): boolean => partsOf(version).epoch === epoch

/** How many changes a history has had, its name, and the generation that it began with. */
export const partsOf = (version: string): {
  readonly begins: number
  readonly count: number
  readonly epoch: string
} => {
  const [count, , epoch = ""] = version.split(".")
  return { begins: Number.parseInt(epoch, 10) || 0, count: Number(count) || 0, epoch }
}
