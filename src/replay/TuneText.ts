/**
 * Why a policy is recommended, and how sure that is: in sentences.
 *
 * @since 0.1.0
 */
import type * as Frontier from "./Frontier.ts"
import type { Figures, Point, Result } from "./TuneResult.ts"
import { percent, span, whole } from "./Words.ts"

type Told = Omit<Result, "reasons" | "doubts" | "limits">

/** Why this one: what it costs, what is worse on either side, and what it is compared with. */
export const reasons = (result: Told): ReadonlyArray<string> => {
  const { frontier, inUse, measure, recommended, tried, without } = result
  const { search } = recommended
  const place = frontier.indexOf(recommended)
  const [fewerLost, fewerWasted] = [frontier[place - 1], frontier[place + 1]]
  const isInUse = recommended.changes.length === 0
  const stray = without.search.harm - without.search.avoidable
  return [
    `Of ${whole(tried)} policies tried it does the least harm: ${harmInWords(search, measure)}.`,
    ...(stray < 0.5
      ? [`Without a breaker it is ${amount(without.search.harm)}: ${percent(search.left)} of it is left.`]
      : [
        `${
          amount(stray)
        } of these failed while nothing was wrong, by chance, and no breaker can spare that. Without them it is ` +
        `${amount(search.avoidable)} of ${amount(without.search.avoidable)} without a breaker: ${
          percent(search.left)
        } is left.`
      ]),
    fewerLost === undefined
      ? "None of the others loses fewer calls."
      : `On the one side (${nameOf(fewerLost)}) ${exchange(fewerLost, recommended, "lost", measure)}.`,
    fewerWasted === undefined
      ? "None of the others wastes less."
      : `On the other side (${nameOf(fewerWasted)}) ${exchange(fewerWasted, recommended, "wasted", measure)}.`,
    isInUse
      ? `It is ${inUse.policy.name} as it is: no change that was tried makes it better.`
      : `${inUse.policy.name} leaves ${percent(inUse.search.left)}: ${
        times(inUse.search.avoidable, search.avoidable)
      }. Different: ${
        recommended.changes.map(({ option }) => option).join(", ")
      }. What made no difference was left as it was.`,
    ...(search.harm >= without.search.harm
      ? [
        "No policy that was tried is better than no breaker at all. With a lower weight of lost calls (a good fallback) one may be."
      ]
      : [])
  ]
}

/** How sure that is. */
export const doubts = (result: Told): ReadonlyArray<string> => {
  const { heldOut, inUse, recommended, stretches } = result
  const [here, there] = [recommended.search, recommended.heldOut]
  const isInUse = recommended.changes.length === 0
  const few = stretches.search + stretches.heldOut
  return [
    heldOut,
    ...(there === undefined ? ["So how it would do on what it was not chosen by, nobody can say from this log."] : [
      `It leaves ${percent(here.left)} of the harm where it was searched, and ${
        percent(there.left)
      } on what was held out${
        there.left > 1.5 * here.left + 0.01 ? ": the search fits its own data better than what it has not seen" : ""
      }.`,
      ...(isInUse || inUse.heldOut === undefined ? [] : [
        there.harm < inUse.heldOut.harm
          ? `On what was held out it is better than ${inUse.policy.name} too, which leaves ${
            percent(inUse.heldOut.left)
          } there.`
          : `On what was held out it is NO better than ${inUse.policy.name}, which leaves ${
            percent(inUse.heldOut.left)
          } there. Keep what you have until there is more data.`
      ])
    ]),
    ...(isInUse ? [] : [comparison(result)]),
    ...(result.source === "log" && few < 10
      ? [
        `The data has ${whole(few)} ${few === 1 ? "trouble" : "troubles"}${
          few === 1 ? ": one is an anecdote" : ", which is few"
        }. The next may be of another kind.`
      ]
      : [])
  ]
}

// ---------------------------------------------------------------------------------------------------------------------

const amount = (value: number): string => value < 10 && value % 1 !== 0 ? value.toFixed(1) : whole(value)

const harmInWords = ({ harm, lost, waited, wasted }: Figures, measure: Frontier.Measure): string => {
  const weighed = measure.weight === 1 ? "" : ` (each as bad as ${measure.weight} wasted)`
  const vain = measure.by === "calls"
    ? `${amount(wasted)} calls wasted`
    : `${span(waited)} waited in vain, as much as ${amount(waited / measure.wait)} failed calls take`
  return `${vain} and ${amount(lost)} lost${weighed}, ${amount(harm)} in all`
}

const nameOf = ({ policy }: Point): string => policy.name

const exchange = (
  { search: there }: Point,
  { search: here }: Point,
  gain: "lost" | "wasted",
  { by }: Frontier.Measure
): string => {
  const lost = `${amount(Math.abs(there.lost - here.lost))} ${gain === "lost" ? "fewer" : "more"} are lost`
  const wasted = by === "calls"
    ? `${amount(Math.abs(there.wasted - here.wasted))} ${gain === "lost" ? "more" : "fewer"} are wasted`
    : `${span(Math.abs(there.waited - here.waited))} ${gain === "lost" ? "more" : "less"} is waited in vain`
  return gain === "lost" ? `${lost}, and ${wasted}` : `${wasted}, and ${lost}`
}

const times = (one: number, other: number): string => {
  if (other === 0) return one === 0 ? "as much" : "this one none"
  return one === other ? "as much" : `${(one / other).toFixed(one / other < 1.1 ? 2 : 1)} times as much`
}

const comparison = ({ better, inUse, source, stretches }: Told): string => {
  const [one, many] = source === "log" ? ["Trouble by trouble", "troubles"] : ["Run by run", "runs"]
  const part = (of: "search" | "heldOut") => `${whole(better[of])} of ${whole(stretches[of])}`
  return `${one} it is better than ${inUse.policy.name} in ${part("search")} ${many} of the search${
    stretches.heldOut === 0 ? "" : ` and in ${part("heldOut")} of those held out`
  }.`
}
