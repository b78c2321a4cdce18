/**
 * What a process knows to be kept of one circuit, and what it goes on from where it finds something else there.
 *
 * Redis is right while it still has what the process last saw there: what moved here alone is forgotten. Where it has not
 * (it is empty, or behind), the later change of state holds: so a circuit that has recovered is not opened again by somebody
 * who slept through it, and one that broke is not closed by somebody who never noticed.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import * as Move from "../Move.ts"
import type { State } from "../State.ts"
import * as Fleet from "./Fleet.ts"
import { FleetEvidence } from "./FleetEvidence.ts"
import { causeAt, failureAt, stateAt } from "./Mirror.ts"
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
  /** The orders that were carried out here, and of which the fleet may not know yet. */
  readonly ordered: () => ReadonlyArray<string>
  /** Another state of affairs is known. `shift` makes a time of the fleet one of the process. */
  show(fleet: Circuit.Circuit, shift: number, now: number): void
}

/** What is known to be kept. */
export interface Known extends Kept {
  /** The name of its history, and how many changes that has had. */
  readonly epoch: string
  readonly count: number
  /** The state that it tells of, and since when. */
  readonly generation: number
  readonly since: number
  /** This process knows it, and whoever reads Redis does not: it is yet to be written. */
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

  /** Reads what is known, unless that was done. Whoever asks may change it. */
  fleetOf(known: Known, now: number): Stored.Fleet {
    const fleet = known.fleet ?? this.read(known.text, now)
    known.fleet = undefined
    return fleet
  }

  /** A text as it is found. */
  foundBy(found: Kept, now: number): Known {
    const fleet = this.read(found.text, now)
    return { ...found, ...partsOf(found.version), ...stateOf(fleet), isLater: false, fleet }
  }

  /**
   * What to go on from, given what was known and what is found. What a process went through alone counts only against what
   * another one did, not against what others went through together.
   */
  reconciled(last: Known | undefined, found: Kept, now: number): Known {
    // What was never written nobody can have lost.
    const known = last?.version === "" && !last.isLater ? undefined : last
    if (found.text === "") {
      return known === undefined && this.isUntouched
        ? this.begun(now)
        : this.own(found, this.latest(known, now), 0, now)
    }
    const theirs = this.foundBy(found, now)
    if (known === undefined || isAfter(theirs, known)) return theirs
    const { begins } = partsOf(found.version)
    const latest = theirs.generation > begins ? this.written(known, now) : this.latest(known, now)
    // Of what was begun anew, and has not changed since, nobody knows anything.
    const isLater = latest.generation > 0 && (theirs.generation === 0 || latest.since > theirs.since ||
      (latest.since === theirs.since && latest.generation > theirs.generation))
    return isLater ? this.own(found, latest, theirs.generation + 1, now) : theirs
  }

  /** Whether there is nothing about the circuit that another process, or the next one, had to know. */
  get isUntouched(): boolean {
    const { circuit: { cell: { current }, gateUntil, mode, openings }, mode: own } = this.party
    return current._tag === "Closed" && current.generation === 0 && mode === own && openings === 0 &&
      gateUntil === -Infinity
  }

  private read(text: string, now: number): Stored.Fleet {
    const { circuit: mirror, mode, name } = this.party
    const fleet = Stored.read(text, mirror.rules, now, mode)
    if (fleet === undefined) {
      const message = `What Redis keeps of the circuit ${JSON.stringify(name)} cannot be read`
      throw new StoreError({ message, isOfOne: true })
    }
    fleet.circuit.random = () => mirror.random?.() ?? 0
    return fleet
  }

  // The state that was known to be kept: to the digit, lest no two that know the same agree on what is later.
  private written(known: Known, now: number): State {
    return stateAt(this.read(known.text, now).circuit.cell.current, 0, this.evidence)
  }

  // The state that the circuit of this process is in, at the time of the fleet: another one, if the process moved alone.
  private latest(known: Known | undefined, now: number): State {
    const { current } = this.party.circuit.cell
    const written = known && this.written(known, now)
    const isSame = written?.generation === current.generation && written._tag === current._tag
    const state = isSame ? written : stateAt(current, this.shift, this.evidence)
    if (state._tag !== "HalfOpen" || state.stage !== "Probing") return state
    // Probes of this process alone have no name that the fleet could settle them by.
    return { ...state, running: state.running.filter((one) => (one as Stored.Lease).id !== "") }
  }

  private readonly evidence = (since: number) => new FleetEvidence(this.party.circuit.rules.plan, since)

  private begun(now: number): Known {
    const { circuit: mirror, mode } = this.party
    return written(Fleet.make(mirror.rules, now, epochOf(0), mode), "", false)
  }

  // The state that this process knows, at the beginning of a new history.
  private own({ version }: Kept, latest: State, least: number, now: number): Known {
    const { shift, party: { circuit: mirror, mode, ordered } } = this
    const generation = Math.max(latest.generation, least)
    const fleet = Fleet.make(mirror.rules, now, epochOf(generation), mode)
    const { gateCause, gateSince, gateUntil, hintUntil, lastFailure, lastOpenFor, openings } = mirror
    Object.assign(fleet.circuit, {
      openings,
      lastOpenFor,
      lastFailure: lastFailure && failureAt(lastFailure, shift),
      gateCause: gateCause && causeAt(gateCause, shift),
      gateSince: gateSince + shift,
      gateUntil: gateUntil + shift,
      hintUntil: hintUntil + shift
    })
    fleet.mode = mirror.mode === mode ? undefined : mirror.mode
    fleet.circuit.cell.current = { ...latest, generation }
    fleet.orders = [...ordered()]
    return written(fleet, version, !this.isUntouched)
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

/** How long Redis keeps it, in milliseconds: for ever where it is shut without an end. */
export const livesOn = ({ circuit }: Stored.Fleet, now: number, keepFor: number): number => {
  const rest = Move.rest(circuit, now)
  const lease = circuit.cell.current._tag === "HalfOpen" ? circuit.rules.lease : 0
  return rest === Infinity ? Infinity : rest + circuit.lastOpenFor + Math.max(keepFor, lease)
}

/** The state of a circuit, and since when. */
export const stateOf = (
  { circuit: { cell: { current: { generation, since } } } }: Stored.Fleet
): Pick<Known, "generation" | "since"> => ({ generation, since })

// ---------------------------------------------------------------------------------------------------------------------

// A name for a history that begins with a generation.
const epochOf = (generation: number): string => `${generation}:${crypto.randomUUID()}`

// Whether what a text tells of can have come after what was known, with nothing lost.
const isAfter = (text: Known, known: Known): boolean =>
  text.epoch === known.epoch && text.count >= known.count && text.since >= known.since &&
  (text.generation > known.generation || (text.generation === known.generation && text.since === known.since))

const written = (fleet: Stored.Fleet, version: string, isLater: boolean): Known => {
  const { count } = partsOf(version)
  return { version, text: Stored.write(fleet), epoch: fleet.epoch, count, ...stateOf(fleet), isLater, fleet: undefined }
}
