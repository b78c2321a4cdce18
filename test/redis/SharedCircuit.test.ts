import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Breaker, Outcome } from "effect-breaker"
import { Registry } from "effect-breaker/control"
import { isolated, metered, valueOf } from "../metrics/scenes.ts"
import { answerOf, eventually, fail, keptOf, keyOf, mapOf, memberOf, storeOf, until, untilStore } from "./members.ts"
import { makeServer, withRedis } from "./server.ts"

const wanted = { onStoreError: "fail", bound: "200 millis" } as const

describe.runIf(withRedis)("a circuit that wants no call without Redis", () => {
  it.live("refuses calls at once while Redis is away, says why, and goes on when it is back", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, wanted)
      assert.strictEqual(yield* answerOf(member), "an answer")
      assert.isUndefined(yield* member.breaker.refusal)
      yield* server.kill
      yield* fail(member)
      yield* untilStore(member, "lost")
      const refused = yield* Effect.flip(member.breaker.execute(Effect.succeed("an answer")))
      assert.deepInclude(refused.cause, { rule: "store" })
      assert.match(
        refused.message,
        /^Circuit "openai" is open: .*store is lost \(.+\)\. So since [-\dT:.]+Z; ask again in 1s\.$/
      )
      assert.strictEqual(Duration.toMillis(refused.retryAfter), 1000)
      assert.strictEqual((yield* member.breaker.refusal)?.message, refused.message)
      assert.strictEqual(yield* answerOf(member), "Open: store")
      assert.strictEqual((yield* member.breaker.snapshot).rejected, 2)
      yield* server.start
      yield* untilStore(member, "shared")
      yield* eventually(answerOf(member), (answer) => answer === "an answer")
      assert.isUndefined(yield* member.breaker.refusal)
    }).pipe(Effect.scoped))

  it.live("refuses its first call where Redis is down when the program starts, and those of a map", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      assert.strictEqual(yield* answerOf(yield* memberOf(server, wanted)), "Open: store")
      const map = yield* mapOf(server, wanted)
      const refused = yield* Effect.succeed("an answer").pipe(map.execute({ key: "large" }), Effect.flip)
      assert.strictEqual(refused.cause.rule, "store")
    }).pipe(Effect.scoped))

  it.live("refuses nothing where it only observes, or is off (rule 28)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const watching = yield* memberOf(server, { ...wanted, mode: "observe" })
      const off = yield* memberOf(server, { ...wanted, mode: "off", name: "off" })
      for (const member of [watching, off]) {
        assert.strictEqual(yield* answerOf(member), "an answer")
        assert.isUndefined(yield* member.breaker.refusal)
      }
      const { rejected, wouldReject } = yield* watching.breaker.snapshot
      assert.deepStrictEqual({ rejected, wouldReject }, { rejected: 0, wouldReject: 1 })
    }).pipe(Effect.scoped))

  it.live("is refused by what is kept as it should not be as well: that is this circuit's own store", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { ...wanted, poll: "100 millis" })
      yield* server.send("SET", keyOf(), "not yours")
      yield* fail(member)
      yield* untilStore(member, "lost")
      assert.strictEqual(yield* answerOf(member), "Open: store")
      yield* server.send("DEL", keyOf())
      yield* eventually(answerOf(member), (answer) => answer === "an answer")
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis)("the metrics of shared circuits", () => {
  it.live("tell how many go on alone, from zero on, and nothing of circuits that are not shared", () =>
    isolated(Effect.scoped(Effect.gen(function*() {
      yield* metered({ circuits: 2 })
      yield* Breaker.make({ name: "mine" })
      const server = yield* makeServer()
      const registry = yield* Registry.Current
      const members = yield* Effect.forEach(
        ["one", "many", "more"],
        (name) => memberOf(server, { name }, registry)
      )
      const lost = (circuit: string) => valueOf("effect_breaker_store_lost", { circuit })
      assert.deepStrictEqual(
        [yield* lost("mine"), yield* lost("one"), yield* lost("other")],
        [undefined, 0, 0]
      )
      yield* server.kill
      yield* Effect.forEach(members, (member) => fail(member))
      yield* Effect.forEach(members, (member) => untilStore(member, "lost"))
      assert.deepStrictEqual([yield* lost("one"), yield* lost("other")], [1, 2])
      yield* server.start
      yield* Effect.forEach(members, (member) => untilStore(member, "shared"))
      assert.deepStrictEqual([yield* lost("one"), yield* lost("other")], [0, 0])
    }))))
})

describe.runIf(withRedis)("where the news of a change was lost", () => {
  it.live("a process that is asked finds out before long, though nobody had asked it for a while", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { poll: "100 millis" } as const
      const [a, b] = [yield* memberOf(server, options), yield* memberOf(server, options)]
      yield* a.breaker.isolate("bad deploy")
      yield* until(b, "Isolated")
      yield* Effect.sleep("300 millis")
      // The clients hear again when they are there again.
      yield* server.send("ACL", "SETUSER", "default", "resetchannels")
      yield* Effect.sleep("100 millis")
      yield* a.breaker.release
      assert.strictEqual(yield* answerOf(b), "Isolated: isolated")
      yield* eventually(answerOf(b), (answer) => answer === "an answer")
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis)("a call", () => {
  it.live("that Redis has no say in is not told of after it: what ran when Redis went away", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* memberOf(server), yield* memberOf(server)]
      yield* Effect.forEach([a, b], (member) => fail(member))
      const permits = yield* Effect.all([a.breaker.admit, a.breaker.admit, a.breaker.admit])
      yield* eventually(keptOf(server), (kept) => kept !== undefined)
      yield* server.kill
      yield* fail(a)
      yield* untilStore(a, "lost")
      yield* server.start
      yield* untilStore(a, "shared")
      for (const permit of permits) yield* permit.settle(Outcome.success)
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual([yield* storeOf(a), (yield* a.breaker.snapshot).inFlight], ["shared", 0])
      const text = yield* server.send("HGET", keyOf(), "text")
      const members: ReadonlyArray<readonly [string, number, number]> = text.startsWith("{")
        ? JSON.parse(text).members
        : []
      assert.deepStrictEqual(members.map(([, , running]) => running), members.map(() => 0))
    }).pipe(Effect.scoped))
})
