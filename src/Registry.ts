/**
 * Every circuit of a program, for those who watch and steer them all: metrics, a page, an operator.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Circuit from "./Circuit.ts"
import type { Listener, Listeners, Named } from "./Event.ts"

export type { Named } from "./Event.ts"

/** @internal One breaker, or a map of them. */
export interface Source {
  readonly circuits: () => Iterable<Named>
}

/** @internal Who listens to a breaker, or to all in a map, and the registry that it is in. */
export interface Group extends Listeners {
  readonly registry: Registry
}

/**
 * Every circuit of a program.
 *
 * **Details**
 *
 * It holds breakers and maps weakly: one that the program lets go of is gone from here too. `current` are those who hear
 * what happens at any circuit, but for single refusals: a storm of those is theirs who listen to the one breaker.
 *
 * @category models
 * @since 0.1.0
 */
export class Registry {
  /** @internal */
  current: ReadonlySet<Listener> | undefined = undefined
  /** @internal Gives the one who counts the calls of a circuit. */
  meterOf: ((circuit: Named) => Circuit.Meter | undefined) | undefined = undefined
  /** @internal Told where each answer of a ladder of fallbacks came from. */
  served?: ((from: string) => void) | undefined
  /** @internal */
  readonly refs = new Set<WeakRef<Source>>()
  private sweepAt = 16

  /** @internal */
  add<S extends Source>(source: S): S {
    if (this.refs.size >= this.sweepAt) {
      this.sources()
      this.sweepAt = 2 * this.refs.size + 16
    }
    this.refs.add(new WeakRef(source))
    return source
  }

  /** @internal */
  remove(source: Source): void {
    for (const ref of this.refs) if (ref.deref() === source) this.refs.delete(ref)
  }

  /** @internal Those that are still there, in the order in which they were made. */
  sources(): ReadonlyArray<Source> {
    const sources: Array<Source> = []
    for (const ref of this.refs) {
      const source = ref.deref()
      if (source === undefined) this.refs.delete(ref)
      else sources.push(source)
    }
    return sources
  }
}

/**
 * The registry that breakers and maps enter when they are made: one for the whole process, unless the program provides
 * another.
 *
 * @category services
 * @since 0.1.0
 */
export const Current: Context.Reference<Registry> = /*#__PURE__*/ Context.Reference<Registry>(
  "effect-breaker/Registry",
  { defaultValue: () => new Registry() }
)
