/**
 * A streamed answer as it comes over the wire: its events, and which provider's they are, by their shape alone.
 *
 * @since 0.1.0
 */
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import type { Reader } from "../llm/Part.ts"
import * as PartReader from "../llm/PartReader.ts"
import { Progress } from "../llm/Progress.ts"
import * as StreamEnd from "../llm/StreamEnd.ts"
import * as Untrusted from "../llm/Untrusted.ts"

/** An event longer than this is no piece of an answer. */
const longestEvent = 1024 * 1024

/** What the events of one answer said so far. */
export class EventStream {
  readonly progress = new Progress()
  private readonly lines = new Lines()
  private readonly reading: StreamEnd.Reading
  private readonly isModel: boolean
  private reader: Reader<object> | undefined
  private data: Array<string> = []
  private events = 0

  /** `isModel`: whether it has to be a model's answer; otherwise it is taken for one once it looks like one. */
  constructor(isModel: boolean, errors: LlmOutcome.Options) {
    this.isModel = isModel
    this.reading = { wholeAt: "finish", errors }
  }

  /** Whether the answer has begun: a model's with its first content, another with its first event. */
  get hasBegun(): boolean {
    return this.isModels ? this.progress.hasContent : this.events > 0
  }

  /** Whether it is read as a model's answer. */
  get isModels(): boolean {
    return this.isModel || this.reader !== undefined
  }

  take(chunk: Uint8Array): void {
    for (const line of this.lines.take(chunk)) this.line(line)
  }

  /** What the end of the stream says; `undefined` where only that it ended. */
  ended(): LlmOutcome.LlmOutcome | undefined {
    return this.isModels ? StreamEnd.atEnd(this.progress, this.reading).outcome : undefined
  }

  /** What the stream says as far as it was seen. */
  left(): LlmOutcome.LlmOutcome | undefined {
    if (this.isModels) return StreamEnd.atStop(this.progress, this.reading)
    return this.hasBegun ? undefined : StreamEnd.givenUp
  }

  private line(line: string): void {
    if (line === "") this.dispatch()
    else if (line.startsWith("data:")) this.data.push(line.slice(line.startsWith("data: ") ? 6 : 5))
  }

  private dispatch(): void {
    if (this.data.length === 0) return
    const data = this.data.join("\n")
    this.data = []
    this.events++
    if (data.startsWith("[DONE]")) return
    let event: unknown
    try {
      event = JSON.parse(data) as unknown
    } catch (error) {
      // Other streams than a model's may send whatever they like.
      if (this.isModels) this.progress.note({ error })
      return
    }
    this.reader ??= readerOf(event)
    if (this.reader !== undefined && Untrusted.isObject(event)) this.progress.note(this.reader.read(event))
  }
}

// By the first event that tells. Errors look alike in all of them.
const readerOf = (event: unknown): Reader<object> | undefined => {
  const type = Untrusted.textAt(event, "type")
  if (type?.startsWith("response.") === true) return PartReader.openAiResponses
  if (type !== undefined && /^(?:message_|content_block_|error$)/.test(type)) return PartReader.anthropic
  const isChat = Array.isArray(Untrusted.get(event, "choices")) || Untrusted.isObject(Untrusted.get(event, "error"))
  return isChat ? PartReader.openAiChat : undefined
}

/** The lines of a text that comes in pieces. */
class Lines {
  private readonly decoder = new TextDecoder()
  private rest = ""

  take(chunk: Uint8Array): ReadonlyArray<string> {
    const text = this.rest + this.decoder.decode(chunk, { stream: true })
    // The other half of this line's end may be still to come.
    const end = text.endsWith("\r") ? text.length - 1 : text.length
    const lines = text.slice(0, end).split(/\r\n|\n|\r/)
    this.rest = lines.pop()! + text.slice(end)
    if (this.rest.length > longestEvent) this.rest = ""
    return lines
  }
}
