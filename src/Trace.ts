/**
 * What a guarded call writes on the span it runs in: its circuit, the state that let it through or refused it, and what
 * became of it. Never the text of an error.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type { CircuitRejected } from "./CircuitRejected.ts"
import type * as Outcome from "./Outcome.ts"
import type { Named } from "./Registry.ts"

/** @internal */
export type Span = Tracer.Span

/** @internal The span that a fiber runs in, if there is one that may be written on. */
export const spanOf = (fiber: Fiber.Fiber<unknown, unknown>): Span | undefined => {
  const { span } = fiber.cache
  return span?._tag === "Span" && span.status._tag !== "Ended" ? span : undefined
}

/** @internal */
export const asked = (span: Span, { cell, name }: Named): void => {
  span.attribute("circuit.name", name)
  span.attribute("circuit.state", cell.current._tag)
}

/** @internal */
export const settled = (span: Span, outcome: Outcome.Outcome): void => {
  span.attribute("circuit.outcome", outcome._tag)
  const { kind } = outcome as Outcome.Failure
  if (typeof kind === "string") span.attribute("circuit.kind", kind)
}

/** @internal */
export const refused = (
  span: Span,
  { cause, circuit, reason, retryAfter }: CircuitRejected,
  clock: Clock.Clock
): void => {
  span.attribute("circuit.name", circuit)
  span.attribute("circuit.state", reason)
  span.attribute("circuit.outcome", "Rejected")
  span.event("circuit.rejected", clock.currentTimeNanosUnsafe(), {
    "circuit.name": circuit,
    "circuit.reason": reason,
    "circuit.rule": cause.rule,
    "circuit.retry_after_ms": Duration.toMillis(retryAfter)
  })
}
