/**
 * What holds for every history of asks, settles, waits and commands, whatever the settings.
 *
 * `FC_SEED` replays a seed that a failure printed; `FC_RUNS` sets how many histories each law is tried on.
 */
// The assertions are in the properties.
/* oxlint-disable vitest/expect-expect */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import * as CallWindow from "../src/CallWindow.ts"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import {
  anyOrder,
  anyOutcome,
  anyPolicy,
  anySettings,
  anyShare,
  anySteps,
  anyWindow,
  millis,
  ofMode,
  room,
  type Settings,
  type Step
} from "./anyHistory.ts"

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31))
// `npm run laws` runs more.
const runs = Number(process.env.FC_RUNS ?? 500)
console.info(`Circuit.laws: FC_SEED=${seed} FC_RUNS=${runs}`)

const always = <Ts extends [unknown, ...Array<unknown>]>(property: fc.IPropertyWithHooks<Ts>, part = 4): void =>
  fc.assert(property, { seed, numRuns: Math.ceil(runs / part) })

/** As `assert.deepStrictEqual`, which is slow where it finds nothing. */
const same = (actual: unknown, expected: unknown): void => {
  if (!isDeepStrictEqual(actual, expected)) assert.deepStrictEqual(actual, expected)
}

// ---------------------------------------------------------------------------------------------------------------------
// Playing a history
// ---------------------------------------------------------------------------------------------------------------------

interface Asked {
  readonly at: number
  readonly answer: Circuit.Permit | Circuit.Refusal
  settled: boolean
}

interface Moment {
  readonly step: Step
  readonly now: number
  readonly before: Circuit.Snapshot
  readonly after: Circuit.Snapshot
  readonly asked: Asked | undefined
  /** The ask that was settled, the first time. */
  readonly settled: Asked | undefined
  readonly transitions: ReadonlyArray<Circuit.Transition>
}

interface PlayOptions {
  readonly mode?: Circuit.Mode
  /** The time that the machine is told, in place of the true one. */
  readonly told?: (circuit: Circuit.Circuit, step: Step, now: number) => number
  readonly onMoment?: (moment: Moment, circuit: Circuit.Circuit) => void
  readonly reads?: boolean
}

const nothing = (): void => undefined

const play = (settings: Circuit.Options, steps: ReadonlyArray<Step>, options: PlayOptions = {}) => {
  const { onMoment = nothing, reads = true, told = (_circuit, _step, now) => now } = options
  const transitions: Array<Circuit.Transition> = []
  const asks: Array<Asked> = []
  const answers: Array<string> = []
  let drawn = 0
  let now = 100_000
  const circuit = Circuit.make(Circuit.rules(settings), now, {
    mode: options.mode,
    random: () => drawn++ * 0.37 % 1,
    notify: (transition) => transitions.push(transition)
  })
  const read = () => Circuit.snapshot(circuit, now)
  const blank = read()
  for (const step of steps) {
    if (step.do === "Edge") now += Math.max(Math.min(read().retryAfter, 1e6) + step.offset, 0)
    if (step.do === "Wait") now += step.millis
    if (step.do === "Back") now -= step.millis
    const seen = transitions.length
    const before = reads ? read() : blank
    let asked: Asked | undefined = undefined
    let settled: Asked | undefined = undefined
    switch (step.do) {
      case "Ask": {
        const answer = Circuit.admit(circuit, told(circuit, step, now))
        asked = { at: now, answer, settled: false }
        asks.push(asked)
        answers.push(
          answer instanceof Circuit.Refusal ? `${answer.reason} ${answer.retryAfter} ${answer.since}` : "admitted"
        )
        break
      }
      case "Settle": {
        const one = asks.at(-1 - step.back)
        if (one === undefined || one.answer instanceof Circuit.Refusal) break
        Circuit.settle(circuit, one.answer, step.outcome, told(circuit, step, now))
        if (!one.settled) settled = one
        one.settled = true
        break
      }
      case "Command":
        Circuit.command(circuit, step.order, now)
        break
      case "Wait":
      case "Edge":
      case "Back":
        break
    }
    const after = reads ? read() : blank
    onMoment({ step, now, before, after, asked, settled, transitions: transitions.slice(seen) }, circuit)
  }
  return { circuit, transitions, asks, answers, read, now: () => now }
}

const isPermit = (asked: Asked | undefined): asked is Asked & { readonly answer: Circuit.Permit } =>
  asked?.answer instanceof Circuit.Permit

const refusalOf = (asked: Asked | undefined): Circuit.Refusal | undefined =>
  asked?.answer instanceof Circuit.Refusal ? asked.answer : undefined

type Check = (moment: Moment, circuit: Circuit.Circuit) => void

interface Law {
  readonly name: string
  readonly begin: (settings: Settings) => Check
  broken: unknown
}

const laws: Array<Law> = []

const anyHistory = fc.tuple(anySettings, anySteps({ back: true, modes: true }))

const holds = (law: Law, [settings, steps]: readonly [Settings, ReadonlyArray<Step>]): void => {
  play(settings, steps, { onMoment: law.begin(settings) })
}

/** Plays the same random histories to every law at once. */
const campaign = (): void => {
  for (const [settings, steps] of fc.sample(anyHistory, { seed, numRuns: runs })) {
    const checks = laws.filter((law) => law.broken === undefined).map((law) => ({ law, check: law.begin(settings) }))
    play(settings, steps, {
      onMoment: (moment, circuit) => {
        for (const { check, law } of checks) {
          if (law.broken !== undefined) continue
          try {
            check(moment, circuit)
          } catch (error) {
            law.broken = error
          }
        }
      }
    })
  }
}

