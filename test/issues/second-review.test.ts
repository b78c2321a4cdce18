/** Defects that a second reader found, in the machine as it was rewritten. Each was red once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Breaker, BreakerStream, CallWindow, Circuit, Fallback, Outcome, TripPolicy } from "effect-breaker"
import { Memory } from "../../src/CallWindow.ts"
import { history } from "../history.ts"

const { success } = Outcome

describe("a window", () => {
  it("keeps its count when two late hangs turn out to say nothing (rule 10, rule 17, rule 18)", () => {
    const { asks, call, later, read, settle, state, succeed } = history({
      tripPolicy: TripPolicy.slowRate({
        slowAfter: 1000,
        threshold: 0.5,
        minimumCalls: 5,
        window: CallWindow.lastCalls(10)
      })
    })

    const hung = asks(2)
    succeed(40)
    later(1001)
    // They are seen to hang here, so late that the window takes both for good: it then counted them in one cell.
    succeed(1)
    for (const permit of hung) settle(permit, Outcome.ignored)
    succeed(20)

    assert.strictEqual(read().window.calls, 10)
    for (let i = 0; i < 5; i++) call(success, 2000)
    assert.strictEqual(state(), "Open")
  })

  it("of time forgets what came while its clock stood before its beginning (rule 3, rule 18)", () => {
    const memory = new Memory(CallWindow.lastDuration(1000), 10_000)

    memory.add(true, 9000)
    assert.deepStrictEqual([memory.calls, memory.bad], [1, 1])
    memory.expire(1_000_000)

    assert.deepStrictEqual([memory.calls, memory.bad], [0, 0])
  })

  it("of time is empty after a silence as long as itself, though its buckets have no exact width (rule 18)", () => {
    const full = [400, 1000, 12_345, 1.7e12 + 400].flatMap((base) =>
      [[100, 3], [1000, 7], [60_000, 9]].flatMap(([duration, buckets]) =>
        Array.from({ length: 300 }, (_, i) => base + i).filter((at) => {
          const memory = new Memory(CallWindow.lastDuration(duration!, { buckets: buckets! }), base)
          memory.add(true, at)
          memory.expire(at + duration!)
          return memory.calls !== 0
        })
      )
    )

    assert.deepStrictEqual(full, [])
  })
})

describe("calls that never end", () => {
  it("do not hide a total outage of those that come one by one (rule 15)", () => {
    const { asks, fail, state } = history({
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 5, window: CallWindow.lastCalls(10) })
    })

    asks(100)
    fail(9)
    assert.strictEqual(state(), "Closed")
    fail(1)

    assert.strictEqual(state(), "Open")
  })

  // Not mended: calls that run count as good beside a window of time for as long as they run, and towards its minimum. See
  // the report of the second review.
  it.fails("do not hide one from a window of time either, in light traffic (rule 15, rule 18)", () => {
    const { asks, fail, later, state } = history({
      tripPolicy: TripPolicy.failureRate({
        threshold: 0.5,
        minimumCalls: 10,
        window: CallWindow.lastCalls(100, { within: "1 minute" }),
        belowMinimum: TripPolicy.consecutive(5)
      })
    })

    // Ten long answers, and six calls a minute that all fail.
    asks(10)
    for (let i = 0; i < 100 && state() === "Closed"; i++) {
      fail()
      later(10_000)
    }

    assert.strictEqual(state(), "Open")
  })
})

describe("slow calls", () => {
  const slowOnes = TripPolicy.slowRate({
    slowAfter: 1000,
    threshold: 0.5,
    minimumCalls: 2,
    window: CallWindow.lastCalls(10)
  })

  it("that answered too late are slow at the next ask, not only when they end (rule 17)", () => {
    const { asks, circuit, knock, later, now } = history({ tripPolicy: slowOnes })

    const given = asks(2)
    later(1001)
    for (const permit of given) Circuit.answer(circuit, permit, now())

    assert.deepStrictEqual(knock(), { reason: "Open", retryAfter: 60_000 })
  })

  it("that answered between two limits are slow by the shorter one alone (rule 16, rule 17)", () => {
    const window = CallWindow.lastCalls(10)
    const policy = TripPolicy.anyOf(
      TripPolicy.slowRate({ slowAfter: 100, threshold: 1, minimumCalls: 10, window }),
      TripPolicy.slowRate({ slowAfter: 1000, threshold: 0.1, minimumCalls: 1, window })
    )
    for (const asksBetween of [true, false]) {
      const { ask, circuit, knock, later, now, read, settle } = history({ tripPolicy: policy })

      const given = ask()
      later(500)
      if (asksBetween) ask()
      Circuit.answer(circuit, given, now())
      later(400)
      assert.strictEqual(knock(), "admitted")
      assert.deepStrictEqual([read().slow, read().window.slowRate], [asksBetween ? 2 : 1, 1])
      settle(given, success)

      assert.deepStrictEqual([read().slow, read().state], [asksBetween ? 2 : 1, "Closed"])
    }
  })

  it("that run cost an ask nothing, though a longer limit waits for them", () => {
    const window = CallWindow.lastCalls(100)
    const { asks, circuit, knock, later, now } = history({
      tripPolicy: TripPolicy.anyOf(
        TripPolicy.slowRate({ slowAfter: 1000, threshold: 1, minimumCalls: 100, window }),
        TripPolicy.slowRate({ slowAfter: 60_000, threshold: 1, minimumCalls: 100, window })
      )
    })

    // Enough quick ones that the share stays low.
    for (let i = 0; i < 100; i++) {
      const permit = asks(1)[0]!
      Circuit.settle(circuit, permit, success, now())
    }
    asks(50)
    later(1001)
    knock()
    const state = circuit.cell.current

    assert.strictEqual(state._tag, "Closed")
    // Each ask looked at all of them again.
    assert.isFalse(state.evidence?.hangs(now()))
  })

  it("that say they were not are taken out again, though somebody asked meanwhile (rule 16)", () => {
    const { ask, knock, later, read, settle } = history({ tripPolicy: slowOnes })

    const long = ask()
    later(60_000)
    assert.strictEqual(knock(), "admitted")
    settle(long, { _tag: "Success", slow: false })

    assert.deepStrictEqual([read().slow, read().window], [0, { calls: 1, failureRate: 0, slowRate: 0 }])
  })

  it("are none where no policy has a slowAfter, whatever a probe says of itself (rule 16, rule 23)", () => {
    const { call, fail, later, read } = history({ tripPolicy: TripPolicy.consecutive(1), halfOpen: { successes: 1 } })

    fail()
    later(60_000)
    call({ _tag: "Success", slow: true })

    assert.deepStrictEqual([read().state, read().slow], ["Closed", 0])
  })

  it("by their own word do not say that they took long (rule 6, rule 23)", () => {
    const { call, command, later, read } = history({ tripPolicy: slowOnes })

    command({ _tag: "Trip", openFor: 1 })
    later(1)
    call({ _tag: "Success", slow: true })

    assert.strictEqual(read().cause?.failure?.message, "A probe was slow")
  })
})

describe("a permit by hand", () => {
  it.effect("does nothing on a second settle, not even to who listens around it (rule 4)", () =>
    Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      let classified = 0
      const classify = () => {
        classified++
        return Outcome.success
      }
      const call = Effect.gen(function*() {
        const permit = yield* breaker.admit
        yield* permit.settle(Outcome.failure())
        yield* permit.settleExit(yield* Effect.exit(Effect.void), { classify })
        return yield* Effect.fail("down")
      })

      const served = yield* call.pipe(Fallback.withFallback(Fallback.value("default")))

      assert.strictEqual(served.from, "default")
      assert.strictEqual(classified, 0)
    }))

  it.effect("of a stream that failed lets the ladder around it answer (rule 4)", () =>
    Effect.gen(function*() {
      for (const elements of [[], [1]]) {
        const served = yield* Stream.fromIterable(elements).pipe(
          Stream.concat(Stream.fail("connection cut")),
          BreakerStream.withBreaker(),
          Stream.runCollect,
          Fallback.withFallback(Fallback.value("default"))
        )

        assert.strictEqual(served.from, "default")
      }
    }).pipe(Effect.provide(Breaker.layer({ name: "openai" }))))
})

describe("a bad setting", () => {
  it("is named where a ramp's shares are no list", () => {
    for (const shares of [null, "0.5", {}]) {
      assert.throws(
        () => Circuit.rules({ ramp: { shares: shares as never, every: 1 } }),
        RangeError,
        /ramp\.shares must be .*, got /
      )
    }
  })
})
