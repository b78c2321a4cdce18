/**
 * What a call to a language model said about the health of the provider: one of the five outcomes, of what kind, and for
 * whom it speaks.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import type * as Exit from "effect/Exit"
import * as Setting from "../internal/Setting.ts"
import * as Outcome from "../Outcome.ts"
import * as ClientRules from "./ClientRules.ts"
import * as ErrorBody from "./ErrorBody.ts"
import * as FinishReason from "./FinishReason.ts"
import type * as HttpHeaders from "./HttpHeaders.ts"
import * as ProviderRules from "./ProviderRules.ts"
import * as ResetTime from "./ResetTime.ts"
import * as RetryHint from "./RetryHint.ts"
import * as Rule from "./Rule.ts"
import * as Signal from "./Signal.ts"
import * as Untrusted from "./Untrusted.ts"
import type { Kind, Scope, Verdict } from "./Verdict.ts"
import * as VerdictOf from "./Verdict.ts"
import * as Wording from "./Wording.ts"

export type { Kind, Scope } from "./Verdict.ts"

/**
 * An outcome that also says what kind of trouble it was, and whom it speaks for.
 *
 * **Details**
 *
 * Plain data, and an `Outcome` as a breaker takes it. `kind` is there on everything but `Success`; a `Success` of
 * kind `empty` or `quality` is an answer that arrived and is bad. `message` is the provider's words, on one line, without
 * what looks like a key.
 *
 * @category models
 * @since 0.1.0
 */
export type LlmOutcome = Outcome.Outcome & {
  readonly kind?: Kind | undefined
  readonly message?: string | undefined
  readonly scope: Scope
}

/**
 * A rule of your own, asked before those of the library: an outcome where it knows better, `undefined` where not.
 *
 * **Details**
 *
 * A rule that throws, or gives back something else, is passed over.
 *
 * @category models
 * @since 0.1.0
 */
export type OwnRule = (signal: Signal.Signal) => LlmOutcome | undefined

/**
 * How errors are read.
 *
 * **Details**
 *
 * - `now`: the time in milliseconds since the epoch, or a function that tells it, for hints that name an instant and
 *   quotas that follow the calendar. Without it the response's own `date` header is taken, and where there is none, such
 *   hints are left out.
 * - `rules`: your own rules, asked in order before any other.
 * - `textRules`: whether sentences count where codes say too little (default `true`). Codes always come first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly now?: number | (() => number) | undefined
  readonly rules?: ReadonlyArray<OwnRule> | undefined
  readonly textRules?: boolean | undefined
}

const success: LlmOutcome = { _tag: "Success", scope: "model" }
const cancelled: LlmOutcome = { _tag: "Ignored", kind: "cancelled", scope: "request" }

/**
 * Reads the outcome off an HTTP response.
 *
 * **Details**
 *
 * `body` may be parsed, text or bytes. A status of success with an error in the body is that error: gateways send 200
 * before they know how it ends.
 *
 * **Example** (Two answers with the same status)
 *
 * ```ts
 * import { Duration } from "effect"
 * import { LlmOutcome } from "effect-breaker/llm"
 *
 * const busy = LlmOutcome.fromHttp({
 *   status: 429,
 *   headers: { "retry-after": "20" },
 *   body: { error: { type: "tokens", code: "rate_limit_exceeded", message: "Rate limit reached" } }
 * })
 * const broke = LlmOutcome.fromHttp({
 *   status: 429,
 *   body: { error: { type: "insufficient_quota", code: "insufficient_quota", message: "Check your plan" } }
 * })
 *
 * console.log([busy._tag, busy.kind, busy.scope]) // => ["Throttled", "rate-limit", "model"]
 * console.log(busy._tag === "Throttled" && busy.retryAfter) // => Duration.seconds(20)
 * console.log([broke._tag, broke.kind, broke.scope]) // => ["Trip", "quota", "key"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromHttp = (response: {
  readonly status: number
  readonly headers?: HttpHeaders.Input | undefined
  readonly body?: unknown
}, options?: Options): LlmOutcome =>
  guarded(() => {
    const now = timeOf(options)
    const signal = Signal.fromHttp(response, now)
    const isFine = signal.status !== undefined && signal.status < 400 && !ErrorBody.isError(signal.body)
    return isFine ? own(signal, options) ?? ended(signal.body) : judge(signal, options, now)
  })

/**
 * Reads the outcome off an error, whatever it is.
 *
 * **Details**
 *
 * It knows Effect's `AiError`, `HttpClientError` and `TimeoutError`, the errors of the `openai`, `@anthropic-ai/sdk` and
 * `ai` packages, what Node throws, error events of streams, and plain text. What it does not know is a `Failure` of kind
 * `unknown`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: unknown, options?: Options): LlmOutcome =>
  guarded(() => {
    if (Cause.isCause(error)) {
      return Cause.hasInterruptsOnly(error) ? cancelled : fromError(Cause.squash(error), options)
    }
    const told = Untrusted.get(error, "outcome")
    // A guarded stream has read its error already.
    if (Untrusted.get(error, "_tag") === "StreamBroken" && isLlmOutcome(told)) return told
    const now = timeOf(options)
    return judge(Signal.fromError(error, now), options, now)
  })

/**
 * Reads the outcome off the exit of a call: the `classify` of a breaker.
 *
 * **Details**
 *
 * A value that is a response with a status of failure, or an answer with an error in it, is read as that error. An answer
 * of the `openai`, `@anthropic-ai/sdk` or `ai` packages that ended by a filter, a refusal or an error is read by that, as
 * `fromFinishReason` does.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classify = (exit: Exit.Exit<unknown, unknown>): LlmOutcome => classifyExit(exit, undefined)

/**
 * Makes a `classify` with options.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` at once for `rules` that are no list of functions.
 *
 * @category classifiers
 * @since 0.1.0
 */
