/** What the others make of a process that ends, and what it goes on with itself. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { CallWindow, TripPolicy } from "effect-breaker"
import { makeProxy } from "./detour.ts"
import { answerOf, eventually, fail, hanging, keptOf, mapOf, memberOf, storeOf, until } from "./members.ts"
import { makeServer, type Server, withRedis } from "./server.ts"

const membersOf = (server: Server) => Effect.map(keptOf(server), (kept) => kept?.members ?? [])

describe.runIf(withRedis)("a process that ends", () => {
  it.live("says so, and no verdict waits for it", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { grace: "1 hour" } as const
      const scope = yield* Scope.make()
      const leaving = yield* Scope.provide(memberOf(server, options), scope)
      const staying = yield* memberOf(server, options)
      yield* fail(leaving)
      yield* eventually(membersOf(server), ({ length }) => length === 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* membersOf(server), [])
      yield* answerOf(staying)
      // Each report reads the clock of Redis anew.
      yield* Effect.sleep("50 millis")
      yield* fail(staying, 3)
      yield* until(staying, "Open")
    }).pipe(Effect.scoped))

  it.live("is forgotten with the calls that ran in it, a few batches after it was killed (rule 24)", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const proxy = yield* makeProxy(server.port)
      const options = {
        tripPolicy: TripPolicy.failureRate({
          threshold: 0.5,
          minimumCalls: 10,
          window: CallWindow.lastDuration("1 minute")
        }),
        batch: { every: "100 millis" },
        poll: "1 hour"
      } as const
      const killed = yield* memberOf(proxy, options)
      const alive = yield* memberOf(server, options)
      yield* Effect.forEach(Array.from({ length: 400 }), () => hanging(killed), { discard: true })
      yield* eventually(membersOf(server), (all) => all.some(([, , running]) => running === 400))
      proxy.swallows = "all"
      yield* eventually(Effect.andThen(fail(alive), alive.breaker.state), ({ _tag }) => _tag === "Open")
      assert.isBelow((yield* alive.breaker.snapshot).failures, 400)
      yield* proxy.cut
    }).pipe(Effect.scoped))

  it.live("is vouched for with each batch, while calls run in it and nothing else happens", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { batch: { every: "100 millis" }, poll: "1 hour" })
      yield* hanging(member)
      const [first] = yield* eventually(membersOf(server), (all) => all.some(([, , running]) => running === 1))
      yield* eventually(membersOf(server), ([now]) => now![1] > first![1] + 300)
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis)("a circuit that is used after its scope was closed", () => {
  it.live("is one of this process alone, and says so", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(memberOf(server), scope)
      assert.strictEqual(yield* answerOf(member), "an answer")
      assert.strictEqual(yield* storeOf(member), "shared")
      yield* Scope.close(scope, Exit.void)
      yield* fail(member, 3)
      assert.deepStrictEqual([(yield* member.breaker.state)._tag, yield* storeOf(member)], ["Open", "lost"])
      yield* member.breaker.reset
      assert.strictEqual(yield* answerOf(member), "an answer")
    }).pipe(Effect.scoped))

  it.live("refuses, where no call is wanted without the others", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const scope = yield* Scope.make()
      const member = yield* Scope.provide(memberOf(server, { onStoreError: "fail" }), scope)
      yield* answerOf(member)
      yield* Scope.close(scope, Exit.void)
      const refused = yield* Effect.flip(member.breaker.execute(Effect.void))
      assert.include(refused.message, "the scope of its layer is closed")
    }).pipe(Effect.scoped))

  it.live("is one of this process alone in a map too, where it is asked for later", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const scope = yield* Scope.make()
      const map = yield* Scope.provide(mapOf(server), scope)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.ignore(Effect.fail("529").pipe(map.execute({ key: "large" })))
      const breaker = yield* map.get("large")
      yield* fail({ breaker, events: [] }, 2)
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis)("many orders at once", () => {
  it.live("are all carried out, in their order, where Redis is well", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [a, b] = [yield* memberOf(server), yield* memberOf(server)]
      yield* answerOf(a)
      const all = [a.breaker.isolate("bad deploy"), ...Array.from({ length: 59 }, () => a.breaker.setMode("enforce"))]
      yield* Effect.all(all, { concurrency: "unbounded", discard: true })
      yield* Effect.forEach([a, b], (member) => until(member, "Isolated"))
    }).pipe(Effect.scoped))
})
