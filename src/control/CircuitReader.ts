/**
 * Reads every circuit of a program, and can change none.
 *
 * A page, a health check or a log gets this handle. Whoever may also steer gets `CircuitControl` beside it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type * as Breaker from "../Breaker.ts"
import type * as Circuit from "../Circuit.ts"
import { type Event, eventsOf } from "../Event.ts"
import * as Registry from "../Registry.ts"
import type { Snapshot } from "../Snapshot.ts"

/**
 * One circuit, to be read.
 *
 * **Details**
 *
 * `id` is its alone for as long as the process lives, while two circuits may share a `name`. `state` is what it is in right
 * now, and costs nothing to look at; `snapshot` is all there is to know.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading {
  readonly id: string
  readonly name: string
  readonly state: Circuit.State["_tag"]
  readonly snapshot: Effect.Effect<Snapshot>
}

/**
 * Reads every circuit of a program.
 *
 * **Details**
 *
 * `circuits` are those that are there now, in the order in which their breakers and maps were made. `each` gives them one
 * by one and lets others run after every 500, for a program with very many: a circuit that is there all the while comes
 * once, and one that is made or let go of meanwhile may come or not. `events` tells what happens at any of them, but for
 * single refusals, which snapshots count: a slow reader gets the newest 256.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitReader {
  readonly circuits: Effect.Effect<ReadonlyArray<Reading>>
  readonly each: Stream.Stream<Reading>
  readonly snapshots: Effect.Effect<ReadonlyArray<Snapshot>>
  readonly events: Stream.Stream<Event & { readonly id: string }>
}

/**
 * The service tag of the reader.
 *
 * @category services
 * @since 0.1.0
 */
export const CircuitReader: Context.Service<CircuitReader, CircuitReader> = /*#__PURE__*/ Context.Service<
  CircuitReader
>("effect-breaker/control/CircuitReader")

/**
 * Makes a reader of every circuit of the program.
 *
 * **Example** (Which circuits are in trouble)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Breaker, TripPolicy } from "effect-breaker"
 * import { CircuitReader, Registry } from "effect-breaker/control"
 *
 * const program = Effect.gen(function*() {
 *   const openai = yield* Breaker.make({ name: "openai", tripPolicy: TripPolicy.consecutive(1) })
 *   const search = yield* Breaker.make({ name: "search" })
 *   yield* Effect.ignore(openai.execute(Effect.fail("529 Overloaded")))
 *   yield* search.execute(Effect.succeed("a page"))
 *
 *   const reader = yield* CircuitReader.make
 *   return (yield* reader.snapshots).filter(({ state }) => state !== "Closed").map(({ name, state }) => `${name}: ${state}`)
 * })
 *
 * const alone = Effect.provideService(Registry.Current, new Registry.Registry()) // else: every circuit of the process
 * console.log(await Effect.runPromise(alone(program))) // => ["openai: Open"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<CircuitReader> = /*#__PURE__*/ Effect.withFiberSucceed((fiber) =>
  new CircuitReaderImpl(fiber.getRef(Registry.Current))
)

/**
 * Provides the reader of every circuit of the program.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CircuitReader> = /*#__PURE__*/ Layer.effect(CircuitReader, make)

// ---------------------------------------------------------------------------------------------------------------------

/** @internal Every circuit there is. */
export const all = function*(registry: Registry.Registry): Generator<Breaker.BreakerImpl> {
  for (const source of registry.sources()) yield* source.circuits() as Iterable<Breaker.BreakerImpl>
}

/** How many readings are made before others get their turn. */
const SLICE = 500

// A map moves a circuit that is used to its end, where it would come once more, and for ever. To copy the references of
// a hundred thousand takes half a millisecond; to look at what they refer to takes a hundred times as long.
const oneByOne = function*(registry: Registry.Registry): Generator<Reading> {
  for (const ref of Array.from(registry.refs)) {
    for (const circuit of Array.from(ref.deref()?.circuits() ?? [])) yield readingOf(circuit as Breaker.BreakerImpl)
  }
}

// Not the breaker itself: that can be ordered about.
class ReadingImpl implements Reading {
  readonly id: string
  readonly #breaker: Breaker.BreakerImpl
  constructor(id: string, breaker: Breaker.BreakerImpl) {
    this.id = id
    this.#breaker = breaker
  }

  get name(): string {
    return this.#breaker.name
  }

  get state(): Circuit.State["_tag"] {
    return this.#breaker.cell.current._tag
  }

  get snapshot(): Effect.Effect<Snapshot> {
    return this.#breaker.snapshot
  }
}

const known = new WeakMap<Registry.Named, ReadingImpl>()
let count = 0

/** @internal */
export const readingOf = (breaker: Breaker.BreakerImpl): Reading => {
  let reading = known.get(breaker)
  if (reading === undefined) known.set(breaker, reading = new ReadingImpl((++count).toString(36), breaker))
  return reading
}

/** @internal The id of a circuit, if any reader ever gave it one: a look at all circuits need not make them. */
export const idOf = (breaker: Breaker.BreakerImpl): string | undefined => known.get(breaker)?.id

class CircuitReaderImpl implements CircuitReader {
  readonly #registry: Registry.Registry
  constructor(registry: Registry.Registry) {
    this.#registry = registry
  }

  get circuits(): CircuitReader["circuits"] {
    return Effect.sync(() => Array.from(all(this.#registry), readingOf))
  }

  get each(): CircuitReader["each"] {
    return Stream.suspend(() => Stream.fromIterable(oneByOne(this.#registry), { chunkSize: SLICE })).pipe(
      Stream.mapArrayEffect((slice) => Effect.as(Effect.yieldNow, slice))
    )
  }

  get snapshots(): CircuitReader["snapshots"] {
    return Effect.flatMap(this.circuits, (circuits) => Effect.forEach(circuits, ({ snapshot }) => snapshot))
  }

  get events(): CircuitReader["events"] {
    return eventsOf(
      this.#registry,
      (event, circuit) => ({ ...event, id: readingOf(circuit as Breaker.BreakerImpl).id })
    )
  }
}