export const classifyWith = (options: Options): (exit: Exit.Exit<unknown, unknown>) => LlmOutcome => {
  check("LlmOutcome.classifyWith", options)
  return (exit) => classifyExit(exit, options)
}

/** @internal Throws a `RangeError` for rules that are none: they would make every error unknown. */
export const check = (where: string, options: Options | undefined): void => {
  const rules: unknown = options?.rules
  // Asked for each call, and a Schema takes long.
  if (rules !== undefined && !areRules(rules)) Setting.option<unknown>(where, "rules", OwnRules, rules)
}

const areRules = (value: unknown): boolean => Array.isArray(value) && value.every((rule) => typeof rule === "function")

const OwnRules = /*#__PURE__*/ Setting.setting<unknown>("a list of functions", areRules)

const classifyExit = (exit: Exit.Exit<unknown, unknown>, options: Options | undefined): LlmOutcome => {
  if (exit._tag === "Success") return fromValue(exit.value, options)
  return Cause.hasInterruptsOnly(exit.cause) ? cancelled : fromError(Cause.squash(exit.cause), options)
}

// An answer is not read any further than these properties: the getters of a stream may start it.
const fromValue = (value: unknown, options: Options | undefined): LlmOutcome => {
  if (!Untrusted.isObject(value)) return success
  const status = Untrusted.get(value, "status")
  const headers = Untrusted.get(value, "headers")
  if (ErrorBody.isStatus(status) && status >= 400 && Untrusted.isObject(headers)) {
    return fromHttp({ status, headers: headers as HttpHeaders.Input }, options)
  }
  return ErrorBody.isError(value) ? fromHttp({ status: 200, body: value }, options) : ended(value)
}

const ended = (answer: unknown): LlmOutcome => {
  const verdict = FinishReason.verdictOnAnswer(answer)
  return verdict === undefined ? success : plain(verdict)
}

/**
 * Reads the outcome off the reason why a model stopped, in the words of any provider.
 *
 * **Details**
 *
 * A filter or a refusal is `Ignored`, and so is a garbled tool call (kind `quality`). `error` is a `Failure`, and so is no
 * reason at all: an answer that nobody ended was cut off. Anything else is `Success`, running out of tokens included.
 *
 * **Gotchas**
 *
 * The AI SDK says `other` both for a cut stream and for a reason it does not know: hand over its raw reason.
 *
 * **Example** (Stopping, and being stopped)
 *
 * ```ts
 * import { LlmOutcome } from "effect-breaker/llm"
 *
 * console.log(LlmOutcome.fromFinishReason("max_tokens")._tag) // => "Success"
 * console.log(LlmOutcome.fromFinishReason("SAFETY").kind) // => "content-policy"
 * console.log(LlmOutcome.fromFinishReason(undefined).kind) // => "truncated"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromFinishReason = (reason: string | null | undefined): LlmOutcome => {
  const verdict = FinishReason.verdictOn(reason)
  return verdict === undefined ? success : plain(verdict)
}

const plain = ({ _tag, kind, scope }: Verdict, message?: string): Mutable<LlmOutcome> => {
  const outcome: Mutable<LlmOutcome> = { _tag, kind, scope }
  if (message !== undefined) outcome.message = message
  return outcome
}

// Built step by step: to copy an outcome into another takes longer than to read it.
type Mutable<Outcome> = { -readonly [Key in keyof Outcome]: Outcome[Key] }

const timeOf = (options: Options | undefined): number | undefined => {
  try {
    const now = options?.now
    return typeof now === "function" ? now() : now
  } catch {
    return undefined
  }
}

// A classifier that throws would hide the error that it was asked about.
const guarded = (read: () => LlmOutcome): LlmOutcome => {
  try {
    return read()
  } catch {
    return { _tag: "Failure", kind: "unknown", scope: "model" }
  }
}

const scopes: ReadonlyArray<unknown> = ["request", "model", "key", "provider"] satisfies ReadonlyArray<Scope>

const isLlmOutcome = (value: unknown): value is LlmOutcome =>
  Outcome.isOutcome(value) && scopes.includes((value as LlmOutcome).scope)

const own = (signal: Signal.Signal, options: Options | undefined): LlmOutcome | undefined => {
  for (const rule of options?.rules ?? []) {
    try {
      const outcome = rule(signal)
      if (isLlmOutcome(outcome)) return outcome
    } catch {
      // the next rule may know
    }
  }
  return undefined
}

const table = /*#__PURE__*/ Rule.table(
  ...ProviderRules.gateways,
  ...ProviderRules.codes,
  ...ClientRules.events,
  ...ProviderRules.sentences,
  ...ProviderRules.families,
  ...ProviderRules.statuses,
  ...ProviderRules.weak,
  ...ClientRules.tags,
  ...ProviderRules.loose
)

