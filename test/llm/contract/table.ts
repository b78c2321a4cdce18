/**
 * What every client's caller gets of every fault, and what its circuit is told. One row is one fault; its number is that
 * of the list which the fake provider was built by.
 */
import { Fault } from "effect-breaker/testing"
import type { Name } from "./clients.ts"

/** The same for all; or one for the providers' own clients and one for the AI SDK; some clients may differ. */
export type Cell = string | ({ readonly sdk: string; readonly ai: string } & { readonly [name in Name]?: string })

export interface Way {
  /** The outcome: tag, kind and scope. It is never a matter of the client. */
  readonly vote: string
  /** What the caller of the guarded call gets: text in quotes, `answer` for all of it, `nothing` for none, or the error. */
  readonly got: Cell
  /** What the client says when nobody guards it: `quiet` where it takes this for an answer like any other. */
  readonly client: Cell
}

export interface Row {
  readonly fault: Fault.Fault
  readonly says: string
  readonly plain: Way
  readonly stream: Way
  /** For those that never end: the tokens that come first. */
  readonly hangsAfter?: number
}

export const cell = (expected: Cell, name: Name): string =>
  typeof expected === "string" ? expected : expected[name] ?? expected[name.startsWith("ai ") ? "ai" : "sdk"]

/** Something that the caller gets just as the client threw it, unless that was a part of a stream. */
const thrown = (error: Cell, broken?: string): Pick<Way, "got" | "client"> => {
  if (broken === undefined) return { got: error, client: error }
  const sdk = typeof error === "string" ? { sdk: error } : error
  return { got: { ...sdk, ai: broken }, client: { ...sdk, ai: "error part" } }
}

/** Nothing that the client noticed. */
const quiet = (got: Cell): Pick<Way, "got" | "client"> => ({ got, client: "quiet" })

const twoWords = (end?: Cell): Cell => {
  if (end === undefined) return `"This answer"`
  return typeof end === "string"
    ? `"This answer" then ${end}`
    : { sdk: `"This answer" then ${end.sdk}`, ai: `"This answer" then ${end.ai}` }
}

const doubled = "This answer comes from a healthy fake provider".split(/(?= )/).map((word) => word + word).join("")

const whole = "This answer comes from a healthy fake provider"
const broken200 = { sdk: "SyntaxError", ai: "AI_APICallError 200" }
const terminated = { sdk: "TypeError", ai: "AI_APICallError 200" }
const openAiOnly529 = { sdk: "InternalServerError 529", anthropic: "OverloadedError 529" }

const overloaded = "Failure overloaded model"
const server = "Failure server model"
const edge = "Failure server provider"
const network = "Failure network provider"
const truncated = "Failure truncated model"
const badResponse = "Failure bad-response model"
const timeout = "Failure timeout model"
const quota = "Trip quota key"
const filtered = "Ignored content-policy request"
const success = "Success model"

/** A call that the caller's own patience ends. */
const never = (deadline: string, text?: string): Pick<Row, "plain" | "stream"> => ({
  plain: { vote: timeout, got: "TimeoutError", client: "" },
  stream: {
    vote: timeout,
    got: text === undefined
      ? `StreamBroken timeout ${deadline}`
      : `"${text}" then StreamBroken timeout ${deadline} partial`,
    client: ""
  }
})

