import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, References, Scope, Stream } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { CircuitReader } from "effect-breaker/control"
import { Dashboard } from "effect-breaker/dashboard"
import { TestClock } from "effect/testing"
import * as Follower from "../../src/dashboard/Follower.ts"
import { alone, framesOf, handle, orderHeaders } from "./serving.ts"

const control = { guard: Effect.succeed("ada") }
const tripPolicy = TripPolicy.consecutive(1)
const succeed = Effect.succeed("an answer")

/** The page in the time of the test, and what it says. */
const follow = (options: Dashboard.Options = {}) =>
  Effect.map(handle(Dashboard.layer(options)), (request) => ({
    request,
    page: Effect.flatMap(request("/breakers/snapshot.json"), (response) =>
      Effect.promise(() => response.json() as Promise<Dashboard.PageView>)),
    order: (order: Dashboard.OrderView) =>
      Effect.flatMap(
        request("/breakers/control", { method: "POST", headers: orderHeaders, body: JSON.stringify(order) }),
        (response) =>
          Effect.promise(() => response.json())
      ),
    watch: Effect.gen(function*() {
      const response = yield* request("/breakers/events")
      const frame = framesOf(response)
      if (response.status === 200) assert.strictEqual(yield* frame, "retry: 2000\n\n")
      const isBeat = (text: string) => text.startsWith("event: beat")
      const beat = Effect.map(Effect.repeat(frame, { until: isBeat }), (text): Dashboard.BeatView =>
        JSON.parse(/^event: beat\ndata: (.*)\n\n$/.exec(text)![1]!))
      return { response, frame, beat }
    })
  }))

const options: Follower.Options = {
  title: "Circuits",
  every: 2000,
  circuits: 500,
  viewers: 100,
  messages: false,
  control: false
}

const handles = ({ circuits, each, events, snapshots }: CircuitReader.CircuitReader) => ({
  circuits,
  each,
  events,
  snapshots
})

const pageOf = ({ page }: Follower.Follower): Effect.Effect<Dashboard.PageView> =>
  Effect.map(page, (bytes) => JSON.parse(new TextDecoder().decode(bytes)))

const failing = (breaker: Breaker.Breaker) => Effect.ignore(breaker.execute(Effect.fail("529 Overloaded")))

