/**
 * A tracer that keeps every span, and what was written on one after it had ended.
 */
import { Effect, Tracer } from "effect"

export interface Traced {
  readonly spans: ReadonlyArray<Tracer.NativeSpan>
  /** Whatever was written on a span that had ended. */
  readonly late: ReadonlyArray<string>
  readonly tracer: Tracer.Tracer
  /** What the span of this name says of circuits. */
  readonly of: (name: string) => Readonly<Record<string, unknown>>
  /** The events of the span of this name. */
  readonly eventsOf: (name: string) => ReadonlyArray<readonly [name: string, attributes: unknown]>
}

export const traced = (): Traced => {
  const spans: Array<Tracer.NativeSpan> = []
  const late: Array<string> = []
  class Kept extends Tracer.NativeSpan {
    override attribute(key: string, value: unknown): void {
      if (this.status._tag === "Ended") late.push(`${this.name}: ${key}`)
      super.attribute(key, value)
    }
    override event(name: string, startTime: bigint, attributes?: Record<string, unknown>): void {
      if (this.status._tag === "Ended") late.push(`${this.name}: ${name}`)
      super.event(name, startTime, attributes)
    }
  }
  const named = (name: string) => spans.findLast((span) => span.name === name)!
  return {
    spans,
    late,
    tracer: Tracer.make({
      span(options) {
        const span = new Kept(options)
        spans.push(span)
        return span
      }
    }),
    of: (name) =>
      Object.fromEntries(
        [...named(name).attributes].filter(([key]) => key.startsWith("circuit.")).map(([key, value]) => [
          key.slice("circuit.".length),
          value
        ])
      ),
    eventsOf: (name) => named(name).events.map(([event, , attributes]) => [event, attributes])
  }
}

/** Runs a test with a tracer that keeps its spans. */
export const tracing = <A, E, R>(test: (traced: Traced) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    const kept = traced()
    return Effect.withTracer(test(kept), kept.tracer)
  })

/** Everything that a span says, in one text. */
export const textOf = ({ spans }: Traced): string =>
  JSON.stringify(
    spans.map(({ attributes, events, name }) => [name, [...attributes], events.map(([name, , all]) => [name, all])])
  )