/** A law with a memory for each history. Where the campaign broke it, it is tried alone, for the shortest history. */
const eachHistory = (name: string, begin: Law["begin"]): void => {
  const law: Law = { name, begin, broken: undefined }
  laws.push(law)
  it(name, () => {
    if (law.broken === undefined) return
    fc.assert(fc.property(anyHistory, (history) => holds(law, history)), { seed, numRuns: 10 * runs })
    throw law.broken
  })
}

/** The same without one. */
const eachMoment = (
  name: string,
  check: (moment: Moment, settings: Settings, circuit: Circuit.Circuit) => void
): void => eachHistory(name, (settings) => (moment, circuit) => check(moment, settings, circuit))

// ---------------------------------------------------------------------------------------------------------------------
// The laws
// ---------------------------------------------------------------------------------------------------------------------

describe("Circuit laws", () => {
  beforeAll(campaign, 600_000)

  eachMoment(
    "a permit of an earlier generation changes nothing but the calls in flight (rule 5)",
    ({ after, before, settled, step, transitions }) => {
      if (step.do !== "Settle" || !isPermit(settled) || settled.answer.generation === before.generation) return

      same({ ...after, inFlight: 0 }, { ...before, inFlight: 0 })
      assert.isAtMost(after.inFlight, before.inFlight)
      same(transitions, [])
    }
  )

  eachMoment("settling twice does nothing (rule 4)", ({ after, before, settled, step, transitions }) => {
    if (step.do !== "Settle" || settled !== undefined) return

    same(after, before)
    same(transitions, [])
  })

  const afterIsolation = ["Isolated -> Closed", "Isolated -> Open", "Isolated -> HalfOpen"]
  const byAsk = [
    ...afterIsolation,
    "Open -> HalfOpen",
    "Closed -> Open",
    "HalfOpen -> Open",
    "HalfOpen -> HalfOpen",
    "HalfOpen -> Closed"
  ]
  const bySettle = ["Closed -> Open", "HalfOpen -> Open", "HalfOpen -> HalfOpen", "HalfOpen -> Closed"]
  const byOrder: Record<Circuit.Command["_tag"], ReadonlyArray<string>> = {
    Isolate: ["Closed -> Isolated", "Open -> Isolated", "HalfOpen -> Isolated"],
    Release: ["Isolated -> Closed"],
    Reset: ["Closed -> Closed", "Open -> Closed", "HalfOpen -> Closed", "Isolated -> Closed"],
    Trip: ["Closed -> Open", "Open -> Open", "HalfOpen -> Open"],
    SetMode: [],
    Pass: ["Open -> HalfOpen", "HalfOpen -> HalfOpen", "HalfOpen -> Closed"]
  }
  eachMoment(
    "only the drawn edges ever occur (rule 2, rule 22, rule 25, rule 26, rule 27)",
    ({ after, before, now, step, transitions }) => {
      const drawn = step.do === "Ask" ?
        byAsk
        : step.do === "Settle"
        ? bySettle
        : step.do === "Command"
        ? [...afterIsolation, ...byOrder[step.order._tag]]
        : []
      let { generation, state } = before
      for (const { at, from, generation: next, openFor, share, to } of transitions) {
        assert.include(drawn, `${from} -> ${to}`)
        assert.strictEqual(from, state)
        assert.strictEqual(at, now)
        assert.strictEqual(openFor !== undefined, to === "Open")
        if (next === generation) same([from, to, share !== undefined], ["HalfOpen", "HalfOpen", true])
        else assert.strictEqual(next, generation + 1)
        state = to
        generation = next
      }

      same([after.state, after.generation], [state, generation])
    }
  )

  eachHistory("nothing is admitted before the end of an opening, and something is at it (rule 3, rule 22)", () => {
    let until = Number.NEGATIVE_INFINITY
    return ({ asked, before, now, transitions }) => {
      if (asked !== undefined && before.mode === "enforce" && before.state === "Open") {
        const refusal = refusalOf(asked)
        if (now < until) {
          assert.strictEqual(refusal?.reason, "Open")
          assert.isAtLeast(refusal?.retryAfter ?? 0, until - now)
        } else if (refusal !== undefined) {
          assert.strictEqual(refusal.reason, "Throttled")
        }
      }
      // An opening that was interrupted keeps its end.
      for (const { at, from, openFor } of transitions) {
        if (openFor !== undefined && from !== "Isolated") until = at + openFor
      }
    }
  })

  eachHistory(
    "nothing is admitted before the end of a throttle, and at it the gate is open (rule 3, rule 11)",
    (settings) => {
      let gate = Number.NEGATIVE_INFINITY
      return ({ after, asked, before, now, step }) => {
        const isolated = before.state === "Isolated" && after.state === "Isolated"
        if (asked !== undefined && before.mode !== "off" && !isolated) {
          if (now < gate && before.mode === "enforce") assert.instanceOf(asked.answer, Circuit.Refusal)
          if (now >= gate) assert.notStrictEqual(refusalOf(asked)?.reason, "Throttled")
          // Once a call was let through, it is over, even for a clock that steps back.
          const passed = isPermit(asked) && asked.answer.generation === after.generation
          if (passed && now >= gate) gate = Number.NEGATIVE_INFINITY
        }
        if (step.do === "Command" && step.order._tag === "Reset") gate = Number.NEGATIVE_INFINITY
        if (step.do !== "Settle" || step.outcome._tag !== "Throttled" || after.throttled === before.throttled) return
        const pause = step.outcome.retryAfter === undefined
          ? Number(settings.throttleDuration)
          : Schema.encodeSync(Schema.DurationFromMillis)(step.outcome.retryAfter)
        gate = Math.max(now >= gate ? Number.NEGATIVE_INFINITY : gate, now + pause)
      }
    }
  )

  eachHistory(
    "nothing is admitted while isolated, and what was interrupted goes on at the end (rule 5, rule 27)",
    () => {
      let end = Number.POSITIVE_INFINITY
      let interrupted = "Closed"
      return ({ after, asked, before, now, step, transitions }) => {
        if (asked !== undefined && before.state === "Isolated" && before.mode !== "off") {
          const refusal = refusalOf(asked)
          if (now >= end) assert.strictEqual(transitions[0]?.to, interrupted)
          else if (before.mode === "enforce") {
            assert.strictEqual(refusal?.reason, "Isolated")
            assert.isAtLeast(refusal?.retryAfter ?? 0, end - now)
          }
          if (now < end) same(transitions, [])
        }
        if (step.do !== "Command" || step.order._tag !== "Isolate") return
        // An isolation that is over has ended for this order too.
        const from = before.state === "Isolated" && now >= end ? interrupted : before.state
        if (from !== "Isolated") interrupted = from
        if (after.state === "Isolated") end = now + (step.order.for ?? Number.POSITIVE_INFINITY)
      }
    }
  )

  eachHistory(
    "never more probes run than may, and a free place is given (rule 10, rule 23, rule 24)",
    ({ halfOpen: { concurrency, lease } }) => {
      let probes: Array<Asked> = []
      let steppedBack = false
      return ({ after, asked, before, now, settled, step }, { rules }) => {
        steppedBack ||= step.do === "Back"
        probes = probes.filter((probe) => probe !== settled)
        if (asked === undefined && before.generation !== after.generation) probes = []
        if (asked === undefined || before.mode === "off") return
        const refusal = refusalOf(asked)
        const found = before.stage === "Probing" && before.generation === after.generation
        if (found && refusal?.reason !== "Isolated") {
          probes = probes.filter(({ at }) => now - at < lease && now - at <= rules.plan.slowAfter)
        }
        if (before.generation !== after.generation) probes = []
        if (after.stage !== "Probing") return
        const given = isPermit(asked) && asked.answer.generation === after.generation
        // A late probe that the clock takes back into its lease holds its place until it is late again.
        if (refusal?.reason === "HalfOpen" && !steppedBack) assert.strictEqual(probes.length, concurrency)
        if (given) probes.push(asked)

        assert.isAtMost(probes.length, concurrency)
      }
    }
  )

  eachMoment(
    "an ignored call leaves every count as it was, and is no longer in flight (rule 10)",
    ({ after, before, settled, step, transitions }) => {
      if (step.do !== "Settle" || step.outcome._tag !== "Ignored" || !isPermit(settled)) return
      const counted = after.ignored - before.ignored

      same(
        { ...after, window: before.window, ignored: 0, inFlight: 0 },
        { ...before, ignored: 0, inFlight: 0 }
      )
      assert.isAtMost(counted, 1)
      if (counted === 1) assert.strictEqual(after.inFlight, before.inFlight - 1)
      same(transitions, [])
    }
  )

  it("an ignored call makes no difference to the calls after it, asked one after the other (rule 10)", () => {
    const calls = fc.array(fc.record({ outcome: anyOutcome, took: fc.nat(50), ignoredBefore: fc.nat(2) }), {
      maxLength: 60,
      size: "max"
    })
    always(fc.property(anySettings, calls, (settings, calls) => {
      const run = (withIgnored: boolean): ReadonlyArray<Circuit.Transition> => {
        const transitions: Array<Circuit.Transition> = []
        const circuit = Circuit.make(Circuit.rules(settings), 0, { notify: (one) => transitions.push(one) })
        let now = 0
        for (const { ignoredBefore, outcome, took } of calls) {
          now += took
          const { retryAfter, state } = Circuit.snapshot(circuit, now)
          const extra = withIgnored && state === "Closed" && retryAfter === 0 ? ignoredBefore : 0
          for (let i = 0; i < extra; i++) {
            const permit = Circuit.admit(circuit, now)
            if (permit instanceof Circuit.Permit) Circuit.settle(circuit, permit, Outcome.ignored, now)
          }
          const permit = Circuit.admit(circuit, now)
          if (permit instanceof Circuit.Permit) Circuit.settle(circuit, permit, outcome, now)
        }
        return transitions
      }

      same(run(true), run(false))
    }))
  })

  it("every state but Isolated can be left towards Closed, if time passes and calls go well (rule 24)", () => {
    always(
      fc.property(anySettings, anySteps({ back: true, modes: true }), fc.boolean(), (settings, steps, comeHome) => {
        const { asks, circuit, now: last } = play(settings, steps)
        let now = last()
        Circuit.command(circuit, ofMode("enforce"), now)
        Circuit.command(circuit, { _tag: "Release" }, now)
        for (const { answer } of asks) {
          if (comeHome && answer instanceof Circuit.Permit) Circuit.settle(circuit, answer, Outcome.success, now)
        }

        let left = 3000
        for (; left > 0 && Circuit.snapshot(circuit, now).state !== "Closed"; left--) {
          now += 10
          const answer = Circuit.admit(circuit, now)
          if (answer instanceof Circuit.Permit) Circuit.settle(circuit, answer, Outcome.success, now)
          else now += Math.min(answer.retryAfter, 1000)
        }

        assert.isAbove(left, 0)
      })
    )
  })

  eachHistory("out of the first k asks of a step, floor(k x share) or one more are admitted (rule 26)", () => {
    let asks = 0
    let admitted = 0
    return ({ after, asked, transitions }) => {
      if (transitions.length > 0) asks = admitted = 0
      if (asked === undefined || after.mode === "off" || after.share === undefined) return
      if (refusalOf(asked)?.reason === "Throttled" || after.retryAfter > 0) return
      asks++
      if (isPermit(asked) && asked.answer.generation === after.generation) admitted++

      assert.include([0, 1], admitted - Math.floor(asks * after.share))
    }
  })

  eachHistory("a step of the ramp lasts as long as it must, and ends when it may (rule 26)", (settings) => {
    let since = 0
    let succeeded = 0
    let step = 0
    const steps = new Map<Circuit.Permit, number>()
    return ({ after, asked, before, now, settled, step: told, transitions }) => {
      if (told.do === "Settle" && told.outcome._tag === "Success" && isPermit(settled) && before.share !== undefined) {
        if (settled.answer.generation === before.generation && steps.get(settled.answer) === step) {
          if (after.successes > before.successes) succeeded++
        }
      }
      if (settings.ramp?.tolerance !== undefined) return
      for (const { from, share, to } of transitions) {
        const climbs = before.share !== undefined && from === "HalfOpen" && told.do !== "Command" && to !== "Open"
        if (climbs) assert.isAtLeast(succeeded, settings.ramp?.minimumCalls ?? 1)
        if (climbs) assert.isAtLeast(now - since, Number(settings.ramp?.every))
        if (share === undefined) continue
        since = now
        succeeded = 0
        step++
      }
      if (isPermit(asked)) steps.set(asked.answer, step)
    }
  })

  it("a tolerant ramp goes back where more failed than it tolerates, and on where not (rule 26)", () => {
    const anyRamp = fc.record({
      shares: fc.constantFrom([0.5], [0.25, 0.5, 0.75], [0.1, 0.2, 0.4, 0.8]),
      every: millis,
      minimumCalls: fc.integer({ min: 1, max: 3 }),
      tolerance: fc.constantFrom(0.05, 0.25, 0.4, 1)
    })
    const anyStep = fc.oneof(
      { weight: 6, arbitrary: fc.constant("Ask" as const) },
      { weight: 4, arbitrary: fc.record({ well: fc.boolean(), back: fc.nat(5) }) },
      { weight: 3, arbitrary: fc.constantFrom(1, 99, 100, 101, 500) }
    )
    always(
      fc.property(anyRamp, fc.array(anyStep, { maxLength: 150, size: "max" }), (ramp, steps) => {
        const circuit = Circuit.make(
          Circuit.rules({ tripPolicy: TripPolicy.never, ramp, halfOpen: { successes: 1 } }),
          0
        )
        Circuit.command(circuit, { _tag: "Trip", openFor: 0 }, 0)
        Circuit.command(circuit, { _tag: "Pass" }, 0)
        const running: Array<Circuit.Permit> = []
        let now = 0
        let turn = { step: 0, since: 0, admitted: 0, succeeded: 0, failed: 0 }
        let asked = 0
        let backs = 0
        let base = 0
        const stepOf = new Map<Circuit.Permit, number>()
        const look = () => {
          const { admitted, failed, since, step, succeeded } = turn
          const calls = Math.max(admitted, ramp.minimumCalls)
          const tooMuch = step > 0 && failed - 1 > (ramp.tolerance + base) * calls
          if (now - since < ramp.every * (tooMuch ? 1 : 1 + Math.min(backs, 4))) return
          if (!tooMuch && succeeded < ramp.minimumCalls) return
          if (step === 0) base = failed / calls
          if (tooMuch) backs++
          // What this step let in beyond its share the next has had already.
          const ahead = Math.max(admitted - asked * ramp.shares[step]!, 0)
          turn = { step: step + (tooMuch ? -1 : 1), since: now, admitted: ahead, succeeded: 0, failed: 0 }
          asked = 0
        }
        for (const step of steps) {
          if (typeof step === "number") now += step
          else if (step === "Ask") {
            look()
            asked++
            const answer = Circuit.admit(circuit, now)
            if (answer instanceof Circuit.Permit) {
              turn.admitted++
              running.push(answer)
              stepOf.set(answer, turn.step)
            }
          } else {
            const [call] = running.splice(-1 - step.back, 1)
            if (call === undefined) continue
            Circuit.settle(circuit, call, step.well ? Outcome.success : Outcome.failure(), now)
            if (!step.well) turn.failed++
            else if (stepOf.get(call) === turn.step) turn.succeeded++
            look()
          }
          if (turn.step === ramp.shares.length) {
            return assert.strictEqual(Circuit.snapshot(circuit, now).state, "Closed")
          }

          assert.strictEqual(Circuit.snapshot(circuit, now).share, ramp.shares[turn.step])
        }
      }),
      1
    )
  })

  eachHistory("the counts add up: every ask is admitted, rejected, or would have been (rule 4, rule 28)", () => {
    let admitted = 0
    let open = 0
    return ({ after, asked, before, settled }) => {
      const refused = after.rejected - before.rejected
      const observed = after.wouldReject - before.wouldReject
      const counted = after.inFlight - before.inFlight
      if (asked !== undefined) {
        same([refused === 1, refused], [refusalOf(asked) !== undefined, refused])
        if (before.mode === "off") same([refused, observed, counted], [0, 0, 0])
        else assert.strictEqual(refused + counted, 1)
        if (before.mode !== "observe") assert.strictEqual(observed, 0)
        if (before.mode !== "enforce") assert.strictEqual(refused, 0)
        if (counted === 1 && observed === 0) admitted++
        if (counted === 1) open++
      } else {
        same([refused, observed], [0, 0])
        assert.isAtMost(counted, 0)
        if (settled === undefined) assert.strictEqual(counted, 0)
        open += counted
      }

      assert.strictEqual(after.inFlight, open)
      assert.isAtMost(after.successes + after.failures + after.ignored + after.throttled, admitted)
      assert.isTrue(after.uptimePercentage >= 0 && after.uptimePercentage <= 100)
      assert.isTrue(after.window.failureRate >= 0 && after.window.failureRate <= 1)
      assert.isTrue(after.window.slowRate >= 0 && after.window.slowRate <= 1)
      assert.isAtLeast(after.window.calls, 0)
    }
  })

  it("in observe nothing is refused, and the circuit moves as it would if refused calls never ran (rule 28)", () => {
    always(fc.property(anySettings, anySteps({ back: true }), (settings, steps) => {
      const told = (moments: Array<unknown>) => ({ after }: Moment) => {
        const { inFlight: _, mode: __, rejected, wouldReject, ...rest } = after
        moments.push({ ...rest, refused: rejected + wouldReject })
      }
      const enforced: Array<unknown> = []
      const observed: Array<unknown> = []

      const one = play(settings, steps, { mode: "enforce", onMoment: told(enforced) })
      const two = play(settings, steps, { mode: "observe", onMoment: told(observed) })

      assert.isTrue(two.asks.every(({ answer }) => answer instanceof Circuit.Permit))
      same(two.transitions, one.transitions)
      same(observed, enforced)
    }))
  })

  eachMoment(
    "off counts nothing and moves nothing but by command (rule 28)",
    ({ after, asked, before, step, transitions }) => {
      if (before.mode !== "off" || step.do === "Command") return
      if (asked !== undefined) assert.instanceOf(asked.answer, Circuit.Permit)

      same({ ...after, inFlight: 0, window: 0 }, { ...before, inFlight: 0, window: 0 })
      same(transitions, [])
    }
  )

  it("reading never changes what happens next (rule 2)", () => {
    always(fc.property(anySettings, anySteps({ edges: false, modes: true }), (settings, steps) => {
      const read = play(settings, steps, { reads: true })
      const unread = play(settings, steps, { reads: false })

      same(read.transitions, unread.transitions)
      same(read.answers, unread.answers)
      same(read.read(), unread.read())
    }))
  })

  eachMoment(
    "reading twice reads the same, and waiting alone moves no state (rule 2)",
    ({ after, before, now, step }, _settings, circuit) => {
      same(Circuit.snapshot(circuit, now), after)
      if (step.do !== "Wait" && step.do !== "Edge" && step.do !== "Back") return

      same(after, before)
      const later = Circuit.snapshot(circuit, now + 1e9)
      same([later.state, later.generation, later.since], [before.state, before.generation, before.since])
    }
  )

  it("while it reads no time, the time that an ask or a success is told makes no difference", () => {
    const blind = (garbage: number) => (circuit: Circuit.Circuit, step: Step, now: number): number =>
      Circuit.readsTime(circuit) || (step.do === "Settle" && step.outcome._tag !== "Success") ? now : garbage
    always(
      fc.property(
        anySettings,
        anySteps({ modes: true }),
        fc.constantFrom(0, -1e9, 1e15),
        (settings, steps, garbage) => {
          const seeing = play(settings, steps)
          const blinded = play(settings, steps, { told: blind(garbage) })

          same(blinded.transitions, seeing.transitions)
          same(blinded.answers, seeing.answers)
          same(blinded.read(), seeing.read())
        }
      )
    )
  })

  it("the same history twice gives the same answers", () => {
    always(fc.property(anySettings, anySteps({ back: true, modes: true }), (settings, steps) => {
      const one = play(settings, steps)
      const two = play(settings, steps)

      same(two.transitions, one.transitions)
      same(two.answers, one.answers)
      same(two.read(), one.read())
    }))
  })

  eachHistory(
    "an opening lasts its duration, or to the end of a hint of its period, and what jitter adds (rule 9, rule 20)",
    (settings) => {
      let hint = Number.NEGATIVE_INFINITY
      return ({ after, before, now, settled, step, transitions }) => {
        if (step.do === "Settle" && step.outcome._tag === "Failure" && isPermit(settled)) {
          const retryAfter = step.outcome.retryAfter
          if (after.failures > before.failures && retryAfter !== undefined) {
            const asked = Schema.encodeSync(Schema.DurationFromMillis)(retryAfter)
            hint = Math.max(hint, now + Math.min(asked, Number(settings.maxRetryAfter)))
          }
        }
        for (const { cause, from, openFor, share, to } of transitions) {
          const ownRules = cause?.rule !== "manual" && cause?.rule !== "trip" && from !== "Isolated"
          if (openFor !== undefined && ownRules) {
            const { openDuration } = settings
            const own = typeof openDuration === "function" ? openDuration(after.openings) : Number(openDuration)
            const least = Math.max(own, hint - now)
            if (transitions.length === 1) assert.isAtLeast(openFor, least)
            if (transitions.length === 1) assert.isAtMost(openFor, least * (1 + (settings.jitter ?? 0)))
          }
          if (!(from === "HalfOpen" && to === "HalfOpen" && before.share !== undefined && share !== undefined)) {
            hint = Number.NEGATIVE_INFINITY
          }
        }
      }
    }
  )
})

