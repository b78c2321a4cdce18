/**
 * A search among policies: first all over the space, then around the frontier. It gives out policies to try and learns what came
 * of them, and knows nothing of logs and simulations.
 *
 * A third of the budget goes to a design in which each value of each setting is as frequent as any other. The rest goes, in
 * rounds, to neighbours of the frontier: two of three to those of the best point, the others to those of the rest. A neighbour
 * has one setting moved by a step, or put back as it was in the policy that there is. A sixth of the budget is kept for
 * putting back, one by one and together: what makes no difference should look as it did before. What is left of that goes to rounds
 * again.
 *
 * @since 0.1.0
 */
import * as Frontier from "./Frontier.ts"
import type * as Policy from "./Policy.ts"
import * as PolicyText from "./PolicyText.ts"
import type { Random } from "./Random.ts"
import { type Candidate, shuffled, type Space } from "./TuneSpace.ts"

/** A policy that was tried, and what came of it in each stretch of the data. */
export interface Tried {
  readonly candidate: Candidate
  readonly policy: Policy.Policy
  readonly distance: number
  readonly harms: ReadonlyArray<Frontier.Harm>
  readonly harm: Frontier.Harm
}

/** What is to be tried next. */
export interface Proposal {
  readonly candidate: Candidate
  readonly policy: Policy.Policy
}

/** A search. */
export class Search {
  readonly tried: Array<Tried> = []
  private readonly space: Space
  private readonly budget: number
  private readonly random: Random
  private readonly measure: Frontier.Measure
  private readonly seen = new Set<string>()
  private readonly start: Policy.Policy
  private readonly keys = new Map<string, string>()
  private stage: "design" | "rounds" | "put back one" | "put back all" | "last rounds" | "done" = "design"
  private round = 0
  private proposed = 0
  /** What settings are put back of. */
  private found: Tried | undefined

  constructor(space: Space, budget: number, random: Random, measure: Frontier.Measure) {
    this.space = space
    this.budget = budget
    this.random = random
    this.measure = measure
    this.start = space.policy(space.start, "start")
  }

  get frontier(): ReadonlyArray<Tried> {
    return Frontier.of(this.tried, this.measure)
  }

  /** What to try next; nothing when the search is over. */
  next(): ReadonlyArray<Proposal> {
    while (this.stage !== "done") {
      const batch = this.batch()
      if (batch.length > 0) return batch
    }
    return []
  }

  /** What came of it, in the same order. */
  learn(batch: ReadonlyArray<Proposal>, harms: ReadonlyArray<ReadonlyArray<Frontier.Harm>>): void {
    batch.forEach(({ candidate, policy }, i) =>
      this.tried.push({
        candidate,
        policy,
        distance: PolicyText.distance(this.start, policy),
        harms: harms[i]!,
        harm: Frontier.sum(harms[i]!)
      })
    )
  }

  private batch(): ReadonlyArray<Proposal> {
    const { budget, proposed, random, space } = this
    switch (this.stage) {
      case "design": {
        this.stage = "rounds"
        const size = Math.max(1, Math.floor(budget / 3))
        // Some of them are the same policy, where one setting makes another idle.
        return this.taken([space.start, ...space.design(2 * size, random.fork("design"))], size)
      }
      case "rounds":
        return this.goRound(budget - Math.floor(budget / 6) - proposed, "put back one")
      case "put back one":
        this.stage = "put back all"
        this.found = this.best
        return this.taken(space.neighbours(this.found.candidate).back, Math.ceil((budget - proposed) / 2))
      case "put back all":
        this.stage = "last rounds"
        return this.taken(this.putBackTogether(), budget - proposed)
      case "last rounds":
        return this.goRound(budget - proposed, "done")
      case "done":
        return []
    }
  }

  private goRound(left: number, next: "put back one" | "done"): ReadonlyArray<Proposal> {
    const size = Math.min(left, Math.max(FEWEST_IN_A_ROUND, Math.ceil(this.budget / ROUNDS)))
    const batch = this.taken(this.around(this.random.fork("round").fork(this.round++)), size)
    if (batch.length === 0) this.stage = next
    return batch
  }

  private get best(): Tried {
    return Frontier.best(this.frontier, this.measure)!
  }

  /** Neighbours of the frontier, the most promising first. */
  private around(random: Random): ReadonlyArray<Candidate> {
    const { best, frontier, space } = this
    const around = space.neighbours(best.candidate)
    const near = [...shuffled(around.back, random.fork("back")), ...shuffled(around.steps, random.fork("steps"))]
    const others = shuffled(
      frontier.filter((point) => point !== best).flatMap(({ candidate }) => space.neighbours(candidate).steps),
      random.fork("others")
    )
    const mixed: Array<Candidate> = []
    while (near.length + others.length > 0) mixed.push(...near.splice(0, 2), ...others.splice(0, 1))
    return mixed
  }

  /** The settings that can be put back one by one without harm, put back one after the other. */
  private putBackTogether(): ReadonlyArray<Candidate> {
    const { found, measure, space: { start } } = this
    const { candidate, harm } = found!
    const most = Frontier.harmBy(harm, measure)
    const places = candidate.flatMap((at, i) => {
      if (at === start[i]) return []
      const key = this.keyOf(candidate.map((at, j) => j === i ? start[i]! : at))
      const tried = this.tried.find((one) => keyOf(one.policy) === key)
      return tried !== undefined && Frontier.harmBy(tried.harm, measure) <= most ? [i] : []
    })
    return places.map((_, last) => candidate.map((at, i) => places.slice(0, last + 1).includes(i) ? start[i]! : at))
  }

  private taken(candidates: ReadonlyArray<Candidate>, most: number): ReadonlyArray<Proposal> {
    const batch: Array<Proposal> = []
    for (const candidate of candidates) {
      if (batch.length >= most) break
      const key = this.keyOf(candidate)
      if (this.seen.has(key)) continue
      this.seen.add(key)
      this.proposed++
      batch.push({ candidate, policy: this.space.policy(candidate, `${this.proposed}`) })
    }
    return batch
  }

  private keyOf(candidate: Candidate): string {
    const places = candidate.join()
    const known = this.keys.get(places)
    if (known !== undefined) return known
    const key = keyOf(this.space.policy(candidate, "key"))
    this.keys.set(places, key)
    return key
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const ROUNDS = 15
/** A pass over a log costs as much for one policy as for a few. */
const FEWEST_IN_A_ROUND = 8

const keyOf = ({ options }: Policy.Policy): string => JSON.stringify(options)
