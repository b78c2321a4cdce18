/**
 * What the model says in one answer, before a wire format writes it down.
 *
 * @since 0.1.0
 */
import * as Require from "./Require.ts"
import * as SchemaSample from "./SchemaSample.ts"

/**
 * An answer that is given word for word.
 *
 * **Details**
 *
 * `text` is what the model writes, nothing unless given. `toolCalls` follow it; their `arguments` are an empty object
 * and their `id` is made up unless given. `usage` counts tokens; what it leaves out is counted from the request and the
 * answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly text?: string | undefined
  readonly toolCalls?: ReadonlyArray<AnswerToolCall> | undefined
  readonly usage?: Usage | undefined
}

/**
 * A tool call of such an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswerToolCall {
  readonly name: string
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  readonly id?: string | undefined
}

/**
 * The tokens that an answer says it cost.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  readonly input?: number | undefined
  readonly output?: number | undefined
}

/** How the model stopped: of itself, at its limit, by a filter, by refusing, or by failing. */
export type Ending = "stop" | "length" | "content-filter" | "refusal" | "error"

/** A tool call in pieces. */
export interface ToolCall {
  readonly name: string
  readonly id: string | undefined
  readonly words: ReadonlyArray<string>
}

/** A whole answer in pieces: each word is one token. */
export interface Speech {
  readonly words: ReadonlyArray<string>
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly ending: Ending
  readonly usage: Usage
}

/** What a request insists on: JSON of a schema, or a call of a tool. */
export interface Wanted {
  readonly schema?: unknown
  readonly tool?: { readonly name: string; readonly schema: unknown } | undefined
}

/** An answer that was checked, or the length of one to make up. */
export type Given = Answer | { readonly tokens: number }

/** Checks an answer. Throws a `RangeError`. */
export const check = (where: string, place: string, answer: unknown): Answer => {
  const { text, toolCalls, usage } = Require.record(where, place, answer)
  return {
    text: text === undefined ? undefined : Require.text(where, `${place}.text`, text),
    toolCalls: toolCalls === undefined
      ? undefined
      : Require.list(where, `${place}.toolCalls`, toolCalls).map((call, index) =>
        checkToolCall(where, `${place}.toolCalls[${index}]`, call)
      ),
    usage: usage === undefined ? undefined : checkUsage(where, `${place}.usage`, usage)
  }
}

/** Says an answer, or makes one up that has what the request insists on. */
export const say = (given: Given, wanted: Wanted): Speech => {
  if (!("tokens" in given)) {
    return {
      words: split(given.text ?? ""),
      toolCalls: (given.toolCalls ?? []).map(({ arguments: input, id, name }) => toolCall(name, input ?? {}, id)),
      ending: "stop",
      usage: given.usage ?? {}
    }
  }
  const silence = { words: [], toolCalls: [], ending: "stop", usage: {} } as const
  if (given.tokens === 0) return silence
  if (wanted.tool !== undefined) {
    return { ...silence, toolCalls: [toolCall(wanted.tool.name, SchemaSample.make(wanted.tool.schema))] }
  }
  if (wanted.schema !== undefined) {
    return { ...silence, words: pieces(JSON.stringify(SchemaSample.make(wanted.schema))) }
  }
  return { ...silence, words: chatter(given.tokens) }
}

/** The first tokens of an answer. */
export const upTo = (speech: Speech, count: number): Speech => {
  let left = count
  const take = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
    const taken = words.slice(0, left)
    left -= taken.length
    return taken
  }
  return {
    ...speech,
    words: take(speech.words),
    toolCalls: speech.toolCalls.flatMap((call) => left > 0 ? [{ ...call, words: take(call.words) }] : [])
  }
}

/** How many tokens the parts of an answer have. */
export const length = ({ toolCalls, words }: Pick<Speech, "toolCalls" | "words">): number =>
  toolCalls.reduce((sum, call) => sum + call.words.length, words.length)

/** Whether an answer has a text, be it an empty one: it has none where it only calls tools. */
export const hasText = ({ toolCalls, words }: Speech): boolean => words.length > 0 || toolCalls.length === 0

/** The texts of a plain answer: its own, if it has one, and the arguments of its tool calls. */
export const growing = (speech: Speech): ReadonlyArray<Pick<Speech, "words">> => [
  ...(hasText(speech) ? [speech] : []),
  ...speech.toolCalls
]

/** The words of a text, each with the space before it. */
export const split = (text: string): ReadonlyArray<string> =>
  text.match(/\s*\S+(?:\s+$)?/gu) ?? (text === "" ? [] : [text])

const toolCall = (name: string, input: unknown, id?: string): ToolCall => ({
  name,
  id,
  words: pieces(JSON.stringify(input))
})

const pieces = (json: string): ReadonlyArray<string> => json.match(/.{1,8}/gsu) ?? []

const phrase = [" This", " answer", " comes", " from", " a", " healthy", " fake", " provider"]

const chatter = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => phrase[index % phrase.length]!.slice(index === 0 ? 1 : 0))

const checkToolCall = (where: string, place: string, call: unknown): AnswerToolCall => {
  const { arguments: input, id, name } = Require.record(where, place, call)
  return {
    name: Require.text(where, `${place}.name`, name),
    arguments: input === undefined ? undefined : Require.record(where, `${place}.arguments`, input),
    id: id === undefined ? undefined : Require.text(where, `${place}.id`, id)
  }
}

const checkUsage = (where: string, place: string, usage: unknown): Usage => {
  const { input, output } = Require.record(where, place, usage)
  return {
    input: input === undefined ? undefined : Require.whole(where, `${place}.input`, input, 0),
    output: output === undefined ? undefined : Require.whole(where, `${place}.output`, output, 0)
  }
}
