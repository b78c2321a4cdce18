/**
 * A fleet of real processes on one circuit, over a real Redis.
 *
 * `npm run test:fleet` runs all of it and prints what was measured; `npm test` only what takes seconds. `FLEET_SECONDS` is
 * how long each of the long ones goes on (default 10), `FLEET_SEED` replays what a seed chose; `FLEET_KEEP=1` keeps what
 * was seen, as it is kept where something was wrong.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { CallWindow, TripPolicy } from "effect-breaker"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { count, figures, shown, timesToAll, waits } from "./figures.ts"
import { type Fleet, makeFleet, untilAll, type Worker } from "./fleet.ts"
import { type Promised, violations } from "./historyChecker.ts"
import type { Stand } from "./journal.ts"
import { failing, healthy } from "./provider.ts"
import { makeProxy, type Weather } from "./proxy.ts"
import { makeServer, type Server, withRedis } from "./server.ts"

const isLong = process.env.TEST_FLEET === "1"
const seconds = Number(process.env.FLEET_SECONDS ?? 10)
const seed = Number(process.env.FLEET_SEED ?? Math.floor(Math.random() * 2 ** 31))
if (isLong) console.info(`processes: FLEET_SEED=${seed} FLEET_SECONDS=${seconds}`)

/** On a busy machine a process may have to wait for its turn longer than for Redis. */
const patient = { bound: "2 seconds", grace: "1 second" } as const

const promised: Promised = { concurrency: 1, successes: 3, outOf: 3, lease: 30_000, longestWait: 5000 }

/** How many commands Redis has carried out, those inside of scripts included, and how many of them were scripts. */
const commands = (server: Server) =>
  Effect.map(server.send("INFO", "commandstats"), (said) => {
    let all = 0
    let scripts = 0
    for (const [, name, calls] of said.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)) {
      if (name === "info" || name?.startsWith("config")) continue
      all += Number(calls)
      if (name === "evalsha") scripts += Number(calls)
    }
    return { all, scripts }
  })

/** Waits until so many hear the news. */
const heard = (server: Server, members: number): Effect.Effect<void> =>
  Effect.flatMap(
    server.send("PUBSUB", "NUMSUB", "effect-breaker:news"),
    (said) =>
      said.endsWith(`:${members}`) ? Effect.void : Effect.andThen(Effect.sleep("20 millis"), heard(server, members))
  )

const say = (text: string) => Effect.sync(() => console.info(`processes: ${text}`))

let kept = 0

/** Ends all processes, and reads what they saw. */
const judged = (fleet: Fleet, expected: Partial<Promised> = {}) =>
  Effect.gen(function*() {
    yield* fleet.all((worker) => worker.finish)
    const history = fleet.history()
    const found = violations(history, { ...promised, ...expected }).slice(0, 20)
    if (found.length > 0 || process.env.FLEET_KEEP === "1") {
      const file = path.join(os.tmpdir(), `fleet-${seed}-${process.pid}-${++kept}.jsonl`)
      fs.writeFileSync(file, history.map((line) => JSON.stringify(line)).join("\n"))
      console.info(`processes: FLEET_SEED=${seed}, the whole history is in ${file}`)
    }
    assert.deepStrictEqual(found, [])
    return history
  })

/** Chance that can be had again. */
const chance = (seed: number) => {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    between: (least: number, most: number) => least + (most - least) * next(),
    one: <A>(all: ReadonlyArray<A>): A | undefined => all[Math.floor(next() * all.length)]
  }
}

const isOver = (since: number) => performance.now() - since > seconds * 1000