// ---------------------------------------------------------------------------------------------------------------------
// Windows, recounted
// ---------------------------------------------------------------------------------------------------------------------

interface Counted {
  readonly at: number
  readonly failed: boolean
  readonly slow: boolean
}

const anyCalls = fc.array(
  fc.record({
    gap: fc.oneof(fc.nat(40), fc.constantFrom(0, 99, 100, 101, 500, 1000, 1001, 1e6)),
    took: fc.constantFrom(0, 1, 50, 51, 100),
    outcome: fc.constantFrom(Outcome.success, Outcome.success, Outcome.failure(), Outcome.ignored),
    thenGap: fc.oneof(fc.constant(0), fc.nat(1200))
  }),
  { maxLength: 100, size: "max" }
)

const SLOW_AFTER = 50

/** Calls one after the other, and at each what the window reads against what a plain list would. */
const recount = (
  window: CallWindow.CallWindow,
  startsAt: number,
  calls: ReadonlyArray<{ gap: number; took: number; outcome: Outcome.Outcome; thenGap: number }>,
  check: (read: Circuit.Snapshot["window"], list: ReadonlyArray<Counted>, now: number) => void
): void => {
  // A second rule that only counts slow calls; neither can trip.
  const huge = TripPolicy.slowRate({ slowAfter: SLOW_AFTER, threshold: 1, minimumCalls: room(window), window })
  const count = TripPolicy.failureCount({ count: room(window), window })
  const circuit = Circuit.make(Circuit.rules({ tripPolicy: TripPolicy.anyOf(count, huge) }), startsAt)
  let list: Array<Counted> = []
  let now = startsAt
  let { generation } = Circuit.snapshot(circuit, now)
  for (const { gap, outcome, thenGap, took } of calls) {
    now += gap
    const permit = Circuit.admit(circuit, now)
    if (!(permit instanceof Circuit.Permit)) throw new Error("refused")
    now += took
    Circuit.settle(circuit, permit, outcome, now)
    if (outcome._tag !== "Ignored") list.push({ at: now, failed: outcome._tag === "Failure", slow: took > SLOW_AFTER })
    if (Circuit.snapshot(circuit, now).generation !== generation) {
      Circuit.command(circuit, { _tag: "Reset" }, now)
      generation = Circuit.snapshot(circuit, now).generation
      list = []
    }
    check(Circuit.snapshot(circuit, now).window, list, now)
    now += thenGap
    check(Circuit.snapshot(circuit, now).window, list, now)
  }
}

