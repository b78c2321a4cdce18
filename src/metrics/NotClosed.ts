/**
 * The circuits behind one label that are not closed, as their transitions tell it.
 *
 * Nobody walks all circuits when metrics are read: a program may have a million. They are held weakly, for one that the
 * program lets go of while it is open must not stay open for ever in the metrics.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Circuit from "../Circuit.ts"
import type { Named } from "../Registry.ts"

type Tag = Circuit.State["_tag"]

const worst: Readonly<Record<Tag, number>> = { Closed: 0, HalfOpen: 1, Open: 2, Isolated: 3 }

interface Seen {
  readonly circuit: WeakRef<Named>
  state: Tag
  /** Up to when its time in this state is counted. */
  since: number
}

/** @internal */
export class NotClosed {
  private readonly seen = new Map<object, Seen>()
  private readonly keys = new WeakMap<Named, object>()
  private openFor = 0

  /** A circuit is in a state from now on. */
  note(circuit: Named, state: Tag, now: number): void {
    const key = this.keys.get(circuit)
    const before = key === undefined ? undefined : this.seen.get(key)
    if (before !== undefined) this.count(before, now)
    if (state === "Closed") {
      if (key !== undefined) this.seen.delete(key)
    } else if (before !== undefined) before.state = state
    else {
      const ref = new WeakRef(circuit)
      this.keys.set(circuit, ref)
      this.seen.set(ref, { circuit: ref, state, since: now })
    }
  }

  /** The state of the circuit that is worst off, as a number. */
  worst(): number {
    let found = 0
    for (const [{ state }] of this.alive()) found = Math.max(found, worst[state])
    return found
  }

  /** How long circuits were open until now, together, in milliseconds. */
  openUntil(clock: Clock.Clock): number {
    // Written down at each look, so that what was told once stays, even when the circuit is gone.
    for (const [one, circuit] of this.alive()) this.count(one, circuit.now(clock))
    return this.openFor
  }

  private count(one: Seen, now: number): void {
    if (now <= one.since) return
    if (one.state === "Open") this.openFor += now - one.since
    one.since = now
  }

  private *alive(): Iterable<readonly [Seen, Named]> {
    for (const [key, one] of this.seen) {
      const circuit = one.circuit.deref()
      if (circuit === undefined) this.seen.delete(key)
      else yield [one, circuit]
    }
  }
}
