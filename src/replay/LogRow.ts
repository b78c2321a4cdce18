/**
 * From a line's values to a record, or to what is wrong with it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Outcome from "../Outcome.ts"
import * as CallRecord from "./CallRecord.ts"
import { Call } from "./LogCall.ts"
import { place, type Row } from "./LogColumns.ts"
import * as LogTime from "./LogTime.ts"

/**
 * Why a line was skipped.
 *
 * **Details**
 *
 * - `malformed`: it is no JSON, no row of the table, or no object; `tooLong`: it is longer than a line may be.
 * - `noTime`, `noDuration`, `noOutcome`: it does not say when, how long, or what became of it.
 * - `badTime`, `badDuration`, `badOutcome`: it says so in a way that nobody understands, or that cannot be.
 * - `duplicate`: a copy of another. `late`: it came when its time was long over.
 * - `future`: after the time that it is now. `far`: far from the lines around it.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "malformed"
  | "tooLong"
  | "noTime"
  | "badTime"
  | "noDuration"
  | "badDuration"
  | "noOutcome"
  | "badOutcome"
  | "duplicate"
  | "late"
  | "future"
  | "far"

/** What is wrong with a line, in words. */
export class Flaw {
  readonly reason: Reason
  readonly message: string
  constructor(reason: Reason, message: string) {
    this.reason = reason
    this.message = message
  }
}

