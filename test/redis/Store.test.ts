import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Duration, Effect, Fiber, Layer } from "effect"
import { Outcome } from "effect-breaker"
import type { Redis } from "effect/persistence"
import * as Persistence from "effect/persistence"
import { TestClock } from "effect/testing"
import { Store } from "../../src/redis/Store.ts"
import {
  answerOf,
  countOf,
  eventually,
  fail,
  happened,
  keptOf,
  keyOf,
  mapOf,
  memberOf,
  redisOf,
  storeOf,
  until,
  untilStore
} from "./members.ts"
import { makeServer, type Server, withRedis } from "./server.ts"

/** What somebody else put where the circuit should be. */
const strangers: Record<string, {
  readonly put: (server: Server) => Effect.Effect<string>
  readonly look: (server: Server) => Effect.Effect<string>
  readonly says: RegExp
}> = {
  "a text of a newer format": {
    put: ({ send }) => send("HSET", keyOf(), "format", "2", "version", "7.x.y", "text", "of another kind"),
    look: ({ send }) => send("HGET", keyOf(), "text"),
    says: /^The circuit "openai" is kept in format 2, and this program knows format 1 alone: it leaves it as it is$/
  },
  "a text that is none": {
    put: ({ send }) => send("HSET", keyOf(), "format", "1", "version", "7.x.y", "text", "{\"epoch\":"),
    look: ({ send }) => send("HGET", keyOf(), "text"),
    says: /^What Redis keeps of the circuit "openai" cannot be read$/
  },
  "a key of another kind": {
    put: ({ send }) => Effect.andThen(send("DEL", keyOf()), send("SET", keyOf(), "not yours")),
    look: ({ send }) => send("GET", keyOf()),
    says: /^The circuit "openai" is kept where somebody else keeps a string: it leaves it as it is$/
  }
}

describe.runIf(withRedis)("where Redis keeps", () => {
  for (const [what, { look, put, says }] of Object.entries(strangers)) {
    it.live(`${what}: it is left alone, only this circuit goes on alone, and is shared when the key is gone`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const options = { poll: "100 millis" } as const
        const [a, b] = [yield* memberOf(server, options), yield* memberOf(server, options)]
        const other = yield* memberOf(server, { ...options, name: "anthropic" })
        yield* Effect.forEach([a, b, other], (member) => fail(member))
        yield* eventually(keptOf(server, "anthropic"), (kept) => kept !== undefined)
        yield* Effect.sleep("100 millis")
        yield* put(server)
        const before = yield* look(server)
        yield* Effect.forEach([a, b, other], (member) => fail(member))
        yield* Effect.forEach([a, b], (member) => untilStore(member, "lost"))
        const lost = a.events.find(({ _tag }) => _tag === "StoreLost")
        assert.match(lost?._tag === "StoreLost" ? lost.why : "", says)
        assert.strictEqual(yield* answerOf(a), "an answer")
        yield* fail(a, 3)
        assert.strictEqual(yield* answerOf(a), "Open: consecutive")
        yield* Effect.sleep("300 millis")
        assert.strictEqual(yield* look(server), before)
        assert.deepStrictEqual([yield* storeOf(other), countOf(other, "StoreLost")], ["shared", 0])
        assert.deepStrictEqual(happened(a).filter((one) => one.startsWith("Store")), ["StoreLost"])
        yield* server.send("DEL", keyOf())
        yield* Effect.forEach([a, b], (member) => untilStore(member, "shared"))
        yield* Effect.forEach([a, b], (member) => until(member, "Open"))
        assert.deepStrictEqual(happened(a).filter((one) => one.startsWith("Store")), ["StoreLost", "StoreFound"])
      }).pipe(Effect.scoped))
  }
})

const livesFor = (server: Server, name?: string) => Effect.map(server.send("PTTL", keyOf(name)), Number)