const tallyOf = (list: ReadonlyArray<Counted>) => ({
  calls: list.length,
  failureRate: list.length === 0 ? 0 : list.filter((call) => call.failed).length / list.length,
  slowRate: list.length === 0 ? 0 : list.filter((call) => call.slow).length / list.length
})

describe("CallWindow laws", () => {
  const startsAt = fc.constantFrom(0, 1, 12_345, 1_700_000_000_000)

  it("lastCalls(n) reads exactly what a list of the last n calls holds, whatever the gaps (rule 18)", () => {
    always(
      fc.property(fc.integer({ min: 1, max: 40 }), startsAt, anyCalls, (n, from, calls) => {
        recount(CallWindow.lastCalls(n), from, calls, (read, list) => {
          same(read, tallyOf(list.slice(-n)))
        })
      }),
      8
    )
  })

  it("lastCalls(n, within d) reads exactly what a list of the last n calls holds that are no older (rule 18)", () => {
    always(
      fc.property(fc.integer({ min: 1, max: 40 }), millis, startsAt, anyCalls, (n, within, from, calls) => {
        recount(CallWindow.lastCalls(n, { within }), from, calls, (read, list, now) => {
          same(read, tallyOf(list.slice(-n).filter(({ at }) => now - at <= within)))
        })
      }),
      8
    )
  })

  it("lastDuration(d) reads the last d to within one bucket, and nothing after a silence of d (rule 18)", () => {
    const buckets = fc.integer({ min: 1, max: 13 })
    always(
      fc.property(millis, buckets, startsAt, anyCalls, (duration, buckets, from, calls) => {
        recount(CallWindow.lastDuration(duration, { buckets }), from, calls, (read, list, now) => {
          const least = list.filter(({ at }) => now - at <= duration - duration / buckets - 1e-6)
          const most = list.filter(({ at }) => now - at < duration)
          const failures = read.calls * read.failureRate
          const slow = read.calls * read.slowRate

          assert.isAtLeast(read.calls, least.length)
          assert.isAtMost(read.calls, most.length)
          assert.isAtLeast(failures, least.filter((call) => call.failed).length - 1e-6)
          assert.isAtMost(failures, most.filter((call) => call.failed).length + 1e-6)
          assert.isAtLeast(slow, least.filter((call) => call.slow).length - 1e-6)
          assert.isAtMost(slow, most.filter((call) => call.slow).length + 1e-6)
        })
      }),
      8
    )
  })

  eachMoment("a window holds whole failures under any concurrency, and no more than there were", ({ after }) => {
    const failures = after.window.calls * after.window.failureRate

    assert.closeTo(failures, Math.round(failures), 1e-6)
    assert.isAtMost(Math.round(failures), after.failures)
  })
})

