/**
 * The peers that guard promises: cockatiel and opossum, their own code.
 */
import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleWhen, type IBreaker, SamplingBreaker } from "cockatiel"
import type { Circuit, Outcome } from "effect-breaker"
import { Guard } from "effect-breaker/replay"
import Opossum from "opossum"
import type { Contender } from "./contender.ts"

/** What a call rejects with. */
class CallFailed {
  readonly outcome: Outcome.Outcome
  constructor(outcome: Outcome.Outcome) {
    this.outcome = outcome
  }
  get counts(): boolean {
    return this.outcome._tag === "Failure" || this.outcome._tag === "Trip"
  }
}

const counts = (error: unknown): boolean => error instanceof CallFailed && error.counts

/** The library runs the work, or rejects without having run it. */
const asking = (run: (work: () => Promise<void>) => Promise<unknown>): Guard.Later => {
  const later = new Guard.Later()
  let started = false
  const work = () => {
    started = true
    return new Promise<void>((succeed, fail) => {
      later.decide({
        answer: () => {},
        settle: (outcome) => {
          if (outcome._tag === "Success") succeed()
          else fail(new CallFailed(outcome))
        }
      })
    })
  }
  run(work).then(undefined, () => {
    if (!started) later.decide({ retryAfter: 0 })
  })
  return later
}

type State = Circuit.State["_tag"]

/** Tells of the transitions of a breaker that says its state. */
const telling = ({ agenda, notify }: Guard.Host) => {
  let from: State = "Closed"
  return (to: State): void => {
    if (to === from) return
    notify({ from, to, at: agenda.now, generation: 0, cause: undefined, openFor: undefined, share: undefined })
    from = to
  }
}

const cockatiel = (name: string, settings: string, breaker: () => IBreaker, openFor: number): Contender => ({
  name: `cockatiel, ${name}`,
  settings: `${settings}, halfOpenAfter ${openFor} ms, handleWhen: failures and quotas`,
  asynchronous: true,
  guard: (host) => {
    const policy = circuitBreaker(handleWhen(counts), { halfOpenAfter: openFor, breaker: breaker() })
    const tell = telling(host)
    policy.onStateChange((state) => tell(CircuitState[state] as State))
    return { ask: () => asking((work) => policy.execute(work)) }
  }
})

const opossum = (settings: Readonly<Record<string, number>>): Contender => ({
  name: "opossum",
  settings: `${
    Object.entries(settings).map(([name, value]) => `${name} ${value}`).join(", ")
  }, errorFilter: throttles and bad answers are no failures`,
  asynchronous: true,
  guard: (host) => {
    const breaker = new Opossum((work: () => Promise<void>) => work(), {
      ...settings,
      // The clients of the scenario have time limits of their own, the same for all.
      timeout: false,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      errorFilter: (error: unknown) => !counts(error)
    })
    const tell = telling(host)
    breaker.on("open", () => tell("Open"))
    breaker.on("halfOpen", () => tell("HalfOpen"))
    breaker.on("close", () => tell("Closed"))
    return { ask: () => asking((work) => breaker.fire(work)) }
  }
})

export const promises = (openFor: number): ReadonlyArray<Contender> => [
  cockatiel("consecutive", "ConsecutiveBreaker(5)", () => new ConsecutiveBreaker(5), openFor),
  cockatiel(
    "sampling",
    "SamplingBreaker({ threshold: 0.5, duration: 1350, minimumRps: 7 })",
    () => new SamplingBreaker({ threshold: 0.5, duration: 1350, minimumRps: 7 }),
    openFor
  ),
  opossum({
    errorThresholdPercentage: 50,
    volumeThreshold: 10,
    rollingCountTimeout: 1350,
    rollingCountBuckets: 5,
    resetTimeout: openFor
  })
]
