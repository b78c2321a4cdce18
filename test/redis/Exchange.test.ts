import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { makeProxy } from "./detour.ts"
import {
  answerOf,
  eventually,
  fail,
  hanging,
  happened,
  keptOf,
  keyOf,
  type Member,
  memberOf,
  storeOf,
  until,
  untilStore,
  versionOf
} from "./members.ts"
import { makeServer, type Server, withTime } from "./server.ts"

const transitions = (member: Member) => happened(member).filter((one) => one.includes("→"))

const soon = { openDuration: "100 millis", halfOpen: { successes: 1 } } as const

/** Asks until Redis is found to be lost. */
const lost = (member: Member) =>
  eventually(Effect.andThen(answerOf(member), storeOf(member)), (store) => store === "lost")

/** Two processes, the first of which reaches Redis through a proxy. */
const pair = (options: Parameters<typeof memberOf>[1] = {}) =>
  Effect.gen(function*() {
    const server = yield* makeServer()
    const proxy = yield* makeProxy(server.port)
    const all = { poll: "50 millis", ...options } as const
    const far = yield* memberOf(proxy, { bound: "200 millis", ...all })
    const near = yield* memberOf(server, all)
    return {
      server,
      proxy,
      far,
      near,
      away: Effect.andThen(Effect.sync(() => proxy.swallows = "all"), lost(far)),
      back: Effect.gen(function*() {
        proxy.swallows = "nothing"
        yield* proxy.cut
        yield* untilStore(far, "shared")
      })
    }
  })

/** Two processes that know the same, and a Redis that both lose. */
const both = (options: Parameters<typeof memberOf>[1] = {}) =>
  Effect.gen(function*() {
    const server = yield* makeServer()
    const all = { poll: "50 millis", ...options } as const
    const [a, b] = [yield* memberOf(server, all), yield* memberOf(server, all)]
    return {
      server,
      a,
      b,
      away: Effect.andThen(server.kill, Effect.forEach([a, b], lost)),
      back: Effect.andThen(server.start, Effect.forEach([a, b], (member) => untilStore(member, "shared")))
    }
  })

describe.runIf(withTime)("when Redis is back", () => {
  it.live("forgets an opening of one process alone, where Redis still has what was known", () =>
    Effect.gen(function*() {
      const { away, back, far, near } = yield* pair()
      yield* answerOf(near)
      yield* away
      yield* fail(far, 3)
      assert.strictEqual((yield* far.breaker.state)._tag, "Open")
      yield* back
      yield* until(far, "Closed")
      assert.deepStrictEqual(transitions(far), ["Closed → Open", "Open → Closed"])
      assert.deepStrictEqual(transitions(near), [])
    }).pipe(Effect.scoped))

  it.live("does not open again a circuit that has recovered while one process was away", () =>
    Effect.gen(function*() {
      const { away, back, far, near } = yield* pair({ openDuration: "1 hour" })
      yield* fail(near, 3)
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      yield* away
      yield* near.breaker.reset
      assert.strictEqual(yield* answerOf(far), "Open: consecutive")
      yield* back
      yield* until(far, "Closed")
      assert.deepStrictEqual(transitions(near), ["Closed → Open", "Open → Closed"])
    }).pipe(Effect.scoped))

  it.live("keeps open what broke, for those too who never noticed, where Redis is empty", () =>
    Effect.gen(function*() {
      const { a, away, b, back } = yield* both()
      yield* Effect.forEach([a, b], answerOf)
      yield* away
      yield* fail(a, 3)
      assert.strictEqual(yield* answerOf(b), "an answer")
      yield* back
      yield* until(b, "Open")
      yield* Effect.sleep("100 millis")
      for (const member of [a, b]) {
        assert.deepStrictEqual(transitions(member), ["Closed → Open"])
        assert.strictEqual((yield* member.breaker.state).generation, 1)
      }
    }).pipe(Effect.scoped))

  it.live("keeps closed what recovered, though others come back with the opening, where Redis is empty", () =>
    Effect.gen(function*() {
      const { a, away, b, back } = yield* both({ ...soon, openDuration: "4 seconds" })
      yield* fail(a, 3)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      yield* away
      yield* eventually(answerOf(a), (answer) => answer === "an answer")
      assert.strictEqual((yield* a.breaker.state)._tag, "Closed")
      yield* back
      yield* until(b, "Closed")
      yield* Effect.sleep("100 millis")
      assert.deepStrictEqual(transitions(a), ["Closed → Open", "Open → HalfOpen", "HalfOpen → Closed"])
      assert.deepStrictEqual(transitions(b), ["Closed → Open", "Open → Closed"])
    }).pipe(Effect.scoped))

  it.live("keeps one opening one, whoever of those that know it comes back first, where Redis is empty", () =>
    Effect.gen(function*() {
      const { a, away, b, back, server } = yield* both()
      yield* fail(a, 3)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      yield* away
      yield* back
      yield* eventually(keptOf(server), (kept) => kept?.state._tag === "Open")
      yield* Effect.sleep("200 millis")
      for (const member of [a, b]) assert.deepStrictEqual(transitions(member), ["Closed → Open"])
      assert.strictEqual((yield* keptOf(server))?.state.generation, 1)
    }).pipe(Effect.scoped))

  it.live("brings along an opening of a process that started without Redis", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      yield* server.kill
      const first = yield* memberOf(server)
      yield* fail(first, 3)
      assert.strictEqual(yield* answerOf(first), "Open: consecutive")
      yield* server.start
      yield* untilStore(first, "shared")
      yield* eventually(keptOf(server), (kept) => kept?.state._tag === "Open")
      assert.strictEqual(yield* answerOf(yield* memberOf(server)), "Open: consecutive")
      assert.deepStrictEqual(transitions(first), ["Closed → Open"])
    }).pipe(Effect.scoped))

  it.live("writes back what everybody knows, where all was flushed and nobody noticed", () =>
    Effect.gen(function*() {
      const { a, server } = yield* both()
      yield* fail(a, 3)
      yield* until(a, "Open")
      yield* server.send("FLUSHALL")
      const late = yield* memberOf(server)
      assert.strictEqual(yield* answerOf(late), "an answer")
      yield* fail(late)
      yield* eventually(Effect.andThen(answerOf(a), late.breaker.state), ({ _tag }) => _tag === "Open")
      assert.deepStrictEqual(transitions(a), ["Closed → Open"])
    }).pipe(Effect.scoped))
})

