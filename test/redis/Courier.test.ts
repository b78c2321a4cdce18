import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { answerOf, countOf, eventually, fail, goOn, happened, memberOf, stop, untilStore } from "./fleet.ts"
import { makeServer, type Server, withRedis } from "./server.ts"

/** Ways in which Redis goes, and comes back. */
const losses: Record<string, {
  readonly lose: (server: Server) => Effect.Effect<unknown>
  readonly find: (server: Server) => Effect.Effect<unknown>
}> = {
  "is killed, and comes back empty": { lose: ({ kill }) => kill, find: ({ start }) => start },
  "is stopped, and goes on": { lose: stop, find: goOn },
  "takes no more, its memory being full": {
    lose: ({ send }) =>
      Effect.andThen(send("CONFIG", "SET", "maxmemory-policy", "noeviction"), send("CONFIG", "SET", "maxmemory", "1")),
    find: ({ send }) => send("CONFIG", "SET", "maxmemory", "0")
  },
  "becomes a replica, which nobody may write": {
    lose: ({ send }) => send("REPLICAOF", "127.0.0.1", "1"),
    find: ({ send }) => send("REPLICAOF", "NO", "ONE")
  }
}

describe.runIf(withRedis)("a circuit whose Redis", () => {
  for (const [how, { find, lose }] of Object.entries(losses)) {
    it.live(`${how} goes on alone, says so, and is shared again`, () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const [a, b] = [yield* memberOf(server), yield* memberOf(server)]
        assert.deepStrictEqual([yield* answerOf(a), yield* answerOf(b)], ["an answer", "an answer"])
        yield* lose(server)
        yield* fail(a)
        yield* fail(b)
        for (const member of [a, b]) {
          yield* untilStore(member, "lost")
          assert.strictEqual(yield* answerOf(member), "an answer")
        }
        yield* fail(a, 3)
        assert.strictEqual(yield* answerOf(a), "Open: consecutive")
        assert.strictEqual(yield* answerOf(b), "an answer")
        yield* find(server)
        for (const member of [a, b]) {
          yield* untilStore(member, "shared")
          assert.deepStrictEqual([countOf(member, "StoreLost"), countOf(member, "StoreFound")], [1, 1])
        }
        assert.deepStrictEqual(happened(a).filter((one) => one.startsWith("Store")), ["StoreLost", "StoreFound"])
        // From now on failures add up again.
        yield* eventually(
          Effect.andThen(fail(b, 3), Effect.all([a.breaker.state, b.breaker.state])),
          (states) => states.every(({ _tag }) => _tag === "Open")
        )
      }).pipe(Effect.scoped))
  }
})
