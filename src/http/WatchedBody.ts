/**
 * The body of one answer, read along on its way to the caller, and the one vote of the call.
 *
 * It is read ahead of the caller, a little: who looks only at the status never reads the body, and its call would stay
 * open, a probe until its lease is over. A body that fits in what is read ahead votes by its end, whether anybody reads it
 * or not; of a longer one that nobody has begun to read by then, enough is known.
 *
 * @since 0.1.0
 */
import type * as LlmOutcome from "../llm/LlmOutcome.ts"
import type { Answer } from "./Answer.ts"

/** How much is read ahead of the caller, in bytes. */
export const ahead = 64 * 1024

/** Where the bytes come from; the end is `undefined`. */
export interface Source {
  readonly read: () => Promise<Uint8Array | undefined>
  readonly cancel: (reason?: unknown) => void
}

/** Whose call it is. */
export interface Call {
  readonly answer: Answer
  /** Told at the first sign of life. */
  readonly answered: () => void
  /** Told once, when it is known how the call went. */
  readonly vote: (outcome: LlmOutcome.LlmOutcome) => void
}

/** A body that is being read along. Who holds this reads it, or may; once nobody does, the call is over. */
export class WatchedBody {
  private readonly flow: Flow

  constructor(source: Source, call: Call) {
    this.flow = new Flow(source, call)
    registry().register(this, this.flow)
    void this.flow.run()
  }

  /** Resolves when it is known how the call went. */
  get known(): Promise<void> {
    return this.flow.known
  }

  /** Votes by what was seen so far. */
  judge(): void {
    this.flow.judge()
  }

  /** The next piece, or `undefined` at the end; rejects with what the source rejected with. */
  read(): Promise<Uint8Array | undefined> {
    return this.flow.read()
  }

  /** The caller reads no further. With an outcome the vote is that, otherwise what was seen says. */
  leave(outcome?: LlmOutcome.LlmOutcome, reason?: unknown): void {
    this.flow.leave(outcome, reason)
  }

  /** The body as a web stream; `cancel` is what is done when its reader stops. */
  toStream(cancel = (reason: unknown) => this.leave(undefined, reason)): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream(
      {
        pull: async (controller) => {
          const chunk = await this.read()
          if (chunk === undefined) controller.close()
          else controller.enqueue(chunk as Uint8Array<ArrayBuffer>)
        },
        cancel
      },
      { highWaterMark: 0 }
    )
  }

  /** The response that this is the body of, with this for its body. */
  toResponse(original: Response): Response {
    return dressed(new Response(this.toStream(), original), original)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// What a response says of where it came from cannot be given to a new one.
const dressed = (response: Response, original: Response): Response =>
  Object.defineProperties(response, {
    url: { value: original.url, configurable: true },
    redirected: { value: original.redirected, configurable: true },
    type: { value: original.type, configurable: true },
    clone: { value: () => dressed(Response.prototype.clone.call(response), original), configurable: true }
  })

// What it holds must not lead back to the body, or it would never be let go.
let left: FinalizationRegistry<Flow> | undefined
const registry = (): FinalizationRegistry<Flow> => left ??= new FinalizationRegistry((flow) => flow.leave())

class Flow {
  readonly known: Promise<void>
  private resolveKnown!: () => void
  private readonly source: Source
  private readonly call: Call
  private readonly chunks: Array<Uint8Array> = []
  private size = 0
  private begun = false
  private answered = false
  private voted = false
  private over: { readonly error?: unknown } | undefined
  /** Wakes the reader that waits for a piece, and the flow that waits for a reader. */
  private wake: (() => void) | undefined
  private resume: (() => void) | undefined

  constructor(source: Source, call: Call) {
    this.source = source
    this.call = call
    this.known = new Promise((resolve) => {
      this.resolveKnown = resolve
    })
  }

  async run(): Promise<void> {
    const { call: { answer }, source } = this
    this.look()
    while (this.over === undefined) {
      let chunk: Uint8Array | undefined
      try {
        chunk = await source.read()
      } catch (error) {
        return this.end({ error }, () => answer.broken(error))
      }
      if (this.over !== undefined) return
      if (chunk === undefined) return this.end({}, () => answer.ended())
      answer.take(chunk)
      this.look()
      this.chunks.push(chunk)
      this.size += chunk.byteLength
      this.wake?.()
      while (this.size >= ahead && this.over === undefined) {
        if (!this.begun || answer.isError) this.judge()
        await new Promise<void>((resolve) => {
          this.resume = resolve
        })
      }
    }
  }

  async read(): Promise<Uint8Array | undefined> {
    this.begun = true
    while (this.chunks.length === 0) {
      if (this.over !== undefined) {
        if ("error" in this.over) throw this.over.error
        return undefined
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
    const chunk = this.chunks.shift()!
    this.size -= chunk.byteLength
    this.resume?.()
    return chunk
  }

  leave(outcome?: LlmOutcome.LlmOutcome, reason?: unknown): void {
    const flowing = this.over === undefined
    this.end({}, () => outcome ?? this.call.answer.left())
    this.chunks.length = 0
    this.size = 0
    if (flowing) this.source.cancel(reason)
  }

  judge(): void {
    this.vote(() => this.call.answer.left())
  }

  private look(): void {
    if (this.answered || !this.call.answer.hasBegun) return
    this.answered = true
    this.call.answered()
  }

  private end(over: NonNullable<Flow["over"]>, outcome: () => LlmOutcome.LlmOutcome): void {
    this.over ??= over
    this.vote(outcome)
    this.wake?.()
    this.resume?.()
  }

  private vote(outcome: () => LlmOutcome.LlmOutcome): void {
    if (this.voted) return
    this.voted = true
    this.call.vote(outcome())
    this.resolveKnown()
  }
}