describe.runIf(withRedis)("eight processes on one circuit", () => {
  it.live("share one verdict and every order; while it is closed, calls cost Redis nothing", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const fleet = yield* makeFleet(server, {
        size: 8,
        options: { ...patient, tripPolicy: TripPolicy.consecutive(5), batch: { calls: 500, every: "1 hour" } }
      })
      const [first] = fleet.workers
      yield* heard(server, 9)
      const before = yield* commands(server)
      yield* fleet.all((worker) => worker.tell({ _tag: "burst", calls: 499 }))
      assert.deepStrictEqual(yield* commands(server), before)

      yield* fleet.all((worker) => worker.tell({ _tag: "burst", calls: 10_000 }))
      const after = yield* commands(server)
      const batches = 8 * (10_499 / 500)
      assert.isAtMost(after.scripts - before.scripts, 3 * batches)
      assert.isAtMost(after.all - before.all, 6 * (after.scripts - before.scripts))

      fleet.provider.behave = failing()
      yield* Effect.forEach(fleet.workers.slice(0, 5), (worker) => worker.tell({ _tag: "call", calls: 1 }), {
        concurrency: "unbounded"
      })
      yield* untilAll(fleet, ({ generation, state }) => state === "Open" && generation === 1)
      const refused = yield* fleet.all((worker) => worker.tell({ _tag: "call", calls: 5 }))
      assert.deepStrictEqual(refused.map(({ how }) => how), Array.from({ length: 8 }, () => ({ rejected: 5 })))

      fleet.provider.behave = healthy()
      yield* first!.order({ _tag: "isolate", note: "bad deploy" })
      yield* untilAll(fleet, ({ state }) => state === "Isolated")
      yield* first!.order({ _tag: "release" })
      yield* untilAll(fleet, ({ generation, state }) => state === "Closed" && generation === 3)
      yield* first!.order({ _tag: "trip", openFor: 3_600_000 })
      yield* untilAll(fleet, ({ generation, state }) => state === "Open" && generation === 4)
      yield* first!.order({ _tag: "setMode", mode: "observe" })
      yield* untilAll(fleet, ({ mode }) => mode === "observe")
      yield* first!.order({ _tag: "setMode", mode: "enforce" })
      yield* untilAll(fleet, ({ mode }) => mode === "enforce")
      yield* first!.order({ _tag: "reset" })
      yield* untilAll(
        fleet,
        ({ generation, openings, state }) => state === "Closed" && generation === 5 && openings === 0
      )
      fleet.provider.behave = () => ({ after: 1, say: "throttle 3600000" })
      yield* first!.tell({ _tag: "call", calls: 1 })
      yield* untilAll(fleet, ({ isThrottled, state }) => isThrottled && state === "Closed")

      const history = yield* judged(fleet)
      const opened = history.filter((line) => line.what === "transition" && line.to === "Open" && line.generation === 1)
      assert.strictEqual(opened.length, 8)
      yield* say(
        `${8 * 10_000} calls, ${after.all - before.all} commands, ${
          after.scripts - before.scripts
        } scripts for ${batches} batches`
      )
    }).pipe(Effect.scoped))
})

