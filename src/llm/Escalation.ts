/**
 * How the trouble of several models becomes the trouble of their provider.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type { BreakerImpl } from "../Breaker.ts"
import type * as Circuit from "../Circuit.ts"
import * as Move from "../Move.ts"

/** An opening that is over and that nobody has probed yet: for so long the model is not taken to be back. */
const UNPROVEN = 60_000

interface Watch {
  /** The models that opened since the provider last proved to be well, and have not closed since. */
  readonly models: Set<BreakerImpl>
  generation: number
}

/** @internal Opens a provider, or a region, when so many of its models are open at once. */
export class Escalation {
  private readonly after: number
  private readonly watches = new WeakMap<BreakerImpl, Watch>()

  constructor(after: number) {
    this.after = after
  }

  /** Looks at a model's circuit after something happened to it. `before` is the state that it was in. */
  look(model: BreakerImpl, before: Circuit.State, host: BreakerImpl, clock: Clock.Clock): void {
    const after = model.cell.current
    // A model that fails its probes was open all along.
    if (after === before || after._tag !== "Open" || ("running" in before)) return
    const { models } = this.watchOf(host)
    models.add(model)
    for (const one of models) if (!isDown(one, one.now(clock))) models.delete(one)
    if (models.size < this.after || Move.isDown(host.cell.current) || host.mode === "off") return
    const names = Array.from(models, ({ name }) => name)
    Move.open(host, host.now(clock), {
      rule: "escalated",
      value: names.length,
      limit: this.after,
      calls: names.length,
      note: names.join(", ")
    })
  }

  private watchOf(host: BreakerImpl): Watch {
    const { _tag, generation } = host.cell.current
    const known = this.watches.get(host)
    if (known === undefined) {
      const made: Watch = { models: new Set(), generation }
      this.watches.set(host, made)
      return made
    }
    // It has recovered meanwhile: whoever is open still is so on its own account.
    if (_tag === "Closed" && generation !== known.generation) known.models.clear()
    known.generation = generation
    return known
  }
}

// By its own doing: not by hand, and not because the provider said that the model is gone.
const isDown = ({ cell: { current: state } }: BreakerImpl, now: number): boolean => {
  const { _tag, cause } = state
  const isOut = _tag === "Open" ? now < state.until + UNPROVEN : "running" in state
  return isOut && cause!.rule !== "manual" && cause!.rule !== "trip"
}
