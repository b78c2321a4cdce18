/**
 * Whom a fault or a limit is meant for.
 *
 * @since 0.1.0
 */
import * as Require from "./Require.ts"
import type * as WireFormat from "./WireFormat.ts"

/**
 * Which requests are meant: those with one of these keys, for one of these models, in one of these formats.
 *
 * **Details**
 *
 * What is left out does not matter. A request without a key or a model matches no list of keys or models.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly keys?: ReadonlyArray<string> | undefined
  readonly models?: ReadonlyArray<string> | undefined
  readonly formats?: ReadonlyArray<WireFormat.Name> | undefined
}

/** What a request shows of itself. */
export interface Asked {
  readonly key: string | undefined
  readonly model: string | undefined
  readonly format: WireFormat.Name
}

/** Whether a request is meant. */
export const includes = ({ formats, keys, models }: Target, asked: Asked): boolean =>
  lists(keys, asked.key) && lists(models, asked.model) && lists(formats, asked.format)

/** Checks a target, leaving out what is not given. Throws a `RangeError`. */
export const check = (where: string, place: string, { formats, keys, models }: Target): Target => ({
  ...(keys === undefined ? {} : { keys: Require.texts(where, `${place}keys`, keys) }),
  ...(models === undefined ? {} : { models: Require.texts(where, `${place}models`, models) }),
  ...(formats === undefined ? {} : {
    formats: Require.texts(where, `${place}formats`, formats).map((format) =>
      Require.oneOf(where, `${place}formats`, format, names)
    )
  })
})

/** One request of every kind that a list of targets tells apart. */
export const kinds = (targets: ReadonlyArray<Target>): ReadonlyArray<Asked> => {
  const keys = [undefined, ...new Set(targets.flatMap(({ keys }) => keys ?? []))]
  const models = [undefined, ...new Set(targets.flatMap(({ models }) => models ?? []))]
  return keys.flatMap((key) => models.flatMap((model) => names.map((format) => ({ key, model, format }))))
}

const names: ReadonlyArray<WireFormat.Name> = ["chat", "responses", "messages", "models"]

const lists = <A>(list: ReadonlyArray<A> | undefined, value: A | undefined): boolean =>
  list === undefined || (value !== undefined && list.includes(value))