/** A text and its version, to be put back. */
const remembered = (server: Server) =>
  Effect.gen(function*() {
    const [version, text] = [
      yield* server.send("HGET", keyOf(), "version"),
      yield* server.send("HGET", keyOf(), "text")
    ]
    return server.send("HSET", keyOf(), "version", version, "text", text)
  })

describe.runIf(withTime)("after a failover that lost writes", () => {
  it.live("opens for all what had opened", () =>
    Effect.gen(function*() {
      const { a, b, server } = yield* both()
      yield* fail(a)
      const failOver = yield* Effect.delay(remembered(server), "50 millis")
      yield* fail(a, 2)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      yield* failOver
      yield* eventually(Effect.andThen(answerOf(b), keptOf(server)), (kept) => kept?.state._tag === "Open")
      yield* Effect.sleep("100 millis")
      for (const member of [a, b]) assert.deepStrictEqual(transitions(member), ["Closed → Open"])
    }).pipe(Effect.scoped))

  it.live("does not open again what had closed", () =>
    Effect.gen(function*() {
      const { a, b, server } = yield* both()
      yield* fail(a, 3)
      yield* Effect.forEach([a, b], (member) => until(member, "Open"))
      const failOver = yield* remembered(server)
      yield* a.breaker.reset
      yield* Effect.forEach([a, b], (member) => until(member, "Closed"))
      yield* failOver
      yield* fail(b)
      yield* eventually(keptOf(server), (kept) => kept?.state._tag === "Closed")
      assert.strictEqual(yield* answerOf(yield* memberOf(server)), "an answer")
      for (const member of [a, b]) assert.deepStrictEqual(transitions(member), ["Closed → Open", "Open → Closed"])
    }).pipe(Effect.scoped))

  it.live("tells a process that has nothing to tell itself, though its count of texts is the higher one", () =>
    Effect.gen(function*() {
      const { a, b, server } = yield* both()
      yield* fail(a)
      const failOver = yield* Effect.delay(remembered(server), "50 millis")
      for (const mode of ["observe", "enforce", "observe", "enforce"] as const) yield* a.breaker.setMode(mode)
      yield* failOver
      yield* fail(a, 2)
      yield* until(a, "Open")
      yield* until(b, "Open")
    }).pipe(Effect.scoped))
})

