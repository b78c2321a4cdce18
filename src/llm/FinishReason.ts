/**
 * What the reason why a model stopped says, in the words of all providers.
 */
import * as Verdict from "./Verdict.ts"

const filtered = [
  "content_filter",
  "content-filter",
  "content_filtered",
  "refusal",
  "guardrail_intervened",
  // Gemini: reasons to finish, and reasons to block a prompt
  "safety",
  "recitation",
  "blocklist",
  "prohibited_content",
  "spii",
  "language",
  "model_armor",
  "jailbreak"
]

const garbled = ["malformed_function_call", "unexpected_tool_call", "too_many_tool_calls", "malformed_tool_call"]

const broken = ["error", "failed"]

/** The verdict on a reason to stop; `undefined` where the model stopped as models do. */
export const verdictOn = (reason: string | null | undefined): Verdict.Verdict | undefined => {
  const word = reason?.toLowerCase() ?? ""
  // Nobody said that the answer was over: the stream was cut, or the client did not hear of an end.
  if (word === "" || word === "unknown" || word === "finish_reason_unspecified") return Verdict.failure("truncated")
  if (filtered.includes(word) || word.startsWith("image_")) return Verdict.ignored("content-policy")
  if (garbled.includes(word)) return Verdict.ignored("quality", "model")
  if (broken.includes(word)) return Verdict.failure("server")
  return undefined
}
