/**
 * The shared circuits behind one label that go on in this process alone.
 *
 * They are held weakly, as those that are not closed: one that the program lets go of must not stay lost for ever.
 *
 * @since 0.1.0
 */
import type { Named } from "../Registry.ts"

/** @internal */
export class Lost {
  private readonly seen = new Set<WeakRef<Named>>()
  private readonly refs = new WeakMap<Named, WeakRef<Named>>()

  /** A circuit may have been lost. */
  note(circuit: Named): void {
    if (circuit.isAlone !== true) return
    const ref = this.refs.get(circuit) ?? new WeakRef(circuit)
    this.refs.set(circuit, ref)
    this.seen.add(ref)
  }

  /** How many there are. */
  count(): number {
    for (const ref of this.seen) if (ref.deref()?.isAlone !== true) this.seen.delete(ref)
    return this.seen.size
  }
}