describe.runIf(withRedis && isLong)("eight processes on one circuit, for long", () => {
  it.live("open together, over and over", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const fleet = yield* makeFleet(server, {
        size: 8,
        options: {
          ...patient,
          tripPolicy: TripPolicy.consecutive(5),
          openDuration: "100 millis",
          halfOpen: { successes: 1 }
        }
      })
      const random = chance(seed)
      yield* fleet.all((worker) => worker.tell({ _tag: "rate", perSecond: 25 }))
      for (const since = performance.now(); !isOver(since);) {
        yield* untilAll(fleet, ({ state }) => state === "Closed")
        yield* Effect.sleep(random.between(20, 200))
        fleet.provider.behave = failing()
        yield* untilAll(fleet, ({ state }) => state !== "Closed")
        fleet.provider.behave = healthy()
      }
      const history = yield* judged(fleet, { successes: 1, outOf: 1 })
      yield* say(`from the tripping call to the last process refusing: ${shown(figures(timesToAll(history, 5)))}`)
      yield* say(`waits for a decision: ${shown(figures(waits(history)))}`)
    }).pipe(Effect.scoped), 600_000)

  it.live(
    "never probe more than they may, though they are killed and stopped at any moment",
    () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const halfOpen = { concurrency: 3, successes: 5, outOf: 7, lease: 400 }
        const fleet = yield* makeFleet(server, {
          size: 9,
          impatience: { share: 0.05, millis: 40 },
          options: { ...patient, tripPolicy: TripPolicy.consecutive(2), openDuration: "100 millis", halfOpen }
        })
        const random = chance(seed)
        fleet.provider.behave = () => {
          const luck = random.next()
          return luck < 0.2
            ? { after: random.between(1, 50), say: "fail" }
            : luck < 0.23
            ? { after: undefined, say: "ok" }
            : { after: random.between(5, 120), say: "ok" }
        }
        yield* fleet.all((worker) => worker.tell({ _tag: "rate", perSecond: 20 }))
        const starting: Array<Fiber.Fiber<unknown>> = []
        let killed = 0
        let stopped = 0
        for (const since = performance.now(); !isOver(since);) {
          yield* Effect.sleep(random.between(50, 400))
          const worker = random.one(fleet.running())
          if (worker === undefined) continue
          if (random.next() < 0.3) {
            killed++
            yield* worker.kill
            const start = Effect.flatMap(fleet.start(), (worker) => worker.tell({ _tag: "rate", perSecond: 20 }))
            starting.push(yield* Effect.forkScoped(start))
          } else {
            stopped++
            yield* worker.stop
            yield* Effect.forkScoped(Effect.andThen(Effect.sleep(random.between(50, 1200)), worker.resume))
          }
        }
        yield* Effect.sleep("1500 millis")
        // On a busy machine one may take longer to start than all of this.
        yield* Fiber.joinAll(starting)
        fleet.provider.answerAll("ok")
        fleet.provider.behave = healthy()
        yield* untilAll(fleet, ({ state }) => state === "Closed")
        const history = yield* judged(fleet, halfOpen)
        const probes = count(history, (line) => line.what === "began" && line.lease !== undefined)
        const openings = new Set(
          history.flatMap((line) => line.what === "news" && line.tag === "Open" ? [line.generation] : [])
        )
        yield* say(`${killed} killed, ${stopped} stopped, ${probes} probes, ${openings.size} openings`)
        yield* say(`waits for a decision: ${shown(figures(waits(history)))}`)
      }).pipe(Effect.scoped),
    600_000
  )

  it.live("ramp with the share of the calls of all", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const share = 0.25
      const fleet = yield* makeFleet(server, {
        size: 8,
        options: {
          ...patient,
          halfOpen: { successes: 1 },
          ramp: { shares: [share], every: "1 second", minimumCalls: 1_000_000 }
        }
      })
      yield* fleet.workers[0]!.order({ _tag: "trip", openFor: 100 })
      yield* untilAll(fleet, ({ state }) => state === "Open")
      yield* fleet.all((worker) => worker.tell({ _tag: "rate", perSecond: 40 }))
      yield* untilAll(fleet, ({ stage }) => stage === "Ramping")
      yield* Effect.sleep(seconds * 500)
      const history = yield* judged(fleet, { successes: 1, outOf: 1, share })
      const given = count(history, (line) => line.what === "admitted" && line.step !== undefined)
      const refused = count(history, (line) => line.what === "returned" && line.reason === "HalfOpen")
      assert.isAbove(given, 0)
      yield* say(`a share of ${share}: ${given} of ${given + refused} calls of eight processes`)
      yield* say(`waits on the ramp: ${shown(figures(waits(history)))}`)
    }).pipe(Effect.scoped), 600_000)

  it.live("are moved by no probe that comes home after its lease", () =>
    Effect.gen(function*() {
      const server = yield* makeServer()
      const fleet = yield* makeFleet(server, {
        size: 3,
        options: {
          ...patient,
          tripPolicy: TripPolicy.failureCount({ count: 1, window: CallWindow.lastCalls(10) }),
          openDuration: "100 millis",
          halfOpen: { successes: 1, lease: 500 }
        }
      })
      const [stopped, other] = fleet.workers as [Worker, Worker]
      const late = (say: string) =>
        Effect.gen(function*() {
          yield* other.order({ _tag: "trip", openFor: 100 })
          yield* untilAll(fleet, ({ state }) => state === "Open")
          yield* Effect.sleep("150 millis")
          fleet.provider.behave = () => ({ after: undefined, say: "ok" })
          yield* Effect.forkScoped(stopped.tell({ _tag: "call", calls: 1 }))
          yield* stopped.until(({ inFlight }) => inFlight === 1)
          yield* stopped.stop
          yield* Effect.sleep("550 millis")
          // Its lease is over: that is a failed probe, as the next ask finds. The one after that closes the circuit.
          fleet.provider.behave = healthy()
          assert.deepStrictEqual((yield* other.tell({ _tag: "call", calls: 1 })).how, { rejected: 1 })
          yield* Effect.sleep("150 millis")
          assert.deepStrictEqual((yield* other.tell({ _tag: "call", calls: 1 })).how, { value: 1 })
          const { generation } = yield* other.until(({ state }) => state === "Closed")
          assert.strictEqual(fleet.provider.answerAll(say), 1)
          yield* stopped.resume
          yield* untilAll(fleet, (stand) => stand.state === "Closed" && stand.generation === generation)
          yield* stopped.until(({ inFlight }) => inFlight === 0)
          // Each tells something, so that what it knew is told by now.
          const calls = yield* fleet.all((worker) => worker.tell({ _tag: "call", calls: 1 }))
          assert.deepStrictEqual(calls.map(({ how }) => how), calls.map(() => ({ value: 1 })))
          const stands = yield* fleet.all(({ stand }) => stand)
          assert.deepStrictEqual(stands.map(({ generation, state }) => [state, generation]), [
            ["Closed", generation],
            ["Closed", generation],
            ["Closed", generation]
          ])
        })
      yield* late("fail")
      yield* late("ok")
      yield* judged(fleet, { successes: 1, outOf: 1, lease: 500 })
    }).pipe(Effect.scoped), 600_000)

  it.live(
    "hold through a Redis that is killed, stopped and emptied, and a network that delays, cuts and drops",
    () =>
      Effect.gen(function*() {
        const server = yield* makeServer()
        const proxies = yield* Effect.all([makeProxy(server.port), makeProxy(server.port)])
        const halfOpen = { concurrency: 2, successes: 3, outOf: 5, lease: 1000 }
        const fleet = yield* makeFleet(server, {
          size: 10,
          impatience: { share: 0.05, millis: 40 },
          url: (number) => proxies[number]?.url ?? proxies[number - 2]?.url,
          options: {
            bound: "200 millis",
            poll: "500 millis",
            tripPolicy: TripPolicy.consecutive(4),
            openDuration: "300 millis",
            halfOpen
          }
        })
        const random = chance(seed)
        const deeds = new Map<string, number>()
        const did = (deed: string, to: string) => {
          deeds.set(deed, (deeds.get(deed) ?? 0) + 1)
          fleet.did(deed, to)
        }
        let failsNow = 0
        fleet.provider.behave = () =>
          random.next() < failsNow
            ? { after: random.between(1, 20), say: "fail" }
            : { after: random.between(2, 60), say: "ok" }
        yield* fleet.all((worker) => worker.tell({ _tag: "rate", perSecond: 15 }))
        const storm: ReadonlyArray<() => Effect.Effect<void>> = [
          () =>
            Effect.gen(function*() {
              did("kill", "redis")
              yield* server.kill
              yield* Effect.sleep(random.between(0, 1000))
              yield* server.start
            }),
          () =>
            Effect.gen(function*() {
              did("stop", "redis")
              server.process()?.kill("SIGSTOP")
              yield* Effect.sleep(random.between(50, 1500))
              server.process()?.kill("SIGCONT")
            }),
          () => Effect.suspend(() => (did("flush", "redis"), Effect.asVoid(server.send("SCRIPT", "FLUSH")))),
          () =>
            Effect.gen(function*() {
              const weather = random.one<Weather>([
                { _tag: "cut" },
                { _tag: "drop" },
                { _tag: "drop", toward: "redis" },
                { _tag: "drop", toward: "client" },
                { _tag: "pass", delay: random.between(5, 300) }
              ])!
              const proxy = random.one(proxies)!
              did(weather._tag === "pass" ? "delay" : weather._tag, "proxy")
              proxy.change(weather)
              yield* Effect.sleep(random.between(50, 1500))
              proxy.change({ _tag: "pass" })
            }),
          () =>
            Effect.gen(function*() {
              const worker = random.one(fleet.running())
              if (worker === undefined) return
              deeds.set("SIGSTOP", (deeds.get("SIGSTOP") ?? 0) + 1)
              yield* worker.stop
              yield* Effect.sleep(random.between(50, 1500))
              yield* worker.resume
            })
        ]
        for (const since = performance.now(); !isOver(since);) {
          failsNow = random.one([0, 0.1, 0.3, 1])!
          yield* random.one(storm)!()
          yield* Effect.sleep(random.between(100, 1000))
        }
        failsNow = 0
        // It is over: all come to share one circuit again, by themselves.
        const epochOf = ({ version }: Stand) => version.split(".")[2]
        const agreed = Effect.suspend(() =>
          Effect.map(fleet.all(({ stand }) => stand), (stands) =>
            stands.every((one) =>
              one.store === "shared" && one.state === "Closed" && one.generation === stands[0]!.generation &&
              epochOf(one) === epochOf(stands[0]!)
            ))
        )
        yield* Effect.repeat(Effect.andThen(Effect.sleep("50 millis"), agreed), {
          until: (isSo) =>
            isSo
        })
        const history = yield* judged(fleet, { ...halfOpen, longestWait: 3000 })
        const told = [...deeds].map(([deed, times]) =>
          `${times} ${deed}`
        ).join(", ")
        const lost = count(history, ({ what }) => what === "lost")
        const openings = new Set(
          history.flatMap((line) =>
            line.what === "news" && line.tag === "Open" ? [`${line.epoch} ${line.generation}`] : []
          )
        )
        yield* say(
          `${told}; lost ${lost} times, ${openings.size} openings, ${fleet.provider.calls()} calls reached the provider`
        )
        yield* say(`waits for a decision: ${shown(figures(waits(history)))}`)
      }).pipe(Effect.scoped),
    600_000
  )
})
