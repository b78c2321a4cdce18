import { type FakeProvider, Fault } from "effect-breaker/testing"
import * as Effect from "effect/Effect"

/** The formats that answer with text, and where each is asked. */
export const formats = ["chat", "responses", "messages"] as const

export type Format = typeof formats[number]

const paths: Readonly<Record<Format, string>> = {
  chat: "/v1/chat/completions",
  responses: "/v1/responses",
  messages: "/v1/messages"
}

export interface Question {
  readonly stream?: boolean
  readonly fault?: Fault.Fault
  readonly key?: string
  readonly model?: string
  readonly signal?: AbortSignal
  readonly more?: Readonly<Record<string, unknown>>
}

/** Sends a question in one format, as its own clients do. */
export const send = (
  provider: FakeProvider.FakeProvider,
  format: Format,
  question: Question = {}
): Promise<Response> => {
  const messages = [{ role: "user", content: "How are you?" }]
  return fetch(`${provider.url}${paths[format]}`, {
    method: "POST",
    headers: {
      ...(format === "messages"
        ? { "x-api-key": question.key ?? "sk-one", "anthropic-version": "2023-06-01" }
        : { authorization: `Bearer ${question.key ?? "sk-one"}` }),
      ...(question.fault === undefined ? {} : Fault.header(question.fault))
    },
    body: JSON.stringify({
      model: question.model ?? "m",
      stream: question.stream ?? false,
      ...(format === "responses" ? { input: messages } : { messages }),
      ...question.more
    }),
    ...(question.signal === undefined ? {} : { signal: question.signal })
  })
}

export interface Heard {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Why the body did not come to its end. */
  readonly broken: Error | undefined
}

/** The whole answer to a question, as far as it came. */
export const ask = (
  provider: FakeProvider.FakeProvider,
  format: Format,
  question: Question = {}
): Effect.Effect<Heard> =>
  Effect.promise(async () => {
    const response = await send(provider, format, question)
    let text = ""
    let broken: Error | undefined
    const decoder = new TextDecoder()
    const reader = response.body!.getReader()
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += decoder.decode(part.value)
    } catch (error) {
      if (error instanceof Error) broken = error
    }
    return { status: response.status, headers: response.headers, text, broken }
  })

export const statusOf = (
  provider: FakeProvider.FakeProvider,
  format: Format,
  question?: Question
): Effect.Effect<number> => Effect.map(ask(provider, format, question), ({ status }) => status)

export interface Event {
  readonly event: string | undefined
  readonly data: unknown
}

/** The events of a stream, comments left out; data that is no JSON stays text. */
export const eventsOf = (text: string): ReadonlyArray<Event> =>
  text.split("\n\n").filter((event) => event.includes("data: ")).map((event) => {
    const lines = event.split("\n")
    const data = lines.find((line) => line.startsWith("data: "))!.slice("data: ".length)
    return { event: lines.find((line) => line.startsWith("event: "))?.slice("event: ".length), data: parsed(data) }
  })

const parsed = (data: string): unknown => {
  try {
    return JSON.parse(data)
  } catch {
    return data
  }
}

/** The value at a path of fields and positions. */
export const at = (value: unknown, ...path: ReadonlyArray<string | number>): unknown =>
  path.reduce((found: unknown, name) => found === undefined ? undefined : Object(found)[name], value)

/** The text that a stream or a plain answer says, whatever the format. */
export const saidIn = (format: Format, { text }: Heard, stream: boolean): string => {
  if (!stream) {
    const paths = {
      chat: ["choices", 0, "message", "content"],
      responses: ["output", 0, "content", 0, "text"],
      messages: ["content", 0, "text"]
    }
    return String(at(JSON.parse(text), ...paths[format]))
  }
  const pieces = eventsOf(text).map(({ data }) => {
    if (format === "chat") return at(data, "choices", 0, "delta", "content")
    if (format === "responses") return at(data, "type") === "response.output_text.delta" ? at(data, "delta") : undefined
    return at(data, "type") === "content_block_delta" ? at(data, "delta", "text") : undefined
  })
  return pieces.filter((piece) => typeof piece === "string").join("")
}

/** The last entry of the journal, once all requests have ended. */
export const lastEntry = (provider: FakeProvider.FakeProvider): Effect.Effect<FakeProvider.Entry> =>
  Effect.map(
    provider.awaitJournal((entries) => entries.length > 0 && entries.every(({ end }) => end !== "running")),
    (entries) => entries.at(-1)!
  )

/** Waits until the last request runs and its entry is as wanted. */
export const running = (
  provider: FakeProvider.FakeProvider,
  check: (entry: FakeProvider.Entry) => boolean
): Effect.Effect<FakeProvider.Entry> =>
  Effect.map(
    provider.awaitJournal((entries) => {
      const last = entries.at(-1)
      return last?.end === "running" && check(last)
    }),
    (entries) => entries.at(-1)!
  )
