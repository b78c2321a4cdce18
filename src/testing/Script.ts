/**
 * Scripts of a fake provider that live outside a program: read from JSON, or ready-made.
 *
 * @since 0.1.0
 */
import * as Fault from "./Fault.ts"
import * as Limit from "./Limit.ts"
import * as Require from "./Require.ts"
import { scripts } from "./ScriptTable.ts"
import * as Timeline from "./Timeline.ts"

/**
 * Reads a script from plain data, such as parsed JSON: a list of phases, by the rules of `FakeProvider`.
 *
 * **Details**
 *
 * It is written as in a program, with durations as numbers of milliseconds or texts such as `"30 seconds"`, and faults as
 * objects or by name: what `Fault.fromName` knows. `where` is how an error calls the script.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` that says where, which rule and which value. A field that no phase has is an error too: it would be
 * a typing mistake that nobody sees.
 *
 * **Example** (Half a minute of overload, from a file)
 *
 * ```ts
 * import { Fault, Script } from "effect-breaker/testing"
 *
 * const [outage] = Script.fromJson(JSON.parse(`[
 *   { "name": "outage", "for": "30 seconds", "faults": [{ "fault": "overloaded", "share": 0.9 }] },
 *   { "name": "recovered", "for": "Infinity" }
 * ]`))
 * console.log(outage?.faults) // => [{ fault: Fault.overloaded, share: 0.9 }]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJson = (data: unknown, where = "Script.fromJson"): ReadonlyArray<Timeline.Phase> => {
  const script = Require.list(where, "a script", data).map((phase, index) =>
    phaseOf(`${where}: script[${index}]`, phase)
  )
  Timeline.checkScript(where, script)
  return script
}

/**
 * The names of the ready-made scripts.
 *
 * @category ready-made
 * @since 0.1.0
 */
export type Name = keyof typeof scripts

/**
 * A ready-made script, and what it is about.
 *
 * @category ready-made
 * @since 0.1.0
 */
export interface ReadyMade {
  readonly about: string
  readonly script: ReadonlyArray<Timeline.Phase>
}

/**
 * Scripts of what happens to providers, each of a few minutes: a calm, the trouble, and what comes after.
 *
 * **Example** (A provider that is overloaded in half a minute)
 *
 * ```ts
 * import { FakeProvider, Script } from "effect-breaker/testing"
 *
 * console.log(Script.readyMade.overload.script.map(({ name }) => name)) // => ["calm", "overload", "recovered"]
 * const provider = FakeProvider.layer({ script: Script.readyMade.overload.script })
 * ```
 *
 * @category ready-made
 * @since 0.1.0
 */
export const readyMade: Readonly<Record<Name, ReadyMade>> = scripts

// ---------------------------------------------------------------------------------------------------------------------

// The shape alone: what values are allowed is told once, by what programs hand them to.
const phaseOf = (place: string, data: unknown): Timeline.Phase => {
  const { faults, limits, ...rest } = fields(place, "a phase", data, phaseFields)
  const { for: lasts, name } = rest
  if (lasts === undefined) throw Require.broken(place, "for", "a duration above zero", lasts)
  if (name !== undefined) Require.text(place, "name", name)
  const lists = {
    ...(faults === undefined ? {} : {
      faults: Require.list(place, "faults", faults).map((one, at) => shareOf(`${place}: faults[${at}]`, one))
    }),
    ...(limits === undefined ? {} : {
      limits: Require.list(place, "limits", limits).map((one, at) =>
        placed(`${place}: limits[${at}]`, () => limitOf(one))
      )
    }),
    ...(rest["answers"] === undefined ? {} : { answers: Require.list(place, "answers", rest["answers"]) })
  }
  return { ...rest, for: lasts as Timeline.Phase["for"], ...lists } as Timeline.Phase
}

const shareOf = (place: string, data: unknown): Timeline.FaultShare => {
  const one = fields(place, "it", data, shareFields)
  return { ...one, fault: placed(place, () => faultOf(one["fault"])) } as Timeline.FaultShare
}

const phaseFields = ["name", "for", "faults", "limits", "latency", "tokens", "tokenEvery", "keepAlive", "answers"]
const shareFields = ["fault", "share", "latency", "keys", "models", "formats"]

const fields = (place: string, what: string, data: unknown, known: ReadonlyArray<string>) => {
  const record = Require.record(place, what, data)
  const unknown = Object.keys(record).find((key) => !known.includes(key))
  if (unknown === undefined) return record
  throw Require.broken(place, "a field", `one of ${known.join(", ")}`, unknown)
}

const faultOf = (fault: unknown): Fault.Fault =>
  typeof fault === "string" ? Fault.fromName(fault) : Fault.fromJson(fault)

const limitOf = (limit: unknown): Limit.Limit => {
  const fault = (limit as { readonly fault?: unknown } | null)?.fault
  return Limit.fromJson(typeof fault === "string" ? { ...(limit as object), fault: Fault.fromName(fault) } : limit)
}

/** Says where in the script something is wrong. */
const placed = <A>(place: string, read: () => A): A => {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`${place}: ${error.message.replace(/^[\w.]+: /, "")}`)
  }
}