/** A value as it is shown in a message. */
export const shown = (value: unknown): string => {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object"
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** Makes records of rows, and remembers what it has read before. */
export class Reader {
  private readonly outcomes = new Map<string | number, Outcome.Outcome>()
  private readonly names = new Map<string, string>()
  private readonly words = new Map<unknown, Said>()

  record({ units, values }: Row): Call | Flaw {
    const outcome = this.outcome(values)
    if (outcome instanceof Flaw) return outcome
    const isRefused = outcome._tag === "Refused"

    let took = 0
    const told = values[place.took]
    if (told !== undefined) {
      took = LogTime.duration(told, units[place.took])
      if (Number.isNaN(took)) return new Flaw("badDuration", `the duration is ${shown(told)}`)
    }
    const ended = values[place.end]
    const began = values[place.time]
    const [timeUnit, endUnit] = [units[place.time], units[place.end]]
    const both = ended === undefined ? undefined : LogTime.unitOfBoth(began, timeUnit, ended, endUnit)
    const end = ended === undefined ? NaN : LogTime.moment(ended, endUnit ?? both)
    if (ended !== undefined && Number.isNaN(end)) return new Flaw("badTime", `the end is ${shown(ended)}`)
    if (began === undefined && (ended === undefined || told === undefined)) {
      return new Flaw("noTime", "nothing says when the call was asked for")
    }
    const at = began === undefined ? end - took : LogTime.moment(began, timeUnit ?? both)
    if (!(at >= 0)) return new Flaw("badTime", `the time is ${shown(began ?? ended)}`)
    if (told === undefined && !isRefused) {
      if (ended === undefined) return new Flaw("noDuration", "nothing says how long the call took")
      took = LogTime.duration(end - at)
      if (Number.isNaN(took)) return new Flaw("badDuration", `it ended ${end - at} ms after it began`)
    }

    // What is said besides makes no line worthless.
    const first = LogTime.duration(values[place.firstContent], units[place.firstContent])
    const call = new Call(
      at,
      took,
      outcome,
      this.circuit(values),
      first <= took ? first : undefined,
      count(values[place.inputTokens]),
      count(values[place.outputTokens])
    )
    const id = values[place.id]
    if (typeof id === "string" || typeof id === "number") call.id = `${id}`
    return call
  }

  private circuit(values: ReadonlyArray<unknown>): string {
    const circuit = values[place.circuit]
    if (circuit !== undefined) return this.name(nameOf(circuit))
    const [provider, model] = [values[place.provider], values[place.model]]
    if (provider === undefined || model === undefined) return this.name(nameOf(provider ?? model))
    return this.name(`${nameOf(provider)}/${nameOf(model)}`)
  }

  // One text for each name: a name may be on every line.
  private name(name: string): string {
    const known = this.names.get(name)
    if (known !== undefined) return known
    const own = ownText(name)
    if (this.names.size < mostNames) this.names.set(own, own)
    return own
  }

  private outcome(values: ReadonlyArray<unknown>): Outcome.Outcome | CallRecord.Refused | Flaw {
    const refused = values[place.refused]
    if (refused !== undefined && isTrue(refused)) return CallRecord.refused
    const word = values[place.outcome]
    const error = values[place.error]
    const ok = values[place.ok]
    const given = values[place.status]
    const status = given === undefined ? undefined : statusOf(given)
    if (word !== undefined) {
      const said = this.said(word)
      if (said !== undefined && said !== vague) return said
      if (said === vague && status === undefined && error === undefined) return failure
      if (said === undefined && status === undefined && error === undefined && ok === undefined) {
        return new Flaw("badOutcome", `the outcome is ${shown(word)}`)
      }
    }
    const retryAfter = values[place.retryAfter]
    if (given !== undefined && status === undefined) {
      const said = this.said(given)
      if (said !== undefined && said !== vague) return said
      if (said === undefined && error === undefined && ok === undefined) {
        return new Flaw("badOutcome", `the status is ${shown(given)}`)
      }
      if (said === vague && error === undefined) return failure
    }
    if (status !== undefined || error !== undefined) {
      const read = this.read(status, error, retryAfter)
      return read._tag === "Success" && (ok !== undefined && !isTrue(ok)) ? failure : read
    }
    if (ok !== undefined) return isTrue(ok) ? Outcome.success : failure
    return new Flaw("noOutcome", "nothing says what became of the call")
  }

  private said(word: unknown): Said {
    if (typeof word === "object") return saidBy(word)
    const known = this.words.get(word)
    if (known !== undefined) return known
    const said = saidBy(word)
    if (said !== undefined && this.words.size < mostWords) {
      this.words.set(typeof word === "string" ? ownText(word) : word, said)
    }
    return said
  }

  private read(status: number | undefined, error: unknown, retryAfter: unknown): Outcome.Outcome {
    const said = typeof error === "object"
      ? error
      : error === undefined || isFalse(error)
      ? undefined
      : typeof error === "string"
      ? error
      : JSON.stringify(error)
    if (typeof said === "object" || retryAfter !== undefined) {
      const pause = LogTime.duration(retryAfter, "seconds")
      const error = typeof said === "string" ? ownText(said) : said
      return CallRecord.outcomeOf({ status, error, retryAfter: Number.isNaN(pause) ? undefined : pause })
    }
    const key = said === undefined ? status ?? -1 : `${status} ${said}`
    const known = this.outcomes.get(key)
    if (known !== undefined) return known
    const fresh = CallRecord.outcomeOf({ status, error: said === undefined ? undefined : ownText(said) })
    if (said !== undefined && said.length > longestError) return fresh
    if (this.outcomes.size < mostOutcomes) this.outcomes.set(key, fresh)
    return fresh
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const mostNames = 100_000
const mostOutcomes = 1000
const mostWords = 200
const longestError = 300
const longestName = 200

// A piece of a line keeps all the lines around it in memory, for as long as it is kept.
const ownText = (text: string): string => JSON.parse(JSON.stringify(text)) as string

const nameOf = (value: unknown): string =>
  typeof value === "string" || typeof value === "number" ? `${value}`.slice(0, longestName) : CallRecord.noCircuit

const count = (value: unknown): number | undefined => {
  const number = typeof value === "string" ? Number(value) : value
  return typeof number === "number" && number >= 0 && number < Infinity ? number : undefined
}

const failure: Outcome.Outcome = { _tag: "Failure" }

/** It failed, and the status or the error may say how. */
const vague = "vague"

const words: ReadonlyMap<string, Outcome.Outcome | CallRecord.Refused | typeof vague> = new Map<
  string,
  Outcome.Outcome | CallRecord.Refused | typeof vague
>([
  ...["success", "succeeded", "successful", "ok", "true", "pass", "passed", "completed", "complete", "done"].map((
    word
  ) => [word, Outcome.success] as const),
  ...["failure", "failed", "fail", "error", "errored", "false", "ko"].map((word) => [word, vague] as const),
  ...["timeout", "timedout", "overloaded", "unavailable", "network"].map((kind) =>
    [kind, { _tag: "Failure", kind: kind === "timedout" ? "timeout" : kind }] as const
  ),
  ...["throttled", "ratelimited", "ratelimit", "toomanyrequests"].map((word) => [word, { _tag: "Throttled" }] as const),
  ...["ignored", "ignore", "cancelled", "canceled", "aborted", "interrupted", "skipped"].map((word) =>
    [word, Outcome.ignored] as const
  ),
  ...["trip", "tripped"].map((word) => [word, { _tag: "Trip" }] as const),
  ...["refused", "rejected", "shortcircuited", "circuitopen", "circuitrejected", "breakeropen"].map((word) =>
    [word, CallRecord.refused] as const
  )
])

const decode = /*#__PURE__*/ Schema.decodeUnknownOption(Outcome.Outcome)

type Said = Outcome.Outcome | CallRecord.Refused | typeof vague | undefined

const saidBy = (value: unknown): Said => {
  if (typeof value === "string") return words.get(value.toLowerCase().replaceAll(/[^a-z]+/g, ""))
  if (typeof value === "boolean" || value === 1 || value === 0) return value ? Outcome.success : vague
  if (typeof value !== "object") return undefined
  if (CallRecord.isOutcome(value)) return value._tag === "Refused" ? CallRecord.refused : value
  const decoded = decode(value)
  return decoded._tag === "Some" ? decoded.value : undefined
}

const statusOf = (value: unknown): number | undefined => {
  if (typeof value === "number") return isStatus(value) ? value : undefined
  const digits = typeof value === "string" ? /^\s*([0-9]{1,3})(?:\.0*)?(?:\s.*)?$/.exec(value)?.[1] : undefined
  return digits !== undefined && isStatus(Number(digits)) ? Number(digits) : undefined
}

const isStatus = (value: number): boolean => value === 0 || (Number.isInteger(value) && value >= 100 && value <= 599)

const isTrue = (value: unknown): boolean =>
  typeof value === "string" ? /^\s*(?:true|yes|y|t|1)\s*$/i.test(value) : value === true || value === 1

const isFalse = (value: unknown): boolean =>
  value === false || (typeof value === "string" && /^\s*(?:false|none|null|nil|no|-|0)?\s*$/i.test(value))