export const rows: ReadonlyArray<Row> = [
  {
    fault: Fault.overloaded,
    says: "1 an error as JSON, 529",
    plain: { vote: overloaded, ...thrown({ ...openAiOnly529, ai: "AI_APICallError 529" }) },
    stream: { vote: overloaded, ...thrown({ ...openAiOnly529, ai: "" }, "StreamBroken overloaded") }
  },
  {
    fault: Fault.badGateway,
    says: "2 a page from the edge, 502",
    plain: { vote: edge, ...thrown({ sdk: "InternalServerError 502", ai: "AI_APICallError 502" }) },
    stream: { vote: edge, ...thrown("InternalServerError 502", "StreamBroken server") }
  },
  {
    fault: Fault.htmlError({ status: 520 }),
    says: "2 a page from the edge, 520",
    plain: { vote: edge, ...thrown({ sdk: "InternalServerError 520", ai: "AI_APICallError 520" }) },
    stream: { vote: edge, ...thrown("InternalServerError 520", "StreamBroken server") }
  },
  {
    fault: Fault.htmlError({ status: 524 }),
    says: "2 a page from the edge, 524",
    plain: {
      vote: "Failure timeout provider",
      ...thrown({ sdk: "InternalServerError 524", ai: "AI_APICallError 524" })
    },
    stream: { vote: "Failure timeout provider", ...thrown("InternalServerError 524", "StreamBroken timeout") }
  },
  {
    fault: Fault.emptyBody,
    says: "3 a 200 without a byte",
    plain: { vote: badResponse, ...thrown(broken200) },
    stream: {
      vote: truncated,
      got: "StreamBroken truncated",
      client: { sdk: "quiet", ai: "quiet", "ai anthropic": "error part" }
    }
  },
  {
    fault: Fault.cutAfter({ tokens: 2 }),
    says: "4 half of the JSON; 13 a stream that ends in good order after two words",
    plain: { vote: badResponse, ...thrown(broken200) },
    stream: { vote: truncated, ...quiet(twoWords("StreamBroken truncated partial")) }
  },
  {
    fault: Fault.reset,
    says: "5 a reset before any byte",
    plain: { vote: network, ...thrown({ sdk: "APIConnectionError", ai: "AI_APICallError" }) },
    stream: { vote: network, ...thrown("APIConnectionError", "StreamBroken network") }
  },
  { fault: Fault.hangBeforeHeaders, says: "6 no headers", hangsAfter: 0, ...never("firstContent") },
  { fault: Fault.hangBeforeFirstToken, says: "7 headers and no event", hangsAfter: 0, ...never("firstContent") },
  {
    fault: Fault.onlyKeepAlive({ after: 0, every: "3 seconds" }),
    says: "8 signs of life and nothing else",
    hangsAfter: 0,
    ...never("firstContent")
  },
  {
    fault: Fault.onlyKeepAlive({ after: 2, every: "3 seconds" }),
    says: "8 two words, then signs of life and nothing else",
    hangsAfter: 2,
    ...never("idle", "This answer")
  },
  {
    fault: Fault.stallAfter({ tokens: 2 }),
    says: "9 a stall after two words",
    hangsAfter: 2,
    ...never("idle", "This answer")
  },
  {
    fault: Fault.errorChunk({ after: 0 }),
    says: "11 an error for the first event of a 200",
    plain: {
      vote: server,
      got: { sdk: "nothing", ai: "AI_APICallError 200" },
      client: { sdk: "quiet", ai: "AI_APICallError 200" }
    },
    stream: { vote: server, ...thrown("APIError", "StreamBroken server") }
  },
  {
    fault: Fault.errorChunk({ after: 0, type: "overloaded_error", message: "Overloaded" }),
    says: "11 an overload for the first event of a 200",
    plain: {
      vote: overloaded,
      got: { sdk: "nothing", ai: "AI_APICallError 200" },
      client: { sdk: "quiet", ai: "AI_APICallError 200" }
    },
    stream: { vote: overloaded, ...thrown("APIError", "StreamBroken overloaded") }
  },
  {
    fault: Fault.errorChunk({ after: 0, type: "insufficient_quota", code: "insufficient_quota" }),
    says: "11 an empty account for the first event of a 200",
    plain: {
      vote: quota,
      got: { sdk: "nothing", ai: "AI_APICallError 200", "ai openai responses": "AI_APICallError 400" },
      client: { sdk: "quiet", ai: "AI_APICallError 200", "ai openai responses": "AI_APICallError 400" }
    },
    stream: { vote: quota, ...thrown("APIError", "StreamBroken quota") }
  },
  {
    fault: Fault.errorChunk({ after: 0, shape: "flat", code: "server_error", message: "Sorry" }),
    says: "11 an error for the first event of a 200, in the shape of the documentation",
    plain: {
      vote: server,
      got: { sdk: "nothing", ai: "AI_APICallError 200", "ai openai responses": "AI_APICallError 400" },
      client: { sdk: "quiet", ai: "AI_APICallError 200", "ai openai responses": "AI_APICallError 400" }
    },
    stream: {
      vote: server,
      got: { sdk: "APIError", ai: "StreamBroken server", "openai responses": "StreamBroken server" },
      client: { sdk: "APIError", ai: "error part", "openai responses": "quiet" }
    }
  },
  {
    fault: Fault.errorChunk({ after: 2 }),
    says: "12 an error after two words",
    plain: {
      vote: server,
      got: { sdk: "nothing", ai: "AI_APICallError 200" },
      client: { sdk: "quiet", ai: "AI_APICallError 200" }
    },
    stream: {
      vote: server,
      got: twoWords({ sdk: "APIError", ai: "StreamBroken server partial" }),
      client: { sdk: "APIError", ai: "error part" }
    }
  },
  {
    fault: Fault.resetAfter({ tokens: 2, by: "reset" }),
    says: "14 a reset after two words",
    plain: { vote: network, ...thrown(terminated) },
    stream: { vote: network, got: twoWords(terminated), client: terminated }
  },
  {
    fault: Fault.resetAfter({ tokens: 2, by: "close" }),
    says: "14 a connection that is closed after two words, in the middle of the body",
    plain: { vote: network, ...thrown(terminated) },
    stream: { vote: network, got: twoWords(terminated), client: terminated }
  },
  {
    fault: Fault.malformed({ after: 2 }),
    says: "15 an event that is no JSON",
    plain: { vote: badResponse, ...thrown(broken200) },
    stream: {
      vote: badResponse,
      got: twoWords({ sdk: "SyntaxError", ai: "StreamBroken bad-response partial" }),
      client: { sdk: "SyntaxError", ai: "error part" }
    }
  },
  {
    fault: Fault.errorBody(),
    says: "16 a 200 with an error in its JSON",
    plain: {
      vote: server,
      got: { sdk: "nothing", ai: "AI_APICallError 200" },
      client: { sdk: "quiet", ai: "AI_APICallError 200" }
    },
    stream: {
      // JSON where events were asked for is skipped by the clients' parsers: what is left is a stream without an end.
      vote: truncated,
      got: "StreamBroken truncated",
      client: { sdk: "quiet", ai: "quiet", "ai anthropic": "error part" }
    }
  },
  {
    fault: Fault.emptyAnswer,
    says: "17 no text and a proper end",
    plain: { vote: success, ...quiet("nothing") },
    stream: { vote: "Success empty model", ...quiet("nothing") }
  },
  {
    fault: Fault.endsBy({ reason: "length", after: 2 }),
    says: "18 out of tokens",
    plain: { vote: success, ...quiet(twoWords()) },
    stream: { vote: success, ...quiet(twoWords()) }
  },
  {
    fault: Fault.endsBy({ reason: "content-filter", after: 2 }),
    says: "18 stopped by a filter",
    plain: { vote: filtered, ...quiet(twoWords()) },
    stream: { vote: filtered, ...quiet(twoWords()) }
  },
  {
    // OpenAI's own client hands on the words of a refusal apart from the text.
    fault: Fault.endsBy({ reason: "refusal", after: 2 }),
    says: "18 a refusal",
    plain: {
      vote: filtered,
      ...quiet({ sdk: "nothing", anthropic: `"This answer"`, ai: `"This answer"` })
    },
    stream: { vote: filtered, ...quiet({ sdk: "nothing", anthropic: `"This answer"`, ai: `"This answer"` }) }
  },
  {
    fault: Fault.invalidJson,
    says: "19 JSON that is none, to who did not ask for JSON",
    plain: { vote: success, ...quiet(`"{ "answer": "This looks like JSON, "and": it is none"`) },
    stream: { vote: success, ...quiet(`"{ "answer": "This looks like JSON, "and": it is none"`) }
  },
  {
    fault: Fault.endsBy({ reason: "error", after: 2 }),
    says: "20 a finish that says error, after two words",
    plain: {
      vote: server,
      got: { sdk: `"This answer"`, ai: `"This answer"`, "ai openai responses": "AI_APICallError 200" },
      client: { sdk: "quiet", ai: "quiet", "ai openai responses": "AI_APICallError 200" }
    },
    stream: {
      vote: server,
      got: twoWords("StreamBroken server partial"),
      client: { sdk: "quiet", ai: "quiet", "ai openai responses": "error part" }
    }
  },
  {
    fault: Fault.duplicated({ unit: "token" }),
    says: "25 each word twice",
    plain: { vote: success, ...quiet("answer") },
    stream: { vote: success, ...quiet(`"${doubled}"`) }
  },
  {
    fault: Fault.duplicated({ unit: "answer" }),
    says: "25 the whole answer twice",
    plain: { vote: success, ...quiet("answer") },
    stream: {
      vote: success,
      // A second `[DONE]` is not read by the openai client, a second end of a message or a response is.
      ...quiet({ sdk: `"${whole}${whole}"`, ai: `"${whole}${whole}"`, "openai chat": "answer" })
    }
  }
]
