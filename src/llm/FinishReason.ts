/**
 * What the reason why a model stopped says, in the words of all providers.
 */
import * as Untrusted from "./Untrusted.ts"
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
  const word = typeof reason === "string" ? reason.toLowerCase() : ""
  // Nobody said that the answer was over: the stream was cut, or the client did not hear of an end.
  if (word === "" || word === "unknown" || word === "finish_reason_unspecified") return Verdict.failure("truncated")
  if (filtered.includes(word) || word.startsWith("image_")) return Verdict.ignored("content-policy")
  if (garbled.includes(word)) return Verdict.ignored("quality", "model")
  if (broken.includes(word)) return Verdict.failure("server")
  return undefined
}

/** The verdict on an answer that came in one piece, by the reasons in it; `undefined` where it ended as answers do. */
export const verdictOnAnswer = (answer: unknown): Verdict.Verdict | undefined =>
  reasonsIn(answer).filter((reason) => reason !== "" && reason !== "unknown").map(verdictOn).find(Boolean)

const reasonsIn = (answer: unknown): ReadonlyArray<string> => {
  // Chat completions
  const choice = Untrusted.items(Untrusted.own(answer, "choices"))[0]
  // The result of `generateText`
  const steps = Untrusted.own(answer, "steps")
  const step = Array.isArray(steps) ? (steps as ReadonlyArray<unknown>).at(-1) : undefined
  const reasons = [
    Untrusted.at(choice, "finish_reason"),
    Untrusted.textAt(Untrusted.get(choice, "message"), "refusal") === undefined ? undefined : "refusal",
    Untrusted.own(answer, "stop_reason"), // messages
    Untrusted.items(Untrusted.own(answer, "output")).some(hasRefusal) ? "refusal" : undefined, // responses
    Untrusted.own(step, "finishReason"),
    Untrusted.own(step, "rawFinishReason")
  ]
  return reasons.filter((reason) => typeof reason === "string")
}

const hasRefusal = (item: unknown): boolean =>
  Untrusted.items(Untrusted.get(item, "content")).some((part) => Untrusted.get(part, "type") === "refusal")
