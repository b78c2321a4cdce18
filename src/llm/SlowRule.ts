/**
 * When a streamed answer counts as slow: by its time to first content and its time per token, never by its length.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Setting from "../internal/Setting.ts"
import { minimumTokens, type Progress } from "./Progress.ts"

/**
 * When a streamed answer counts as slow: if its first content, or its tokens, took longer than this.
 *
 * **Details**
 *
 * Two thousand tokens at 50 a second take 40 seconds, and are healthy: so the whole duration is no measure.
 *
 * - `firstContent`: how long the first content may take; exactly so long is not slow. With `perThousandInputTokens` a
 *   longer prompt may take longer. The size of the prompt is what the provider counted, or else `inputTokens`; where
 *   neither is known, such a rule does not judge.
 * - `perOutputToken`: how long one token may take, on average after the first. Tokens are those that the provider
 *   counted, or else a quarter of the characters. Below `minimumTokens` (16) it does not judge.
 *
 * @category models
 * @since 0.1.0
 */
export interface SlowRule {
  readonly firstContent?:
    | Duration.Input
    | { readonly base: Duration.Input; readonly perThousandInputTokens: Duration.Input }
    | undefined
  readonly perOutputToken?: Duration.Input | undefined
  readonly minimumTokens?: number | undefined
  readonly inputTokens?: number | undefined
}

/** A rule in milliseconds, infinite where it says nothing. */
export interface Checked {
  readonly base: number
  readonly perThousandInputTokens: number
  readonly perOutputToken: number
  readonly minimumTokens: number
  readonly inputTokens: number | undefined
}

const tokens = /*#__PURE__*/ Setting.setting(
  "a number of zero or more",
  (value) => Number.isFinite(value) && value >= 0
)

/** Reads a rule that a user wrote. */
export const check = (where: string, given: SlowRule): Checked => {
  const { firstContent, inputTokens, perOutputToken } = given
  const limit = (option: string, input: Duration.Input | undefined): number =>
    input === undefined
      ? Number.POSITIVE_INFINITY
      : Setting.toMillis(Setting.option(where, `slow.${option}`, Setting.positiveDuration, input))
  const scaled = isScaled(firstContent) ? firstContent : undefined
  const minimum = given.minimumTokens ?? minimumTokens
  Setting.option(where, "slow.minimumTokens", Setting.count, minimum)
  if (inputTokens !== undefined) Setting.option(where, "slow.inputTokens", tokens, inputTokens)
  return {
    base: scaled === undefined
      ? limit("firstContent", firstContent as Duration.Input | undefined)
      : limit("firstContent.base", scaled.base),
    perThousandInputTokens: scaled === undefined
      ? 0
      : limit("firstContent.perThousandInputTokens", scaled.perThousandInputTokens),
    perOutputToken: limit("perOutputToken", perOutputToken),
    minimumTokens: minimum,
    inputTokens
  }
}

/** Whether an answer was slow, or is already though it has not come. */
export const isSlow = (rule: Checked, progress: Progress): boolean => {
  const waited = progress.firstContent ?? progress.spent
  return waited > firstContentLimit(rule, progress) ||
    (progress.perOutputToken(rule.minimumTokens) ?? 0) > rule.perOutputToken
}

const firstContentLimit = ({ base, inputTokens, perThousandInputTokens }: Checked, { usage }: Progress): number => {
  if (perThousandInputTokens === 0) return base
  const size = usage.inputTokens ?? inputTokens
  return size === undefined ? Number.POSITIVE_INFINITY : base + size / 1000 * perThousandInputTokens
}

const isScaled = (
  given: SlowRule["firstContent"]
): given is { base: Duration.Input; perThousandInputTokens: Duration.Input } =>
  typeof given === "object" && given !== null && "base" in given
