/**
 * What was changed in the settings of a map's circuits, for those that it makes later.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import type { BreakerMapImpl } from "../BreakerMap.ts"
import { type Options, type Settings, settings as checked } from "../Settings.ts"

type Revision = Partial<Options>
type Configure = BreakerMapImpl["configure"]
type Configured = ReturnType<Configure>

interface Revised {
  readonly configure: Configure
  readonly named: Map<string, Revision>
  all: Revision
  /** Circuits under the same settings go on sharing them. */
  shared: WeakMap<Settings, Configured>
}

const revised = new WeakMap<BreakerMapImpl, Revised>()

/** Changes the settings of the circuits that a map will make: of some names, or of all. */
export const revise = (
  map: BreakerMapImpl,
  names: ReadonlyArray<string> | undefined,
  revision: Revision,
  context: Context.Context<never>
): void => {
  let of = revised.get(map)
  if (of === undefined) {
    revised.set(map, of = { configure: map.configure, named: new Map(), all: {}, shared: new WeakMap() })
  }
  const { named } = of
  if (names === undefined) {
    of.all = { ...of.all, ...revision }
    for (const [name, before] of named) named.set(name, { ...before, ...revision })
  } else {
    const own = new Set([...map.circuits()].map(({ name }) => name))
    for (const name of names) if (own.has(name)) named.set(name, { ...named.get(name), ...revision })
  }
  of.shared = new WeakMap()
  map.configure = configured(of, context)
}

const configured =
  ({ all, configure, named, shared }: Revised, context: Context.Context<never>): Configure => (key) => {
    const before = configure(key)
    const apply = (revision: Revision): Configured => {
      const settings = checked({ ...before.settings.options, ...revision }, "BreakerMap.make")
      return { settings, rules: settings.rules(context) }
    }
    const own = named.get(key)
    if (own !== undefined) return apply({ ...all, ...own })
    let same = shared.get(before.settings)
    if (same === undefined) shared.set(before.settings, same = apply(all))
    return same
  }
