/**
 * How far one streamed answer has come, on the provider's own clock.
 *
 * That clock runs only while the reader pulls and no tool of the program runs, so that every time taken from it is the
 * provider's doing.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import type { FinishReason, Part, Usage } from "./Part.ts"

const CHARACTERS_PER_TOKEN = 4

/**
 * Below so many output tokens the time per token says nothing.
 *
 * @category defaults
 * @since 0.1.0
 */
export const minimumTokens = 16

/**
 * What was observed of one streamed answer. Times are in milliseconds of the provider's own clock.
 *
 * @category models
 * @since 0.1.0
 */
export class Progress {
  spent = 0
  firstEvent: number | undefined
  firstContent: number | undefined
  lastContent: number | undefined
  /** When the provider last showed that it works at the answer: by content, or by its finish. */
  aliveAt: number | undefined
  characters = 0
  /** How many parts with content there were. */
  chunks = 0
  usage: Usage = {}
  finish: FinishReason | undefined
  error: { readonly reported: unknown } | undefined
  /** Whether something happened that another model's answer could not follow: content, or a tool that ran. */
  committed = false
  private readonly tools = new Set<string>()
  private reasoned = false
  private refused = false

  /** Whether time is the provider's: no tool of the program runs. */
  get running(): boolean {
    return this.tools.size === 0
  }

  get hasContent(): boolean {
    return this.firstContent !== undefined
  }

  note(part: Part): void {
    const now = this.spent
    this.firstEvent ??= now
    if (part.content !== undefined) {
      this.firstContent ??= now
      this.lastContent = this.aliveAt = now
      this.characters += part.content
      this.chunks++
      this.reasoned ||= part.reasoning === true
      this.refused ||= part.refused === true
      this.committed = true
    }
    if (part.usage !== undefined) this.usage = merged(this.usage, part.usage)
    if (part.toolCall !== undefined) this.tools.add(part.toolCall)
    if (part.toolResult !== undefined) {
      this.tools.delete(part.toolResult)
      this.committed = true
    }
    if (part.finish !== undefined) {
      this.finish = this.refused && part.finish === "stop" ? "content-filter" : part.finish
      this.aliveAt = now
      // A tool without a result by now has none to come.
      this.tools.clear()
    }
    if (part.error !== undefined) this.error ??= { reported: part.error }
  }

  /** The tokens that came as content: as the provider counted them, less the reasoning that it kept to itself. */
  get contentTokens(): number {
    const { outputTokens, reasoningTokens = 0 } = this.usage
    if (outputTokens === undefined || outputTokens === 0) return Math.ceil(this.characters / CHARACTERS_PER_TOKEN)
    return this.reasoned ? outputTokens : outputTokens - reasoningTokens
  }

  /** What a meter is told; tokens only where the provider counted them. */
  get figures(): Circuit.Figures {
    const { chunks, firstContent, lastContent, usage: { inputTokens, outputTokens } } = this
    return {
      firstContent,
      chunks,
      perChunk: chunks < 2 ? undefined : (lastContent! - firstContent!) / (chunks - 1),
      inputTokens,
      outputTokens
    }
  }

  /** The time from one token to the next; unknown below `minimum` tokens. */
  perOutputToken(minimum: number): number | undefined {
    const tokens = this.contentTokens
    if (this.firstContent === undefined || tokens < Math.max(minimum, 2)) return undefined
    return (this.lastContent! - this.firstContent) / (tokens - 1)
  }
}

const merged = (known: Usage, said: Usage): Usage => ({
  inputTokens: said.inputTokens ?? known.inputTokens,
  outputTokens: said.outputTokens ?? known.outputTokens,
  reasoningTokens: said.reasoningTokens ?? known.reasoningTokens
})
