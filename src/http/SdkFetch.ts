/**
 * The `fetch` of an `openai` or `@anthropic-ai/sdk` client under the circuits of key, model and provider.
 *
 * These clients retry by themselves: whatever their `fetch` rejects with, and most statuses. So a refused request is an
 * answer here, one that they do not retry, and what they throw for it leads back to the `CircuitRejected`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LlmBreaker from "../llm/LlmBreaker.ts"
import { type ByModel, byModel } from "./Circuits.ts"
import { type Common, type Fetch, guard } from "./FetchCall.ts"
import * as Refusal from "./Refusal.ts"

export { rejectionOf } from "./Refusal.ts"

/**
 * How such a client is guarded: the circuits, as an `LlmBreaker` that is there already or as the settings of one; and whom a request
 * concerns, where the request does not say it well.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Common, ByModel {
  readonly llm?: LlmBreaker.LlmBreaker | LlmBreaker.Options | undefined
}

/**
 * Puts the `fetch` of an `openai` or `@anthropic-ai/sdk` client under the circuits of key, model and provider.
 *
 * **Details**
 *
 * A refused request is never made. The client gets a 503 that it does not retry, and throws what it throws for that status,
 * with the circuit's message; `rejectionOf(error)` gives the `CircuitRejected`. A pause that the provider asked for and
 * that has at most ten seconds to go is a 429 instead, which the client waits out if it has retries left.
 *
 * Each attempt of a client's own retries is a request: it asks, and it votes. An error after which the circuit is open is
 * marked so that the client does not sleep on it only to be refused.
 *
 * Answers are read as those of a model: beyond what `GuardedFetch.make` sees, an empty or a cut answer is a `Failure`, and so is a page.
 * A client's own timeout looks like a caller who gives up, which is `Ignored`, unless the request says how long the client
 * waits: `@anthropic-ai/sdk` always does, `openai` only for a `timeout` of the one request, and both in whole seconds. So set
 * `headers` here, a little below the client's timeout.
 *
 * **Gotchas**
 *
 * Without `llm` each call makes circuits of its own: give one `LlmBreaker` to all clients of a provider.
 * Vercel's `ai` does not know the mark against retries: give its providers the `fetch` of `GuardedFetch.make`.
 *
 * Throws a `RangeError` at once for a bad setting.
 *
 * **Example** (One line, and what is thrown)
 *
 * ```ts
 * import { SdkFetch } from "effect-breaker/http"
 * import OpenAI from "openai"
 *
 * const client = new OpenAI({ baseURL: "http://127.0.0.1:1/v1", maxRetries: 0, fetch: SdkFetch.make() })
 * const ask = () => client.chat.completions.create({ model: "gpt-any", messages: [{ role: "user", content: "Hello" }] })
 *
 * for (let i = 0; i < 5; i++) await ask().catch(() => {})
 * const error: unknown = await ask().catch((error: unknown) => error)
 *
 * console.log(error instanceof OpenAI.InternalServerError && error.code) // => "CircuitRejected"
 * console.log(SdkFetch.rejectionOf(error)?.circuit) // => "127.0.0.1:1"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Fetch => {
  const where = "SdkFetch.make"
  const { llm = {}, services = Context.empty() } = options
  const breaker = "execute" in llm ? llm : Effect.runSyncWith(services)(LlmBreaker.make(llm))
  return guard(where, byModel(where, breaker, options), options, Refusal.toResponse)
}
