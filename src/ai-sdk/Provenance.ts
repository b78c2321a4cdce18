/**
 * Where an answer came from, in its `providerMetadata`, and why it did not come from the model that was asked.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import { CircuitRejected } from "../CircuitRejected.ts"
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import * as Untrusted from "../llm/Untrusted.ts"
import * as Verdict from "../llm/Verdict.ts"
import type { LanguageModel } from "./Sdk.ts"

/**
 * Where an answer came from.
 *
 * **Details**
 *
 * - `from`: the model that was asked (`primary`), another one (`fallback`), or a text that the program kept (`cached`) or has
 *   ready (`default`).
 * - `provider`, `model`: who answered, in the model's own ids; not there for a text.
 * - `age`: how old a `cached` text is, in milliseconds.
 * - `passed`: the models before, and why they did not answer; empty for an answer of the `primary`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provenance {
  readonly from: "primary" | "fallback" | "cached" | "default"
  readonly provider?: string | undefined
  readonly model?: string | undefined
  readonly age?: number | undefined
  readonly passed: ReadonlyArray<Passed>
}

/**
 * A model that did not answer a call, as plain data.
 *
 * **Details**
 *
 * `kind` is what went wrong, and `message` says it in words. `rejected` is there where a circuit refused the call, and
 * `kind` then is that of the failure it opened for: which circuit, why, by which rule, `since` when (milliseconds since the
 * epoch), and in how many milliseconds asking helps again; `null` for an isolation without an end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Passed {
  readonly provider: string
  readonly model: string
  readonly kind: LlmOutcome.Kind
  readonly message: string
  readonly rejected?: Rejected | undefined
}

/**
 * A refusal as plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rejected {
  readonly circuit: string
  readonly reason: CircuitRejected["reason"]
  readonly rule: CircuitRejected["cause"]["rule"]
  readonly since: number
  readonly retryAfter: number | null
}

/**
 * Reads where an answer came from, off a result of `generateText`, `streamText` and the like, or its `providerMetadata`.
 *
 * **Details**
 *
 * `undefined` where no breaker was in front of the model. Of `streamText` hand over what its `providerMetadata` resolves to.
 *
 * **Example** (Telling a person who answered)
 *
 * ```ts
 * import { breakerMiddleware, provenanceOf } from "effect-breaker/ai-sdk"
 * import { generateText, wrapLanguageModel } from "ai"
 * import { MockLanguageModelV3 } from "ai/test"
 *
 * const down = new MockLanguageModelV3({
 *   provider: "anthropic.messages",
 *   modelId: "opus",
 *   doGenerate: () => Promise.reject(new Error("529 Overloaded"))
 * })
 * const model = wrapLanguageModel({ model: down, middleware: breakerMiddleware({ fallback: [{ text: "Ask me later." }] }) })
 *
 * const result = await generateText({ model, prompt: "Hello" })
 * const served = provenanceOf(result)
 *
 * console.log([result.text, served?.from]) // => ["Ask me later.", "default"]
 * console.log(served?.passed) // => [{ provider: "anthropic.messages", model: "opus", kind: "overloaded", message: "529 Overloaded" }]
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const provenanceOf = (result: object | undefined): Provenance | undefined => {
  const found = Untrusted.get(Untrusted.get(result, "providerMetadata"), PACKAGE) ?? Untrusted.get(result, PACKAGE)
  return Array.isArray(Untrusted.get(found, "passed")) ? found as Provenance : undefined
}

/** Adds to the metadata of a provider where the answer came from. */
export const stamp = <A extends { readonly providerMetadata?: object | undefined }>(
  answer: A,
  provenance: Provenance
): A => ({ ...answer, providerMetadata: { ...answer.providerMetadata, [PACKAGE]: provenance } })

/** A model that did not answer. */
export const passedOf = (
  { modelId: model, provider }: LanguageModel,
  error: unknown,
  { kind = "unknown", message }: LlmOutcome.LlmOutcome
): Passed => {
  if (!(error instanceof CircuitRejected)) {
    return { provider, model, kind, message: message ?? Untrusted.textAt(error, "message") ?? kind }
  }
  const { cause: { failure, rule }, circuit, reason, since } = error
  const opened = failure?.kind
  const wait = Duration.toMillis(error.retryAfter)
  const retryAfter = Number.isFinite(wait) ? wait : null
  const rejected: Rejected = { circuit, reason, rule, since, retryAfter }
  return { provider, model, kind: isKind(opened) ? opened : "unknown", message: error.message, rejected }
}

// ---------------------------------------------------------------------------------------------------------------------

const PACKAGE = "effect-breaker"

const isKind = (kind: unknown): kind is LlmOutcome.Kind => (Verdict.kinds as ReadonlyArray<unknown>).includes(kind)
