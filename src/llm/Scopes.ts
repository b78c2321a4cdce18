/**
 * Whom a call concerns, which circuits stand for them, and which of those hears an outcome.
 *
 * @since 0.1.0
 */
import * as Setting from "../internal/Setting.ts"
import { isName, Name } from "../Settings.ts"
import type * as LlmOutcome from "./LlmOutcome.ts"

/**
 * Whom a call concerns: the provider, and where they are known the model, the key and the region.
 *
 * **Details**
 *
 * A `region` is a place of the provider that can fail by itself; a model in a region is a model of its own.
 *
 * **Gotchas**
 *
 * `key` is the name of a credential, such as a label or a hash: it is shown in errors, events and snapshots. Never hand
 * over the secret itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scopes {
  readonly provider: string
  readonly model?: string | undefined
  readonly key?: string | undefined
  readonly region?: string | undefined
}

/**
 * What one circuit stands for.
 *
 * **Details**
 *
 * `key`, `model`, `provider` and `region` are what they say. `access` is one key's access to one model: its rate limit
 * there, and whether it may use it at all. `quality` is the same model as `model`, by the answers that arrived but were
 * bad.
 *
 * @category models
 * @since 0.1.0
 */
export type Place = "key" | "access" | "model" | "quality" | "provider" | "region"

/** @internal Throws a `RangeError` for a name that says nothing. */
export const check = (where: string, scopes: Scopes): void => {
  for (const name of names) {
    const given = scopes[name]
    if ((given !== undefined || name === "provider") && !isName(given)) {
      Setting.option<unknown>(where, name, Name, given)
    }
  }
}

const names = ["provider", "model", "key", "region"] as const

/** @internal The circuits that a call asks, by place and name, in the order in which it asks them. */
export const circuitsOf = (scopes: Scopes): ReadonlyArray<readonly [place: Place, name: string]> => {
  const { key, model, region } = scopes
  const provider = part(scopes.provider)
  const host = region === undefined ? provider : `${provider}@${part(region)}`
  const circuits: Array<readonly [Place, string]> = []
  if (key !== undefined) circuits.push(["key", `${provider}#${key}`])
  if (model !== undefined) {
    const name = `${host}/${path(model)}`
    if (key !== undefined) circuits.push(["access", `${name}#${key}`])
    circuits.push(["model", name], ["quality", `${name}?quality`])
  }
  circuits.push(["provider", provider])
  if (region !== undefined) circuits.push(["region", host])
  return circuits
}

/** @internal The place that a model's troubles spread to: its region, or where none is given its provider. */
export const hostOf = (scopes: Scopes): Place => scopes.region === undefined ? "provider" : "region"

/**
 * The one circuit that hears an outcome which does not speak well of all: that of the outcome's scope, or the next wider
 * one where the call did not name it.
 *
 * @internal
 */
export const hearerOf = (outcome: LlmOutcome.LlmOutcome, scopes: Scopes): Place | undefined => {
  const { key, model } = scopes
  switch (outcome.scope) {
    case "request":
      return undefined
    case "key":
      return key === undefined ? hostOf(scopes) : "key"
    case "provider":
      return hostOf(scopes)
    case "model":
      if (model === undefined) return hostOf(scopes)
      // A pause, and a model that is gone, are told to one key: others have limits and rights of their own.
      return key !== undefined && (outcome._tag === "Throttled" || outcome._tag === "Trip") ? "access" : "model"
  }
}

// ---------------------------------------------------------------------------------------------------------------------

// What stands for something in a name is escaped within it: two different scopes never share a circuit.
const part = (text: string): string => /[%@/#?]/.test(text) ? text.replaceAll(/[%@/#?]/g, encode) : text

// Models have slashes and colons of their own.
const path = (text: string): string => /[%#?]/.test(text) ? text.replaceAll(/[%#?]/g, encode) : text

const encode = (mark: string): string => encodeURIComponent(mark)