describe.runIf(withTime)("after a replica was promoted that had not heard the last of it", () => {
  const promoted = (before: (members: ReadonlyArray<Member>) => Effect.Effect<unknown, Error>) =>
    Effect.gen(function*() {
      const [master, replica] = [yield* makeServer(), yield* makeServer()]
      const proxy = yield* makeProxy(master.port)
      const options = { poll: "50 millis", batch: { every: "50 millis" }, openDuration: "1 hour" } as const
      const members = [yield* memberOf(proxy, options), yield* memberOf(proxy, options)]
      yield* before(members)
      yield* replica.send("REPLICAOF", "127.0.0.1", String(master.port))
      yield* eventually(
        Effect.all([versionOf(master), versionOf(replica)]),
        ([there, here]) => here === there && !here.startsWith("$")
      )
      yield* replica.send("REPLICAOF", "NO", "ONE")
      const failOver = Effect.suspend(() => {
        proxy.target = replica.port
        return Effect.andThen(master.kill, proxy.cut)
      })
      return { members, replica, failOver, late: memberOf(proxy, options) }
    })

  it.live("what had opened stays open", () =>
    Effect.gen(function*() {
      const { failOver, late, members, replica } = yield* promoted(([a]) => fail(a!))
      yield* fail(members[0]!, 2)
      yield* Effect.forEach(members, (member) => until(member, "Open"))
      yield* failOver
      yield* eventually(
        Effect.andThen(Effect.forEach(members, answerOf), keptOf(replica)),
        (kept) => kept?.state._tag === "Open"
      )
      assert.strictEqual(yield* answerOf(yield* late), "Open: consecutive")
      for (const member of members) assert.deepStrictEqual(transitions(member), ["Closed → Open"])
    }).pipe(Effect.scoped))

  it.live("what had closed stays closed", () =>
    Effect.gen(function*() {
      const { failOver, late, members, replica } = yield* promoted((members) =>
        Effect.andThen(fail(members[0]!, 3), Effect.forEach(members, (member) => until(member, "Open")))
      )
      yield* members[0]!.breaker.reset
      yield* Effect.forEach(members, (member) => until(member, "Closed"))
      yield* failOver
      yield* eventually(
        Effect.andThen(Effect.forEach(members, answerOf), keptOf(replica)),
        (kept) => kept?.state._tag === "Closed"
      )
      assert.strictEqual(yield* answerOf(yield* late), "an answer")
    }).pipe(Effect.scoped))
})

describe.runIf(withTime)("a probe", () => {
  it.live("whose leave was given and reached nobody is given back", () =>
    Effect.gen(function*() {
      const { back, far, near, proxy, server } = yield* pair({ ...soon, halfOpen: { successes: 2 } })
      yield* fail(near, 2)
      yield* fail(far)
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      yield* Effect.sleep("110 millis")
      proxy.swallows = "answers"
      // It goes on alone.
      assert.strictEqual(yield* answerOf(far), "an answer")
      assert.strictEqual(yield* storeOf(far), "lost")
      assert.strictEqual((yield* keptOf(server))?.state.running?.length, 1)
      assert.strictEqual(yield* answerOf(near), "HalfOpen: consecutive")
      yield* back
      yield* eventually(keptOf(server), (kept) => kept?.state.running?.length === 0)
      yield* eventually(answerOf(near), (answer) => answer === "an answer")
    }).pipe(Effect.scoped))

  it.live("that ends while Redis is away counts for all when it is back", () =>
    Effect.gen(function*() {
      const { back, far, near, proxy, server } = yield* pair(soon)
      yield* fail(near, 3)
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      yield* Effect.sleep("110 millis")
      const release = yield* hanging(far)
      assert.strictEqual((yield* keptOf(server))?.state.running?.length, 1)
      proxy.swallows = "all"
      yield* lost(far)
      yield* release("success")
      // Here it closes at once, and for all when Redis is back.
      assert.strictEqual((yield* far.breaker.state)._tag, "Closed")
      assert.strictEqual((yield* near.breaker.state)._tag, "HalfOpen")
      yield* back
      yield* Effect.forEach([far, near], (member) => until(member, "Closed"))
      assert.strictEqual((yield* far.breaker.snapshot).inFlight, 0)
    }).pipe(Effect.scoped))

  it.live("that runs while Redis goes and comes back counts once, for all", () =>
    Effect.gen(function*() {
      const { away, back, far, near, server } = yield* pair(soon)
      yield* fail(near, 3)
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      yield* Effect.sleep("110 millis")
      const release = yield* hanging(far)
      yield* away
      yield* back
      yield* eventually(far.breaker.state, ({ _tag }) => _tag === "HalfOpen")
      assert.strictEqual((yield* keptOf(server))?.state.running?.length, 1)
      yield* release("failure")
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      const { failures, inFlight } = yield* far.breaker.snapshot
      assert.deepStrictEqual({ failures, inFlight }, { failures: 1, inFlight: 0 })
    }).pipe(Effect.scoped))

  it.live("that outlives its lease and then ends is told once, and no more", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { ...soon, halfOpen: { successes: 1, lease: "50 millis" } })
      yield* fail(member, 3)
      yield* until(member, "Open")
      yield* Effect.sleep("110 millis")
      const release = yield* hanging(member)
      yield* Effect.sleep("60 millis")
      yield* release("success")
      const version = yield* Effect.delay(server.send("HGET", keyOf(), "version"), "100 millis")
      yield* Effect.sleep("100 millis")
      assert.strictEqual(yield* server.send("HGET", keyOf(), "version"), version)
    }).pipe(Effect.scoped))

  it.live("that still runs when its layer's scope closes is given back", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const [member, other] = [yield* memberOf(server, soon), yield* memberOf(server, soon)]
      yield* Effect.scoped(Effect.gen(function*() {
        const brief = yield* memberOf(server, soon)
        yield* fail(member, 3)
        yield* Effect.forEach([member, brief, other], (one) => until(one, "Open"))
        yield* Effect.sleep("110 millis")
        const permit = yield* brief.breaker.admit
        assert.strictEqual((yield* keptOf(server))?.state.running?.length, 1)
        return permit
      }))
      assert.strictEqual((yield* keptOf(server))?.state.running?.length, 0)
      yield* eventually(answerOf(other), (answer) => answer === "an answer")
    }).pipe(Effect.scoped))

  it.live("of another process that is never heard of again does not open the circuit of one that is alone", () =>
    Effect.gen(function*() {
      const { away, far, near } = yield* pair({ ...soon, halfOpen: { successes: 1, lease: "300 millis" } })
      yield* fail(near, 3)
      yield* Effect.forEach([far, near], (member) => until(member, "Open"))
      yield* Effect.sleep("110 millis")
      yield* hanging(near)
      yield* until(far, "HalfOpen")
      yield* away
      yield* Effect.sleep("310 millis")
      assert.strictEqual(yield* answerOf(far), "an answer")
      assert.strictEqual((yield* far.breaker.state)._tag, "Closed")
    }).pipe(Effect.scoped))
})

