/**
 * What ties the circuits of a registry to their series, for as long as a layer is in use.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { type Event, listen } from "../Event.ts"
import type { Named, Registry } from "../Registry.ts"
import { Book, sources } from "./Book.ts"
import { CircuitMeter } from "./CircuitMeter.ts"
import { labelOf, OTHER } from "./Labels.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** @internal Dies where another layer is at work. */
export const make = (
  registry: Registry,
  fiber: AnyFiber,
  circuits: number,
  boundaries: ReadonlyArray<number>
): Effect.Effect<Installation> => {
  const book = new Book(fiber.context)
  if (registry.meterOf !== undefined || book.isTaken()) return Effect.die(new Error(twice))
  return Effect.succeed(new Installation(registry, book, fiber.getRef(Clock.Clock), circuits, boundaries))
}

const twice =
  "BreakerMetrics.layer: the circuits of this Registry, or the series of this MetricRegistry, are counted " +
  "already. Provide one layer value to the whole program, or another Registry.Current and another MetricRegistry"

/** @internal */
export class Installation {
  private readonly registry: Registry
  private readonly book: Book
  private readonly circuits: number
  private readonly boundaries: ReadonlyArray<number>
  private readonly meters = new Map<string, CircuitMeter>()
  private readonly leave: () => void
  private rest: CircuitMeter | undefined = undefined

  constructor(
    registry: Registry,
    book: Book,
    clock: Clock.Clock,
    circuits: number,
    boundaries: ReadonlyArray<number>
  ) {
    this.registry = registry
    this.book = book
    this.circuits = circuits
    this.boundaries = boundaries
    const served: Record<string, number> = {}
    for (const source of sources) served[source] = 0
    book.fallbacks(served)
    registry.served = (source) => {
      served[source]!++
    }
    registry.meterOf = this.meterOf
    this.leave = listen(registry, this.hear)
    this.each((circuit) => {
      const { _tag } = circuit.cell.current
      const meter = this.attach(circuit)
      if (_tag !== "Closed") meter.notClosed.note(circuit, _tag, circuit.now(clock))
    })
  }

  close(): void {
    const { book, registry } = this
    registry.meterOf = undefined
    registry.served = undefined
    this.leave()
    this.each((circuit) => {
      setMeter(circuit, undefined)
    })
    book.close()
  }

  private readonly meterOf = (circuit: Named): CircuitMeter => {
    const meter = this.labelled(labelOf(circuit.name))
    meter.holds(circuit)
    return meter
  }

  private labelled(label: string): CircuitMeter {
    const found = this.meters.get(label)
    if (found !== undefined) return found
    if (this.meters.size >= this.circuits) return this.rest ??= this.make(OTHER)
    const made = this.make(label)
    this.meters.set(label, made)
    return made
  }

  private readonly hear = (event: Event, circuit: Named): void => {
    if (event._tag === "Transitioned") this.attach(circuit).stepped(circuit, event)
    else if (event._tag === "Throttled") this.attach(circuit).throttles++
    else if (event._tag === "StoreLost") this.attach(circuit)
  }

  // A circuit that left the registry, and is used all the same, is found when something happens to it.
  private attach(circuit: Named): CircuitMeter {
    const meter = this.meterOf(circuit)
    if (circuit.meter !== meter) {
      setMeter(circuit, meter)
      meter.inFlight += circuit.counts.inFlight
    }
    return meter
  }

  private make(label: string): CircuitMeter {
    const meter = new CircuitMeter(label, this.boundaries, this.book)
    this.book.add(meter)
    return meter
  }

  private each(f: (circuit: Named) => void): void {
    for (const source of this.registry.sources()) for (const circuit of source.circuits()) f(circuit)
  }
}

const setMeter = (circuit: { meter: Named["meter"] }, meter: CircuitMeter | undefined): void => {
  circuit.meter = meter
}