// ---------------------------------------------------------------------------------------------------------------------
// A second machine, naive on purpose, for calls made one after the other
// ---------------------------------------------------------------------------------------------------------------------

interface Naive {
  readonly window: number
  readonly trips: (list: ReadonlyArray<boolean>) => boolean
}

type Story =
  | { readonly do: "Call"; readonly outcome: Outcome.Outcome; readonly took: number }
  | { readonly do: "Wait"; readonly millis: number }
  | { readonly do: "Order"; readonly order: Circuit.Command }

const anyStory: fc.Arbitrary<ReadonlyArray<Story>> = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constant("Call" as const),
        outcome: anyOutcome,
        took: fc.constantFrom(0, 1, 100, 999, 1000)
      })
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant("Wait" as const), millis: fc.constantFrom(1, 99, 100, 500, 1000, 5000) })
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("Order" as const), order: anyOrder }) }
  ),
  { maxLength: 150, size: "max" }
)

/** Lists, flags, and the rules read aloud. Concurrency one, so a call is asked and settled before the next. */
const naive = (tripsOn: Naive, options: { open: number; successes: number; outOf: number; lease: number }) => {
  const hour = 3_600_000
  let state = "Closed" as "Closed" | "Open" | "HalfOpen" | "Isolated"
  let since = 0
  let until = 0
  let firm = 0
  let openings = 0
  let lastOpenFor = 0
  let list: Array<boolean> = []
  let hints: Array<number> = []
  let gates: Array<number> = []
  let probes: Array<boolean> = []
  let isolatedUntil = 0
  let interrupted = state

  const enter = (next: typeof state, now: number): void => {
    state = next
    since = now
    list = []
    hints = []
    probes = []
  }
  // Rule 21: closed for as long as the last opening lasted, the row is over.
  const rowEnds = (now: number): void => {
    if (state === "Closed" && now - since >= lastOpenFor) openings = 0
  }
  const open = (now: number, own?: number, exactly = false): void => {
    rowEnds(now)
    if (state !== "Open") openings++
    const wanted = own ?? options.open * openings
    lastOpenFor = exactly ? wanted : Math.max(wanted, ...hints.map((hint) => hint - now))
    // What the provider or an operator said stands; the rest may end early.
    firm = Math.max(now + (own ?? 0), ...hints)
    enter("Open", now)
    until = now + lastOpenFor
  }
  // An opening that was interrupted has kept its end.
  const endIsolation = (now: number): void => {
    if (state === "Isolated" && now >= isolatedUntil) enter(interrupted, now)
  }
  const longest = (ends: ReadonlyArray<number>): number => Math.max(Number.NEGATIVE_INFINITY, ...ends)

  return {
    call: (outcome: Outcome.Outcome, now: number, took: number): string => {
      endIsolation(now)
      if (state === "Isolated") return "Isolated"
      if (state === "Open" && now < until) return "Open"
      if (now < longest(gates)) return "Throttled"
      if (state === "Open") enter("HalfOpen", now)
      const isProbe = state === "HalfOpen"
      const end = now + took
      const failProbe = (at: number): void => {
        probes.push(false)
        if (probes.filter((passed) => !passed).length > options.outOf - options.successes) open(at)
      }
      // Found at the next ask; here it is the same, since nothing else happens in between.
      if (isProbe && took >= options.lease) return "lapsed"
      switch (outcome._tag) {
        case "Ignored":
          break
        case "Throttled":
          gates.push(
            end + (outcome.retryAfter === undefined
              ? 10_000
              : Schema.encodeSync(Schema.DurationFromMillis)(outcome.retryAfter))
          )
          break
        case "Trip":
          open(
            end,
            outcome.openFor === undefined ? hour : Schema.encodeSync(Schema.DurationFromMillis)(outcome.openFor)
          )
          break
        case "Success":
        case "Failure": {
          const failed = outcome._tag === "Failure"
          if (outcome._tag === "Failure" && outcome.retryAfter !== undefined) {
            hints.push(end + Math.min(Schema.encodeSync(Schema.DurationFromMillis)(outcome.retryAfter), 900_000))
          }
          if (isProbe) {
            if (failed) failProbe(end)
            else probes.push(true)
            if (probes.filter((passed) => passed).length >= options.successes) enter("Closed", end)
          } else {
            list.push(failed)
            if (tripsOn.trips(list.slice(-tripsOn.window))) open(end)
          }
        }
      }
      return "admitted"
    },
    order: (order: Circuit.Command, now: number): void => {
      endIsolation(now)
      if (order._tag === "Isolate") {
        isolatedUntil = now + (order.for ?? Number.POSITIVE_INFINITY)
        if (state !== "Isolated") {
          interrupted = state
          rowEnds(now)
          enter("Isolated", now)
        }
      }
      if (order._tag === "Release" && state === "Isolated") enter("Closed", now)
      if (order._tag === "Reset") {
        openings = 0
        gates = []
        enter("Closed", now)
      }
      if (order._tag === "Trip" && state !== "Isolated") open(now, order.openFor ?? hour, true)
      if (order._tag === "Pass") {
        if (state === "Open" && now >= firm) enter("HalfOpen", now)
        if (state !== "HalfOpen") return
        probes.push(true)
        if (probes.filter((passed) => passed).length >= options.successes) enter("Closed", now)
      }
    },
    read: (now: number) => {
      rowEnds(now)
      const gate = Math.max(longest(gates) - now, 0)
      return {
        state,
        since,
        openings,
        retryAfter: state === "Isolated"
          ? Math.max(isolatedUntil - now, interrupted === "Open" ? until - now : 0, gate, 0)
          : Math.max(state === "Open" ? until - now : 0, gate, 0)
      }
    }
  }
}

