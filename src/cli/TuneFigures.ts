/**
 * What there is to say about a search, in tables and as JSON: for the terminal and for the page alike.
 *
 * @since 0.1.0
 */
import * as Policy from "../replay/Policy.ts"
import type * as Report from "../replay/Report.ts"
import type * as Tune from "../replay/Tune.ts"
import { percent, span, whole } from "../replay/Words.ts"

/** The frontier, from what loses the fewest calls on, with no breaker and the policy in use above it. */
export const frontier = (result: Tune.Result): Report.Table => {
  const { frontier, inUse, recommended, without } = result
  const isProven = without.heldOut !== undefined
  const head = ["", "wasted", "waited in vain", "lost", "harm left: search", ...(isProven ? ["held out"] : [])]
  const row = (name: string, { left, lost, waited, wasted }: Tune.Figures, heldOut: Tune.Figures | undefined) => [
    name,
    whole(wasted),
    span(waited),
    whole(lost),
    percent(left),
    ...(isProven ? [heldOut === undefined ? "–" : percent(heldOut.left)] : [])
  ]
  const mark = (point: Tune.Point) => point === recommended ? `→ ${point.policy.name}` : `  ${point.policy.name}`
  return {
    title: "The frontier: calls wasted (let go in vain) and calls lost (refused though they would have gone well)",
    head,
    rows: [
      row("  no breaker", without.search, without.heldOut),
      ...[inUse, ...frontier].filter((point, i, all) => all.indexOf(point) === i).map((point) =>
        row(mark(point), point.search, point.heldOut)
      )
    ]
  }
}

/** What each policy of the frontier is. */
export const policies = ({ frontier, inUse }: Tune.Result): ReadonlyArray<readonly [name: string, says: string]> =>
  [inUse, ...frontier].filter((point, i, all) => all.indexOf(point) === i).map(({ policy, says }) => [
    policy.name,
    says
  ])

/** The policy as it is written to a file. */
export const written = (policy: Policy.Policy): unknown => JSON.parse(Policy.toJson(policy))

/** The result as one object: policies as they are written, and the recommended one first. */
export const json = (
  result: Tune.LogResult | Tune.ScenarioResult,
  timelines: boolean
): Readonly<Record<string, unknown>> => {
  const { frontier, inUse, recommended, ...rest } = result
  const point = ({ policy, ...figures }: Tune.Point) => ({ policy: written(policy), ...figures })
  const bare = <A extends { readonly timeline: unknown }>(runs: ReadonlyArray<A>) =>
    timelines ? runs : runs.map(({ timeline: _, ...run }) => run)
  return {
    policy: written(recommended.policy),
    ...rest,
    inUse: point(inUse),
    recommended: point(recommended),
    frontier: frontier.map(point),
    ...(result.source === "log"
      ? { replay: { ...result.replay, policies: bare(result.replay.policies) } }
      : { simulations: bare(result.simulations) })
  }
}
