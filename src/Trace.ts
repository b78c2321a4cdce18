/**
 * What a guarded call writes on the span it runs in: its circuit, the state that let it through or refused it, and what
 * became of it. Never the text of an error, a prompt or an answer.
 *
 * It is the span in which the call asked, and once that has ended nothing more is written. Where several calls ask in one
 * span, the last that asked has the word: of two breakers around a call the inner one, which is closer to what failed; of
 * a call, its retries and its fallbacks the one that came last.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import type * as Fiber from "effect/Fiber"
import type * as Tracer from "effect/Tracer"
import type { CircuitRejected } from "./CircuitRejected.ts"
import type * as Outcome from "./Outcome.ts"
import type { Named } from "./Registry.ts"

/** @internal */
export type Span = Tracer.Span

/** @internal Gives the span that the call asked in, if there is one that may be written on. */
export const asked = (
  { cache: { span } }: Fiber.Fiber<unknown, unknown>,
  { cell, name }: Named,
  outcome?: string
): Span | undefined => {
  if (span?._tag !== "Span" || span.status._tag === "Ended") return undefined
  span.attribute("circuit.name", name)
  span.attribute("circuit.state", cell.current._tag)
  tell(span, outcome)
  return span
}

/** @internal */
export const settled = (span: Span, { name }: Named, outcome: Outcome.Outcome): void => {
  if (span.status._tag === "Ended" || span.attributes.get("circuit.name") !== name) return
  tell(span, outcome._tag, (outcome as Outcome.Failure).kind)
}

/** @internal */
export const refused = (
  fiber: Fiber.Fiber<unknown, unknown>,
  circuit: Named,
  { cause, reason, retryAfter }: CircuitRejected
): void =>
  asked(fiber, circuit, "Rejected")?.event("circuit.rejected", fiber.getRef(Clock.Clock).currentTimeNanosUnsafe(), {
    "circuit.name": circuit.name,
    "circuit.reason": reason,
    "circuit.rule": cause.rule,
    // JSON has no infinity: each exporter writes something else.
    ...(Duration.isFinite(retryAfter) && { "circuit.retry_after_ms": Duration.toMillis(retryAfter) })
  })

const tell = (span: Span, outcome: string | undefined, kind?: unknown): void => {
  put(span, "circuit.outcome", outcome)
  put(span, "circuit.kind", typeof kind === "string" ? kind : undefined)
}

// An attribute cannot be taken back: what an earlier call wrote is blanked.
const put = (span: Span, key: string, value: string | undefined): void => {
  if (value !== undefined || span.attributes.has(key)) span.attribute(key, value ?? "")
}
