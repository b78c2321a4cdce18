/**
 * Whom the calls of a model concern, by the ids that the model itself has.
 *
 * @since 0.1.0
 */
import type * as LlmBreaker from "../llm/LlmBreaker.ts"
import type { LanguageModel, Params } from "./Sdk.ts"

/**
 * Whom calls concern, as far as the model's own ids do not say so.
 *
 * @category models
 * @since 0.1.0
 */
export type Given = { readonly [Name in keyof LlmBreaker.Scopes]?: LlmBreaker.Scopes[Name] | undefined }

/**
 * A call whose scopes are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  readonly model: LanguageModel
  readonly params: Params
}

/**
 * What the circuits of a model are called: the same for all calls, or asked at each.
 *
 * @category models
 * @since 0.1.0
 */
export type Scoping = Given | ((call: Call) => Given)

/** The scopes of one call: `own` where it says something, then `given`, then what the model calls itself. */
export const of = (call: Call, given: Scoping | undefined, own: Given = {}): LlmBreaker.Scopes => {
  const { key, model, provider, region } = { ...(typeof given === "function" ? given(call) : given), ...own }
  return {
    provider: provider ?? providerOf(call.model.provider),
    model: model ?? call.model.modelId,
    ...(key !== undefined && { key }),
    ...(region !== undefined && { region })
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// One provider's APIs are one provider: `openai.chat` and `openai.responses`.
const providerOf = (id: string): string => id.replace(/(?<=.)\.(?:chat|completions?|messages|responses)$/, "")