describe.runIf(withTime)("an order", () => {
  it.live("that is given while Redis is away holds here at once, and once for all when it is back", () =>
    Effect.gen(function*() {
      const { away, back, far, near, server } = yield* pair()
      yield* answerOf(near)
      yield* away
      yield* far.breaker.isolate({ note: "bad deploy", by: "ada", for: "1 hour" })
      assert.strictEqual(yield* answerOf(far), "Isolated: isolated")
      assert.strictEqual(yield* answerOf(near), "an answer")
      yield* back
      yield* until(near, "Isolated")
      yield* eventually(keptOf(server), (kept) => kept?.state._tag === "Isolated")
      assert.strictEqual(yield* answerOf(far), "Isolated: isolated")
      yield* near.breaker.release
      yield* Effect.forEach([far, near], (member) => until(member, "Closed"))
      assert.deepStrictEqual(transitions(near), ["Closed → Isolated", "Isolated → Closed"])
      assert.deepStrictEqual(transitions(far), ["Closed → Isolated", "Isolated → Closed"])
    }).pipe(Effect.scoped))

  it.live("that was carried out, though nobody said so, is not carried out again", () =>
    Effect.gen(function*() {
      const { back, far, near, proxy } = yield* pair()
      yield* far.breaker.setMode("enforce")
      proxy.swallows = "answers"
      yield* far.breaker.isolate("bad deploy")
      assert.strictEqual(yield* storeOf(far), "lost")
      yield* until(near, "Isolated")
      yield* near.breaker.release
      yield* back
      yield* until(far, "Closed")
      yield* Effect.sleep("200 millis")
      assert.deepStrictEqual(transitions(near), ["Closed → Isolated", "Isolated → Closed"])
      assert.strictEqual((yield* far.breaker.state)._tag, "Closed")
    }).pipe(Effect.scoped))

  it.live("that was given while Redis was away is not carried out again where Redis is empty", () =>
    Effect.gen(function*() {
      const { a, away, b, back } = yield* both()
      yield* Effect.forEach([a, b], answerOf)
      yield* away
      yield* a.breaker.trip({ openFor: "1 hour" })
      yield* back
      yield* until(b, "Open")
      yield* Effect.sleep("100 millis")
      for (const member of [a, b]) {
        assert.deepStrictEqual(transitions(member), ["Closed → Open"])
        assert.strictEqual((yield* member.breaker.state).generation, 1)
      }
    }).pipe(Effect.scoped))

  it.live("for a while holds for as long as it was given for, however late Redis is back", () =>
    Effect.gen(function*() {
      const { away, back, far, near } = yield* pair()
      yield* answerOf(near)
      yield* away
      yield* far.breaker.isolate({ for: "1 hour" })
      const { since } = yield* far.breaker.state
      yield* Effect.sleep("1 second")
      yield* back
      const state = yield* until(near, "Isolated")
      const endsAt = state.since + Duration.toMillis(state.retryAfter)
      assert.isBelow(Math.abs(endsAt - since - 3_600_000), 500)
    }).pipe(Effect.scoped))
})
