/**
 * The answer to one request, as it comes, and what it says of the health of whoever sent it.
 *
 * The status is only the beginning: an error page tells a spent quota from a busy minute, a gateway sends 200 before it
 * knows how it ends, and a streamed answer may break off anywhere. So the body is read along, as far as it may matter.
 *
 * @since 0.1.0
 */
import * as HttpHeaders from "../llm/HttpHeaders.ts"
import * as LlmOutcome from "../llm/LlmOutcome.ts"
import type { Progress } from "../llm/Progress.ts"
import * as Quality from "../llm/Quality.ts"
import * as Untrusted from "../llm/Untrusted.ts"
import * as Outcome from "../Outcome.ts"
import { EventStream } from "./EventStream.ts"

/** How answers are read: whether a model's is expected, and how errors are. */
export interface Manner {
  readonly isModel: boolean
  readonly errors: LlmOutcome.Options
}

/** Status and headers, which come first. */
export interface Head {
  readonly status: number
  readonly headers: HttpHeaders.Input
}

/** The answer so far. */
export class Answer {
  /** Whether the status says that it is an error. */
  readonly isError: boolean
  private readonly head: Head
  private readonly manner: Manner
  private readonly events: EventStream | undefined
  private readonly kept: Kept | undefined
  private readonly elapsed: () => number

  /** `elapsed`: the milliseconds since the request was made. */
  constructor(head: Head, manner: Manner, elapsed: () => number) {
    const type = HttpHeaders.read(head.headers)["content-type"] ?? ""
    this.head = head
    this.manner = manner
    this.elapsed = elapsed
    this.isError = head.status >= 400
    this.events = !this.isError && /^text\/event-stream\b/i.test(type)
      ? new EventStream(manner.isModel, manner.errors)
      : undefined
    // A page instead of a model's answer is read as the JSON that it is not.
    const isData = /[/+]json\b/i.test(type) || (manner.isModel && /\bhtml\b/i.test(type))
    this.kept = this.isError || isData ? new Kept() : undefined
  }

  /** Whether the first sign of life is there: for a stream its first content, for anything else its headers. */
  get hasBegun(): boolean {
    return this.events?.hasBegun ?? true
  }

  /** What was measured of a model's streamed answer. */
  get progress(): Progress | undefined {
    return this.events?.isModels === true ? this.events.progress : undefined
  }

  take(chunk: unknown): void {
    if (!(chunk instanceof Uint8Array)) return
    if (this.events !== undefined) {
      this.events.progress.spent = this.elapsed()
      this.events.take(chunk)
    }
    this.kept?.take(chunk)
  }

  /** The whole body came. */
  ended(): LlmOutcome.LlmOutcome {
    const { kept } = this
    if (kept === undefined) return this.events?.ended() ?? this.byHead()
    if (this.isError || kept.isCut) return this.byHead(kept.text())
    const text = kept.text()
    if (text === "") return this.manner.isModel ? empty : this.byHead()
    let body: unknown
    try {
      body = JSON.parse(text) as unknown
    } catch (error) {
      return LlmOutcome.fromError(error, this.manner.errors)
    }
    const outcome = this.byHead(body)
    const isBad = outcome._tag === "Success" && this.manner.isModel && Quality.ofAnswer(body, undefined) === false
    return isBad ? { ...outcome, kind: "empty" } : outcome
  }

  /** The body broke off. */
  broken(error: unknown): LlmOutcome.LlmOutcome {
    if (this.isError) return this.left()
    const outcome = LlmOutcome.fromError(error, this.manner.errors)
    return outcome.kind === "cancelled" ? this.left() : outcome
  }

  /** Nobody reads on: what there was to see so far. */
  left(): LlmOutcome.LlmOutcome {
    return this.isError ? this.byHead(this.kept?.text()) : this.events?.left() ?? this.byHead()
  }

  private byHead(body?: unknown): LlmOutcome.LlmOutcome {
    const { headers, status } = this.head
    return LlmOutcome.fromHttp({ status, headers, body }, this.manner.errors)
  }
}

const empty: LlmOutcome.LlmOutcome = {
  ...Outcome.failure({ kind: "empty", message: "the answer is empty" }),
  kind: "empty",
  scope: "model"
}

/** The beginning of a body: an error is never longer, and what is longer is an answer. */
class Kept {
  isCut = false
  private readonly decoder = new TextDecoder()
  private said = ""

  take(chunk: Uint8Array): void {
    if (this.isCut) return
    this.said += this.decoder.decode(chunk, { stream: true })
    if (this.said.length > Untrusted.longestText) {
      this.isCut = true
      // What is cut off is no JSON, and its beginning is enough for what is no JSON.
      this.said = this.said.slice(0, 4096)
    }
  }

  text(): string {
    return this.said
  }
}