describe("Circuit and a naive machine", () => {
  it("say the same, step by step, to calls made one after the other (rule 2 to rule 27)", () => {
    const anyNaive: fc.Arbitrary<readonly [TripPolicy.TripPolicy, Naive]> = fc.oneof(
      fc.integer({ min: 1, max: 5 }).map((n) =>
        [TripPolicy.consecutive(n), {
          window: n,
          trips: (list: ReadonlyArray<boolean>) => list.length === n && list.every(Boolean)
        }] as const
      ),
      fc.tuple(fc.integer({ min: 1, max: 10 }), fc.nat(9)).map(([n, less]) => {
        const count = Math.max(n - less, 1)
        return [
          TripPolicy.failureCount({ count, window: CallWindow.lastCalls(n) }),
          { window: n, trips: (list: ReadonlyArray<boolean>) => list.filter(Boolean).length >= count }
        ] as const
      }),
      fc.tuple(fc.integer({ min: 1, max: 10 }), fc.nat(9), anyShare).map(([n, less, threshold]) => {
        const minimumCalls = Math.max(n - less, 1)
        return [
          TripPolicy.failureRate({ threshold, minimumCalls, window: CallWindow.lastCalls(n) }),
          {
            window: n,
            trips: (list: ReadonlyArray<boolean>) =>
              list.length >= minimumCalls && list.filter(Boolean).length / list.length >= threshold
          }
        ] as const
      })
    )
    const shape = fc.record({ open: millis, successes: fc.integer({ min: 1, max: 3 }), spare: fc.nat(2) })
    always(fc.property(anyNaive, shape, anyStory, ([tripPolicy, trips], { open, spare, successes }, story) => {
      const outOf = successes + spare
      const lease = 100_000
      const circuit = Circuit.make(
        Circuit.rules({ tripPolicy, openDuration: (opening) => open * opening, halfOpen: { successes, outOf, lease } }),
        0
      )
      const model = naive(trips, { open, successes, outOf, lease })
      let now = 0
      for (const step of story) {
        if (step.do === "Wait") now += step.millis
        if (step.do === "Order") {
          Circuit.command(circuit, step.order, now)
          model.order(step.order, now)
        }
        if (step.do === "Call") {
          const answer = Circuit.admit(circuit, now)
          const expected = model.call(step.outcome, now, step.took)
          assert.strictEqual(answer instanceof Circuit.Refusal ? answer.reason : "admitted", expected)
          if (answer instanceof Circuit.Permit) {
            now += step.took
            Circuit.settle(circuit, answer, step.outcome, now)
          }
        }
        const { openings, retryAfter, since, state } = Circuit.snapshot(circuit, now)

        same(
          { openings, retryAfter, since, state },
          (({ openings, retryAfter, since, state }) => ({
            openings,
            retryAfter,
            since,
            state
          }))(model.read(now))
        )
      }
    }))
  })
})