describe.runIf(withRedis)("a key", () => {
  it.live("goes when nobody has told of its circuit for a while", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { idleTimeToLive: "1 second" })
      yield* fail(member)
      yield* eventually(keptOf(server), (kept) => kept !== undefined)
      const left = yield* livesFor(server)
      assert.isTrue(left > 0 && left <= 1000, `${left}`)
      yield* eventually(keptOf(server), (kept) => kept === undefined)
      // And the circuit goes on with what it knew.
      yield* fail(member, 2)
      yield* eventually(keptOf(server), (kept) => kept !== undefined)
      assert.strictEqual(countOf(member, "StoreLost"), 0)
    }).pipe(Effect.scoped))

  it.live("of an open circuit stays until its opening is over, and what is remembered of it", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { idleTimeToLive: "1 second", openDuration: "1 hour" })
      yield* fail(member, 3)
      yield* until(member, "Open")
      assert.isAbove(yield* livesFor(server), 2 * 3_600_000 - 5000)
    }).pipe(Effect.scoped))

  it.live("of an isolated circuit stays for ever where the isolation has no end, and until it is released", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const member = yield* memberOf(server, { idleTimeToLive: "1 minute" })
      yield* member.breaker.isolate({ for: "1 hour" })
      const left = yield* livesFor(server)
      assert.isTrue(left > 3_600_000 && left <= 3_660_000, `${left}`)
      yield* member.breaker.isolate("for good")
      assert.strictEqual(yield* livesFor(server), -1)
      yield* member.breaker.release
      const rest = yield* livesFor(server)
      assert.isTrue(rest > 0 && rest <= 60_000, `${rest}`)
    }).pipe(Effect.scoped))

  it.live("of a throttled circuit stays until the gate opens, and of one with probes for their lease", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const options = { idleTimeToLive: "1 second", openDuration: "50 millis" } as const
      const member = yield* memberOf(server, options)
      const classify = () => Outcome.throttled({ retryAfter: "1 hour" })
      yield* Effect.ignore(member.breaker.execute(Effect.fail("429"), { classify }))
      yield* eventually(livesFor(server), (left) => left > 3_590_000)

      const other = yield* memberOf(server, { ...options, name: "other", halfOpen: { lease: "10 minutes" } })
      yield* fail(other, 3)
      yield* until(other, "Open")
      yield* Effect.sleep("60 millis")
      yield* other.breaker.admit
      assert.isAbove(yield* livesFor(server, "other"), Duration.toMillis("9 minutes"))
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis)("the first call of a program that starts while the circuit is open", () => {
  it.live("is refused, of a breaker and of a map", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const first = yield* memberOf(server)
      yield* fail(first, 3)
      yield* until(first, "Open")
      assert.strictEqual(yield* answerOf(yield* memberOf(server)), "Open: consecutive")
      const map = yield* mapOf(server)
      const refused = yield* Effect.succeed("an answer").pipe(map.execute({ key: "openai" }), Effect.flip)
      assert.strictEqual(refused.reason, "Open")
      assert.strictEqual(yield* Effect.succeed("an answer").pipe(map.execute({ key: "another" })), "an answer")
    }).pipe(Effect.scoped))
})

// ---------------------------------------------------------------------------------------------------------------------

/** How long an answer takes, there and back. */
type Way = readonly [there: number, back: number]

/** How far beside the clock of Redis, which is `ahead`, a process is after each answer. */
const errors = (ahead: (answer: number) => number, ways: ReadonlyArray<Way>) =>
  Effect.gen(function*() {
    let asked = 0
    const answer = Effect.gen(function*() {
      const [there, back] = ways[asked]!
      yield* Effect.sleep(there)
      const micros = Number((yield* Clock.monotonicTimeNanos) / 1000n) + ahead(asked++) * 1000
      yield* Effect.sleep(back)
      return [String(Math.floor(micros / 1e6)), String(micros % 1e6), "found", "", ""]
    })
    const redis = { eval: () => () => answer } as unknown as Redis.Redis["Service"]
    const store = new Store(redis, { prefix: "test", bound: 50, format: 1 })
    const found: Array<number> = []
    for (const [i, [there, back]] of ways.entries()) {
      const reading = yield* Effect.forkChild(store.read("openai"))
      yield* TestClock.adjust(there + back)
      yield* Fiber.join(reading)
      found.push(Math.round(2 * (store.shift! - ahead(i))) / 2)
    }
    return found
  })

describe.runIf(withRedis)("a text that is to live longer than Redis can count", () => {
  it.live("is written, and lives for ever", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const context = yield* Layer.build(redisOf(server))
      const store = new Store(Context.get(context, Persistence.Redis.Redis), { prefix: "test", bound: 50, format: 1 })
      yield* store.read("openai")
      const now = Date.now()
      for (const livesFor of [1e300, Infinity]) {
        const last = yield* store.read("openai")
        const next = { version: `${last.version}1`, text: "a text" }
        assert.isUndefined(yield* store.swap("openai", last.version, next, { livesFor, isNews: false, now }))
        assert.strictEqual(yield* server.send("PTTL", keyOf("openai", "test")), "-1")
      }
    }).pipe(Effect.scoped))
})

describe("Store", () => {
  it.effect("reads the clock of Redis as well as all answers together allow, however slow each was", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* errors(() => 5000, [[80, 0], [0, 80], [40, 40]]), [40, 0, 0])
      assert.deepStrictEqual(yield* errors(() => 5000, [[10, 30], [100, 0], [0, 2]]), [-10, 5, 0])
    }))

  it.effect("believes the last answer where the clock of Redis was set", () =>
    Effect.gen(function*() {
      const ahead = (answer: number) => answer < 2 ? 5000 : answer < 4 ? 65_000 : 1000
      assert.deepStrictEqual(yield* errors(ahead, [[1, 1], [2, 0], [3, 1], [1, 1], [4, 2], [0, 2]]), [
        0,
        0.5,
        1,
        0,
        1,
        -1
      ])
    }))
})