describe("Follower", () => {
  it.effect("lets others run after every 500 looks and every 20 snapshots, however many circuits there are", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make({ tripPolicy })
      for (let i = 0; i < 3000; i++) yield* map.get(String(i))
      // More in trouble than are followed.
      for (let i = 0; i < 300; i++) yield* failing(yield* map.get(String(10 * i)))
      const reader = yield* CircuitReader.make
      let [looks, snapshots] = [0, 0]
      let most = [0, 0]
      const turn = Effect.sync(() => {
        most = [Math.max(most[0]!, looks), Math.max(most[1]!, snapshots)]
        looks = snapshots = 0
      })
      const others = Effect.forever(Effect.andThen(turn, Effect.yieldNow), { disableYield: true })
      yield* Effect.forkChild(others, { startImmediately: true })
      const counted = (circuit: CircuitReader.Reading): CircuitReader.Reading => ({
        id: circuit.id,
        name: circuit.name,
        get state() {
          looks++
          return circuit.state
        },
        snapshot: Effect.tap(circuit.snapshot, () => Effect.sync(() => snapshots++))
      })
      const follower = yield* Follower.make({
        circuits: Effect.die("not all at once"),
        snapshots: Effect.die("not all at once"),
        each: Stream.map(reader.each, counted),
        events: reader.events
      }, { ...options, circuits: 250 })
      yield* TestClock.adjust("2 seconds")
      const { circuits, hidden, hiddenTrouble, sequence } = yield* pageOf(follower)

      assert.deepStrictEqual(most, [500, 20])
      assert.deepStrictEqual([sequence, circuits.length, hidden, hiddenTrouble], [1, 250, 2750, 50])
      assert.deepStrictEqual(new Set(circuits.map(({ state }) => state)), new Set(["Open"]))
      assert.strictEqual((yield* map.snapshots).length, 3000)
    })).pipe(Effect.provideService(References.PreventSchedulerYield, true)))

  it.effect("lets others run while it writes the whole, which is as of one beat though another comes meanwhile", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make()
      for (let i = 0; i < 500; i++) yield* map.execute(succeed, { key: String(i) })
      const follower = yield* Follower.make(yield* CircuitReader.make, options)
      let turns = 0
      const others = Effect.forever(Effect.andThen(Effect.sync(() => turns++), Effect.yieldNow), { disableYield: true })
      yield* Effect.forkChild(others, { startImmediately: true })
      const before = turns
      const asked = yield* Effect.all(Array.from({ length: 3 }, () => pageOf(follower)), { concurrency: "unbounded" })
      assert.isAtLeast(turns - before, 500 / 20)
      // Written once for all who ask.
      assert.isAtMost(turns - before, 2 * 500 / 20)
      assert.deepStrictEqual(asked.map(({ circuits }) => circuits.length), [500, 500, 500])

      yield* TestClock.adjust("2 seconds")
      // A beat that is half-way when the writing begins.
      const beating = yield* Effect.forkChild(TestClock.adjust("2 seconds"), { startImmediately: true })
      const begun = turns
      yield* Effect.repeat(Effect.yieldNow, { until: () => turns - begun >= 15 })
      const { circuits, sequence } = yield* pageOf(follower)
      yield* Fiber.join(beating)
      assert.strictEqual(sequence, 2)
      assert.deepStrictEqual(new Set(circuits.map(({ strip }) => strip.states)), new Set(["ccc"]))
      assert.strictEqual((yield* map.snapshots).length, 500)
    })).pipe(Effect.provideService(References.PreventSchedulerYield, true)))

  it.effect("looks once at a time, though a look takes longer than a beat", () =>
    alone(Effect.gen(function*() {
      yield* Breaker.make({ name: "openai" })
      const reader = yield* CircuitReader.make
      let [running, most, looks] = [0, 0, 0]
      const slow = Effect.gen(function*() {
        most = Math.max(most, ++running)
        if (looks++ > 0) yield* Effect.sleep("7 seconds")
        running--
        return reader.each
      })
      const each = Stream.unwrap(slow)
      const follower = yield* Follower.make({ ...handles(reader), each }, options)
      yield* TestClock.adjust("1 minute")

      // One when it was made, one for each nine seconds, and one that lasts.
      assert.deepStrictEqual([most, looks, (yield* pageOf(follower)).sequence], [1, 8, 6])
    })))

  it.effect("knows an opening once, though it sees it before it hears of it", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const reader = yield* CircuitReader.make
      const late = yield* Queue.unbounded<Breaker.Event & { readonly id: string }>()
      yield* Effect.forkChild(
        Stream.runForEach(
          reader.events,
          (event) => Effect.andThen(Effect.sleep("3 seconds"), Queue.offer(late, event))
        ),
        { startImmediately: true }
      )
      const follower = yield* Follower.make({ ...handles(reader), events: Stream.fromQueue(late) }, options)
      yield* breaker.trip()
      yield* TestClock.adjust("10 seconds")
      const [circuit] = (yield* pageOf(follower)).circuits

      assert.deepStrictEqual(circuit!.opened, [0])
    })))

  it.effect("looks when it is made, and at each beat: not a moment sooner", () =>
    alone(Effect.gen(function*() {
      const early = yield* Breaker.make({ name: "early" })
      const { page } = yield* follow({ every: "3 seconds" })
      const names = Effect.map(
        page,
        ({ circuits, sequence }) => [sequence, circuits.some(({ name }) => name === "late")]
      )

      assert.deepStrictEqual(yield* names, [0, false])
      const late = yield* Breaker.make({ name: "late" })
      yield* TestClock.adjust(2999)
      assert.deepStrictEqual(yield* names, [0, false])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* names, [1, true])
      assert.deepStrictEqual([early.name, late.name], ["early", "late"])
    })))

  it.effect("keeps a strip while nobody watches: what was counted in each beat, and the worst state", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy, openDuration: "3 seconds" })
      const { page } = yield* follow()
      yield* breaker.execute(succeed)
      yield* breaker.execute(succeed)
      yield* TestClock.adjust("2 seconds")
      yield* failing(breaker)
      yield* Effect.ignore(breaker.execute(succeed))
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("2 seconds")
      // Open at first, and then probed: the worse of the two counts.
      yield* breaker.execute(succeed)
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("2 seconds")

      const [circuit] = (yield* page).circuits
      assert.deepStrictEqual(circuit!.strip, {
        states: "ccooop",
        calls: [0, 2, 1, 0, 1, 0],
        failures: [0, 0, 1, 0, 0, 0],
        slow: [0, 0, 0, 0, 0, 0],
        refused: [0, 0, 1, 0, 0, 0]
      })
    })))

  it.effect("keeps the newest 150 points", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const { page } = yield* follow()
      yield* breaker.execute(succeed)
      const strip = Effect.map(
        page,
        ({ circuits: [circuit] }) => [circuit!.strip.states.length, circuit!.strip.calls[0]]
      )

      yield* TestClock.adjust("298 seconds")
      assert.deepStrictEqual(yield* strip, [150, 0])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* strip, [150, 1])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* strip, [150, 0])
    })))

  it.effect("knows the openings of a day, and not a moment longer", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const { page } = yield* follow({ every: "1 hour" })
      yield* breaker.trip()
      yield* breaker.reset
      const opened = Effect.map(page, ({ circuits: [circuit] }) => circuit!.opened)

      yield* TestClock.adjust("23 hours")
      assert.deepStrictEqual(yield* opened, [0])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* opened, [])
    })))

  it.effect("knows the newest hundred openings and the newest two hundred happenings", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const { page } = yield* follow()
      for (let i = 1; i <= 101; i++) {
        yield* TestClock.adjust(1)
        yield* breaker.trip({ note: `number ${i}` })
        yield* breaker.reset
      }
      yield* TestClock.adjust("2 seconds")

      const { circuits: [circuit], happenings } = yield* page
      assert.deepStrictEqual(circuit!.opened, Array.from({ length: 100 }, (_, i) => i + 2))
      assert.strictEqual(happenings.length, 200)
      assert.strictEqual(happenings.at(-1)!.text, "ordered to begin anew")
      assert.isFalse(happenings.some(({ text }) => text.endsWith("number 1")))
    })))

  it.effect("tells who watches what changed, and nothing of a countdown", () =>
    alone(Effect.gen(function*() {
      const openai = yield* Breaker.make({ name: "openai", tripPolicy })
      const search = yield* Breaker.make({ name: "search" })
      yield* TestClock.adjust("365 days")
      const { page, watch } = yield* follow({ every: "1 second" })
      const { instance, sequence } = yield* page
      const { beat } = yield* watch
      const next = Effect.andThen(TestClock.adjust("1 second"), beat)
      const named = Effect.map(next, ({ circuits, ...rest }) => ({
        ...rest,
        circuits: circuits.map(({ name, point, state }) => ({ name, point, state }))
      }))
      const zeros = { calls: 0, failures: 0, slow: 0, refused: 0 }

      const quiet = yield* named
      assert.deepStrictEqual(quiet, {
        instance,
        sequence: sequence + 1,
        at: quiet.at,
        hidden: 0,
        circuits: [],
        gone: [],
        happenings: []
      })
      yield* failing(openai)
      yield* Effect.ignore(openai.execute(succeed))
      const { circuits, happenings } = yield* named
      assert.deepStrictEqual(circuits, [
        { name: "openai", point: { ...zeros, state: "o", calls: 1, failures: 1, refused: 1 }, state: "Open" }
      ])
      assert.deepStrictEqual(happenings.map(({ kind, name, text }) => [kind, name, text]), [
        ["Transitioned", "openai", "opened for 1m: 1 failure in a row (limit 1)"]
      ])
      // Open, and its time goes on.
      assert.deepStrictEqual((yield* named).circuits, [])
      yield* search.execute(succeed)
      assert.deepStrictEqual((yield* named).circuits, [
        { name: "search", point: { ...zeros, state: "c", calls: 1 }, state: "Closed" }
      ])
      for (let second = 4; second < 60; second++) assert.deepStrictEqual((yield* named).circuits, [])
      // Nobody asked, but asking helps again.
      assert.deepStrictEqual((yield* named).circuits, [
        { name: "openai", point: { ...zeros, state: "o" }, state: "Open" }
      ])
      const [circuit] = (yield* page).circuits
      assert.deepStrictEqual([circuit!.name, circuit!.retryAfter], ["openai", 0])
    })))

  it.effect("tells of a circuit that is new, with all that it did, and of one that is gone", () =>
    alone(Effect.gen(function*() {
      const { page, watch } = yield* follow()
      const { beat } = yield* watch
      const next = Effect.andThen(TestClock.adjust("2 seconds"), beat)
      const models = yield* BreakerMap.make({ idleTimeToLive: "30 seconds" })
      yield* succeed.pipe(models.execute({ key: "opus" }))

      const { circuits: [opus], gone } = yield* next
      assert.deepStrictEqual([opus!.name, opus!.point.calls, gone], ["opus", 1, []])
      yield* TestClock.adjust("30 seconds")
      yield* succeed.pipe(models.execute({ key: "haiku" }))
      yield* TestClock.adjust("2 seconds")
      const { circuits, sequence } = yield* page
      assert.deepStrictEqual(circuits.map(({ name }) => name), ["haiku"])

      // Of fifteen, some were on their way to the reader, and four waited: the newest.
      const frames = [yield* beat]
      while (frames.at(-1)!.sequence < sequence) frames.push(yield* beat)
      assert.isAtMost(frames.length, 6)
      assert.deepStrictEqual(
        frames.slice(-4).map((frame) => frame.sequence),
        [sequence - 3, sequence - 2, sequence - 1, sequence]
      )
      assert.isAbove(sequence, 15)
      assert.deepStrictEqual(frames.flatMap(({ gone }) => gone), [opus!.id])
    })))

  it.effect("gives the place of one who takes nothing for a minute to another", () =>
    alone(Effect.gen(function*() {
      const { request, watch } = yield* follow({ viewers: 1, every: "10 seconds" })
      const stuck = yield* watch
      const status = Effect.map(request("/breakers/events"), ({ status }) => status)

      yield* TestClock.adjust("50 seconds")
      assert.strictEqual(yield* status, 503)
      yield* TestClock.adjust("20 seconds")
      const other = yield* watch
      assert.strictEqual(other.response.status, 200)
      // What was on its way and what waited is all there is for it.
      yield* Effect.replicateEffect(stuck.beat, 5)
      assert.strictEqual(yield* stuck.frame, "")
    })))

  it.effect("says that it is there every 15 seconds where beats are rare", () =>
    alone(Effect.gen(function*() {
      const { watch } = yield* follow({ every: "1 minute" })
      const { frame } = yield* watch
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* frame, ":\n\n")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* frame, ":\n\n")
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(yield* frame, ":\n\n")
      yield* TestClock.adjust("15 seconds")
      const both = [yield* frame, yield* frame].toSorted()
      assert.strictEqual(both[0], ":\n\n")
      assert.match(both[1]!, /^event: beat\n/)
    })))

  it.effect("ends the streams when the layer is done", () =>
    alone(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { watch } = yield* Scope.provide(follow(), scope)
      const { frame } = yield* watch
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* frame, "")
    })))

  it.effect("follows no more than it may, those in trouble first, and counts the others", () =>
    alone(Effect.gen(function*() {
      const breakers = yield* Effect.forEach(["a", "b", "c", "d"], (name) => Breaker.make({ name, tripPolicy }))
      const { page } = yield* follow({ circuits: 2 })
      const seen = TestClock.adjust("2 seconds").pipe(
        Effect.andThen(page),
        Effect.map((
          { circuits, hidden, hiddenTrouble }
        ) => [circuits.map(({ name }) => name).join(""), hidden, hiddenTrouble])
      )

      assert.deepStrictEqual(yield* seen, ["ab", 2, undefined])
      yield* failing(breakers[3]!)
      assert.deepStrictEqual(yield* seen, ["da", 2, undefined])
      yield* failing(breakers[2]!)
      yield* failing(breakers[1]!)
      const [names, hidden, hiddenTrouble] = yield* seen
      assert.deepStrictEqual([hidden, hiddenTrouble], [2, 1])
      assert.include(names as string, "d", "what is shown and still in trouble stays")
      yield* Effect.forEach(breakers, ({ reset }) => reset)
      assert.strictEqual((yield* seen)[2], undefined)
    })))

  it.effect("carries an isolation out to its end, and the circuit comes back by itself", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const { order, page } = yield* follow({ control })
      const { circuits: [circuit] } = yield* page
      const done = yield* order({ ids: [circuit!.id], order: "isolate", for: 60_000, note: "bad deploy" })

      assert.deepStrictEqual(done, { done: 1 })
      const { cause } = yield* Effect.flip(breaker.execute(succeed))
      assert.deepStrictEqual([cause.rule, cause.note, cause.by], ["isolated", "bad deploy", "ada"])
      yield* TestClock.adjust(59_999)
      yield* Effect.flip(breaker.execute(succeed))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* breaker.execute(succeed), "an answer")
      const { happenings } = yield* Effect.andThen(TestClock.adjust("2 seconds"), page)
      assert.deepStrictEqual(happenings.map(({ by, kind, text }) => [kind, text, by]), [
        ["Transitioned", "isolated by hand (bad deploy)", "ada"],
        ["Commanded", "ordered to be isolated: bad deploy", "ada"],
        ["Transitioned", "let go: closed", undefined]
      ])
    })))

  it.effect("gives the orders of the page to the circuits that are named, and to no others", () =>
    alone(Effect.gen(function*() {
      const openai = yield* Breaker.make({ name: "same", tripPolicy })
      const other = yield* Breaker.make({ name: "same", tripPolicy })
      const { order, page } = yield* follow({ control })
      const ids = [(yield* page).circuits[0]!.id, "gone"]
      const states = Effect.map(
        Effect.all([openai.snapshot, other.snapshot]),
        (both) => both.map(({ mode, state }) => `${state} ${mode}`)
      )

      assert.deepStrictEqual(yield* order({ ids, order: "isolate" }), { done: 1 })
      assert.deepStrictEqual(yield* states, ["Isolated enforce", "Closed enforce"])
      yield* order({ ids, order: "release" })
      yield* failing(openai)
      assert.deepStrictEqual(yield* states, ["Open enforce", "Closed enforce"])
      yield* order({ ids, order: "reset" })
      yield* order({ ids, order: "mode", mode: "observe" })
      assert.deepStrictEqual(yield* states, ["Closed observe", "Closed enforce"])
    })))
})