describe("data laws", () => {
  const throughJson = <T>(schema: Schema.Codec<T, unknown>, value: T): T =>
    Schema.decodeUnknownSync(schema)(JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value))))

  it("a policy is the same after a way through JSON", () => {
    const nested = fc.array(anyPolicy, { minLength: 1, maxLength: 3 }).map((policies) => TripPolicy.anyOf(...policies))
    always(fc.property(fc.oneof(anyPolicy, nested), (policy) => {
      const plain = JSON.stringify(policy)

      assert.strictEqual(JSON.stringify(throughJson(TripPolicy.TripPolicy, policy)), plain)
    }))
  })

  it("a window is the same after a way through JSON", () => {
    always(fc.property(anyWindow, (window) => {
      same(throughJson(CallWindow.CallWindow, window), window)
    }))
  })

  it("an outcome is the same after a way through JSON", () => {
    always(fc.property(anyOutcome, fc.double({ min: 0, max: 1e9, noNaN: true }), (outcome, wait) => {
      const precise = Outcome.failure({ retryAfter: Math.round(wait * 1000) / 1000, kind: "k", message: "m" })
      for (const one of [outcome, precise]) {
        const plain = JSON.stringify(Schema.encodeSync(Outcome.Outcome)(one))

        assert.strictEqual(JSON.stringify(Schema.encodeSync(Outcome.Outcome)(throughJson(Outcome.Outcome, one))), plain)
      }
    }))
  })
})