const judge = (signal: Signal.Signal, options: Options | undefined, now: number | undefined): LlmOutcome => {
  const textRules = options?.textRules ?? true
  const verdict = Rule.first(table, signal, textRules) ?? (textRules ? findByText(signal) : undefined) ??
    lastResort(signal)
  return own(signal, options) ?? outcomeOf(verdict, signal, now)
}

// Plain text and errors made by hand: "529 Overloaded", "Request failed with status code 429".
const findByText = (signal: Signal.Signal): Verdict | undefined => {
  if (signal.status !== undefined) return undefined
  const words = /^(?:.{0,40}status code |http |error |status )?([45][0-9]{2})(?![.,]?[0-9])/i.exec(signal.message ?? "")
  if (words === null) return undefined
  const status = Number(words[1])
  return Rule.first(table, { ...signal, status }, true) ?? lastResort({ ...signal, status })
}

const lastResort = ({ status }: Signal.Signal): Verdict => {
  if (status === undefined) return VerdictOf.failure("unknown")
  if (status < 400) return VerdictOf.failure("bad-response")
  return status < 500 ? VerdictOf.ignored("invalid-request") : VerdictOf.failure("server")
}

/** A hint shorter than this is no word on when a quota is back: many servers send one with every error. */
const shortestQuota = Duration.minutes(1)

const outcomeOf = (verdict: Verdict, signal: Signal.Signal, now: number | undefined): LlmOutcome => {
  const outcome = plain(verdict, messageOf(verdict, signal))
  const hint = signal.retryAfter
  if (outcome._tag === "Trip") {
    const openFor = openForOf(verdict, signal, now)
    if (openFor !== undefined) outcome.openFor = openFor
  } else if (outcome._tag === "Failure" || outcome._tag === "Throttled") {
    // A wait of zero would open the gate that the outcome is about to shut.
    if (hint !== undefined && !Duration.isZero(hint)) outcome.retryAfter = hint
  }
  return outcome
}

const openForOf = (verdict: Verdict, signal: Signal.Signal, now: number | undefined): Duration.Duration | undefined => {
  const { minutes, until } = verdict
  const clock = until === undefined ? undefined : RetryHint.instantOf(now, signal.headers)
  const end = clock === undefined ? undefined : endOf(until, clock)
  const hint = longEnough(signal.retryAfter)
  if (end !== undefined && hint !== undefined) return Duration.max(end, hint)
  return end ?? hint ?? (minutes === undefined ? undefined : Duration.minutes(minutes))
}

const endOf = (until: VerdictOf.Until | undefined, now: number): Duration.Duration =>
  Duration.millis(until === "next month" ? ResetTime.untilNextMonth(now) : ResetTime.untilPacificMidnight(now))

const longEnough = (hint: Duration.Duration | undefined): Duration.Duration | undefined =>
  hint !== undefined && Duration.isGreaterThanOrEqualTo(hint, shortestQuota) ? hint : undefined

const messageOf = ({ kind }: Verdict, { codes, isPage, message, status }: Signal.Signal): string | undefined => {
  const words = Wording.shown(message)
  if (words === undefined) return Wording.ofStatus(status, isPage)
  const code = kind === "network"
    ? codes.find((code) => /^(?:e[a-z]{3,12}|eai_again|und_err_[a-z_]{1,40})$/.test(code))
    : undefined
  return code === undefined || words.toLowerCase().includes(code) ? words : `${words} (${code.toUpperCase()})`
}
