/**
 * The words in which the tests of the machine tell a history: `fail(5)`, `later(60_000)`, `succeed()`.
 */
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"

export interface Refused {
  readonly reason: Circuit.Refusal["reason"]
  readonly retryAfter: number
}

export interface MakeOptions {
  readonly mode?: Circuit.Mode
  readonly random?: () => number
  readonly startsAt?: number
}

/** A refusal as plain data. */
export const plain = ({ cause, generation, reason, retryAfter, since }: Circuit.Refusal) => ({
  reason,
  retryAfter,
  since,
  generation,
  cause
})

/** A circuit, a clock that moves by hand, and the words that act on both. */
export const history = (options: Circuit.Options = {}, make: MakeOptions = {}) => {
  const transitions: Array<Circuit.Transition> = []
  const rules = Circuit.rules(options)
  let now = make.startsAt ?? 0
  const circuit = Circuit.make(rules, now, {
    mode: make.mode,
    random: make.random,
    notify: (transition) => transitions.push(transition)
  })

  /** Asks, and must get a permit. */
  const ask = (): Circuit.Permit => {
    const answer = Circuit.admit(circuit, now)
    if (answer instanceof Circuit.Refusal) throw new Error(`refused at ${now}: ${answer.reason}, ${answer.retryAfter}`)
    return answer
  }
  const settle = (permit: Circuit.Permit, outcome: Outcome.Outcome): void =>
    Circuit.settle(circuit, permit, outcome, now)
  const call = (outcome: Outcome.Outcome, took = 0): void => {
    const permit = ask()
    now += took
    settle(permit, outcome)
  }
  const times = (count: number, act: () => void): void => {
    for (let i = 0; i < count; i++) act()
  }

  return {
    circuit,
    transitions,
    now: () => now,
    /** Time passes. A negative one is a clock that steps back. */
    later: (millis: number): void => {
      now += millis
    },
    at: (time: number): void => {
      now = time
    },
    ask,
    /** Asks, and gets nothing where it is refused. */
    askOrNot: (): Circuit.Permit | undefined => {
      const answer = Circuit.admit(circuit, now)
      return answer instanceof Circuit.Refusal ? undefined : answer
    },
    asks: (count: number) => Array.from({ length: count }, ask),
    /** Asks, and tells only what came of it. */
    knock: (): "admitted" | Refused => {
      const answer = Circuit.admit(circuit, now)
      return answer instanceof Circuit.Refusal
        ? { reason: answer.reason, retryAfter: answer.retryAfter }
        : "admitted"
    },
    /** Asks, and must be refused. */
    refused: (): Circuit.Refusal => {
      const answer = Circuit.admit(circuit, now)
      if (answer instanceof Circuit.Refusal) return answer
      throw new Error(`admitted at ${now}`)
    },
    /** A call gives its first sign of life. */
    answer: (permit: Circuit.Permit): void => Circuit.answer(circuit, permit, now),
    settle,
    call,
    succeed: (count = 1, took = 0): void => times(count, () => call(Outcome.success, took)),
    fail: (count = 1, took = 0): void => times(count, () => call(Outcome.failure(), took)),
    ignore: (count = 1, took = 0): void => times(count, () => call(Outcome.ignored, took)),
    command: (order: Circuit.Command): void => Circuit.command(circuit, order, now),
    read: () => Circuit.snapshot(circuit, now),
    state: () => Circuit.snapshot(circuit, now).state,
    /** The steps so far, one line each: `Closed -> Open (consecutive) at 0 for 60000`. */
    steps: (): ReadonlyArray<string> =>
      transitions.map((step) =>
        `${step.from} -> ${step.to}` +
        (step.cause === undefined ? "" : ` (${step.cause.rule})`) +
        (step.share === undefined ? "" : ` share ${step.share}`) +
        ` at ${step.at}` +
        (step.openFor === undefined ? "" : ` for ${step.openFor}`)
      )
  }
}

export type History = ReturnType<typeof history>
