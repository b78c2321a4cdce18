/**
 * One line of the log: what happened at a circuit, in plain words and as fields.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as LogLevel from "effect/LogLevel"
import type * as Circuit from "../Circuit.ts"
import { explain } from "../CircuitRejected.ts"
import type { Event } from "../Event.ts"

/** An event that is logged: all but single refusals. */
export type Told = Exclude<Event, { readonly error: unknown }>
export type Transitioned = Extract<Told, { readonly _tag: "Transitioned" }>
export type Commanded = Extract<Told, { readonly _tag: "Commanded" }>

/** Since a circuit was last closed: how long that is, and how many calls were refused, or would have been. */
export interface Down {
  readonly downFor: number
  readonly refused: number
  readonly wouldReject: number
}

/** An event, and what is known only in the moment in which it happens. */
export interface Heard {
  readonly event: Told
  readonly mode: Circuit.Mode
  readonly down: Down | undefined
  /** How long an isolation lasts: infinite where only a release ends it. */
  readonly isolatedFor: number | undefined
  /** The operator's order that a transition comes from. */
  order: Commanded | undefined
}

export interface Line {
  readonly level: LogLevel.Severity
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What is there to log of an event. With `errors` the text of the last failure as well. */
export const of = (heard: Heard, errors: boolean): Line => {
  const { event } = heard
  const [level, said] = event._tag === "Transitioned"
    ? transition(event, heard, errors)
    : event._tag === "Throttled"
    ? ["Info", throttled(event)] as const
    : event._tag === "StoreLost"
    ? ["Warn", `is not shared any more, and goes on alone: ${event.why}`] as const
    : event._tag === "StoreFound"
    ? ["Info", "is shared again"] as const
    : ["Info", order(event)] as const
  return { level, message: oneLine(`${named(event.circuit)} ${said}`), fields: fields(heard, errors) }
}

/** A circuit in plain words, whatever is in its name. */
export const named = (circuit: string): string => `Circuit ${JSON.stringify(circuit)}`

/** So many of them, in plain words. */
export const count = (n: number, what: string): string => `${n === 0 ? "no" : n} ${what}${n > 1 ? "s" : ""}`

// ---------------------------------------------------------------------------------------------------------------------

const LONGEST = 300

const units = [[3_600_000, "hour"], [60_000, "minute"], [1000, "second"]] as const

const words = (millis: number): string => {
  const [unit, name] = units.find(([unit]) => millis >= unit) ?? [0, ""]
  if (unit === 0) return `${Math.round(millis)} ms`
  const value = +(millis / unit).toFixed(1)
  return `${value} ${name}${value === 1 ? "" : "s"}`
}

// Names, kinds and notes come from elsewhere, and none of them may break a line or talk to a terminal.
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")

const short = (text: string | undefined): string | undefined =>
  text === undefined || text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`

const transition = (event: Transitioned, heard: Heard, errors: boolean): readonly [LogLevel.Severity, string] => {
  const { from, share, to } = event
  const by = whoOf(heard)
  if (to === "Open") return ["Warn", opened(event, heard, errors)]
  if (to === "Isolated") {
    const { isolatedFor = Infinity } = heard
    const until = isolatedFor === Infinity ? "until it is released" : `for ${words(isolatedFor)}`
    return ["Warn", `was isolated by ${by ?? "hand"} ${until}${reason(event.cause?.note)}.`]
  }
  if (to === "Closed") return ["Info", closed(event, heard)]
  if (share !== undefined) return ["Debug", `lets ${percent(share)} of the calls through.`]
  return from === "Isolated"
    ? ["Info", "is no longer isolated: it goes on half-open."]
    : ["Debug", "is half-open: a probe runs."]
}

const opened = ({ cause, from, openFor }: Transitioned, heard: Heard, errors: boolean): string => {
  const verb = from === "Isolated"
    ? "is no longer isolated: it goes on open"
    : from === "Closed"
    ? "opened"
    : "opened again"
  const by = cause?.rule === "manual" && from !== "Isolated" ? ` by ${whoOf(heard) ?? "hand"}` : ""
  const lasts = openFor === undefined ? "" : ` for ${words(Duration.toMillis(openFor))}`
  const why = cause === undefined
    ? ""
    : by === ""
    ? reason(explain({ ...cause, note: short(cause.note) }))
    : reason(cause.note)
  const last = cause?.failure
  const said = [last?.kind, errors ? last?.message : undefined].map(short).filter(Boolean).join(": ")
  const failure = said === "" ? "" : ` Last failure: ${said.replace(/\.?$/, ".")}`
  const observed = heard.mode === "observe" ? " Mode observe: calls still run." : ""
  const refused = from === "Closed" || heard.down === undefined ? "" : ` So far, ${refusals(heard, heard.down)}.`
  return `${verb}${lasts}${by}${why}.${failure}${observed}${refused}`
}

const closed = ({ from }: Transitioned, heard: Heard): string => {
  const { down, order } = heard
  const verb = order === undefined
    ? from === "Isolated" ? "is no longer isolated: it closed" : "closed"
    : `was ${order.command === "Release" ? "released" : "reset"} by ${whoOf(heard) ?? "hand"}${reason(order.note)}`
  return down === undefined
    ? `${verb}.`
    : `${verb}. It was down for ${words(down.downFor)}, and ${refusals(heard, down)} meanwhile.`
}

const throttled = ({ cause, pause }: Extract<Told, { readonly _tag: "Throttled" }>): string => {
  const kind = short(cause.failure?.kind)
  return `is throttled for ${words(Duration.toMillis(pause))}: the provider asked for a pause${
    kind === undefined ? "" : ` (${kind})`
  }.`
}

const order = ({ by, command, mode, note }: Commanded): string =>
  `${mode === undefined ? `got the order ${command}` : `was set to mode ${mode}`} by ${short(by) ?? "hand"}${
    reason(note)
  }.`

const whoOf = ({ event, order }: Heard): string | undefined =>
  short(order?.by ?? (event._tag === "Transitioned" ? event.cause?.by : undefined))

const reason = (text: string | undefined): string => text ? `: ${short(text)!.replace(/\.$/, "")}` : ""

const refusals = ({ mode }: Heard, { refused, wouldReject }: Down): string =>
  mode === "observe"
    ? `${count(wouldReject, "call")} would have been refused`
    : `${count(refused, "call")} ${refused > 1 ? "were" : "was"} refused`

const percent = (share: number): string => `${+(share * 100).toFixed(1)} %`

const fields = (heard: Heard, errors: boolean): Line["fields"] => {
  const { down, event, isolatedFor, mode } = heard
  const order = event._tag === "Commanded" ? event : heard.order
  const cause = "cause" in event ? event.cause : undefined
  const { from, generation, openFor, share, to } = event._tag === "Transitioned" ? event : {} as Partial<Transitioned>
  const pause = event._tag === "Throttled" ? Duration.toMillis(event.pause) : undefined
  const all: Record<string, unknown> = {
    circuit: event.circuit,
    from,
    to,
    share,
    generation,
    rule: cause?.rule,
    value: cause?.value,
    limit: cause?.limit,
    calls: cause?.calls,
    kind: short(cause?.failure?.kind),
    error: errors ? short(cause?.failure?.message) : undefined,
    openFor: openFor === undefined ? isolatedFor : Duration.toMillis(openFor),
    pause,
    ...down,
    wouldReject: mode === "observe" ? down?.wouldReject : undefined,
    mode: order?.mode ?? (mode === "enforce" ? undefined : mode),
    order: order?.command,
    by: short(order?.by ?? cause?.by),
    note: short(order?.note ?? cause?.note)
  }
  // What is not known, and what JSON has no word for, is left out.
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== Infinity))
}
