/**
 * `REDIS_URL=redis://127.0.0.1:6379 npm run example:fleet`: three processes share one circuit through an outage.
 *
 * Each is a program of its own, which calls a provider twenty times a second. When that goes down their failures add up to
 * one verdict: one opening for all, a single probe when it is over, and one closing.
 */
import { Clock, Deferred, Effect, Layer, Schedule, Stream } from "effect"
import { Breaker, TripPolicy, withBreaker } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import { FakeProvider, Fault } from "effect-breaker/testing"
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { isThere, Redis } from "./fleet/redis.ts"

const SIZE = 3

/** What a process tells the first one: that it is there, or that its circuit changed its state. */
interface Said {
  readonly to: Breaker.State["_tag"]
  readonly generation: number
  readonly why: string
}

// ---------------------------------------------------------------------------------------------------------------------
// One process
// ---------------------------------------------------------------------------------------------------------------------

const OpenAiBreaker = SharedBreaker.layer({
  name: "openai",
  // Another run shares nothing with this one.
  prefix: `effect-breaker:example:${process.env.RUN}`,
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "1 second",
  halfOpen: { successes: 1 }
}).pipe(Layer.provide(Redis))

const ask = Effect.tryPromise(async (signal) => {
  const body = JSON.stringify({ model: "demo", messages: [{ role: "user", content: "Hello?" }] })
  const answer = await fetch(`${process.env.PROVIDER}/chat/completions`, { method: "POST", body, signal })
  if (!answer.ok) throw new Error(`${answer.status}`)
  return answer.text()
})

const service = Effect.gen(function*() {
  const breaker = yield* Breaker.Breaker
  const say = ({ to, generation, why }: Said) => Effect.sync(() => process.send!({ to, generation, why }))
  const tell = Stream.runForEach(breaker.events, (event) => {
    if (event._tag !== "Transitioned") return Effect.void
    const { cause, generation, to } = event
    return say({ to, generation, why: cause === undefined ? "" : `${cause.rule}, ${cause.value} of ${cause.limit}` })
  })
  yield* Effect.forkScoped(tell, { startImmediately: true })
  yield* say({ to: "Closed", generation: 0, why: "it is there" })
  yield* ask.pipe(withBreaker, Effect.ignore, Effect.repeat(Schedule.spaced("50 millis")))
})

// ---------------------------------------------------------------------------------------------------------------------
// The first process, which starts the others
// ---------------------------------------------------------------------------------------------------------------------

const fleet = Effect.gen(function*() {
  yield* isThere
  const provider = yield* FakeProvider.make()
  const began = yield* Clock.currentTimeMillis
  const openings = new Map<number, Set<number>>()
  // How many stand where the fleet is to go next, and who waits for all of them.
  let [goal, there, arrived] = ["Closed", new Set<number>(), yield* Deferred.make<void>()]
  const all = (to: Breaker.State["_tag"]) =>
    Effect.gen(function*() {
      const next = yield* Deferred.make<void>()
      ;[goal, there, arrived] = [to, new Set(), next]
      yield* Deferred.await(next)
    })
  const hear = (number: number) => ({ generation, to, why }: Said) => {
    console.log(
      `${String(Date.now() - began).padStart(5)} ms  process ${number}: ${to}, generation ${generation}  ${why}`
    )
    if (to === "Open") openings.set(generation, (openings.get(generation) ?? new Set()).add(number))
    if (to === goal && there.add(number).size === SIZE) Deferred.doneUnsafe(arrived, Effect.void)
  }
  const env = { ...process.env, PROVIDER: provider.baseUrl, RUN: crypto.randomUUID() }
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      Array.from(
        { length: SIZE },
        (_, i) => fork(fileURLToPath(import.meta.url), { env, execArgv: process.execArgv }).on("message", hear(i + 1))
      )
    ),
    (children) => Effect.sync(() => children.forEach((child) => child.kill()))
  )
  yield* Deferred.await(arrived)

  console.log("         the provider goes down")
  yield* provider.setHealth({ faults: [{ fault: Fault.overloaded, share: 1 }] })
  yield* all("Open")
  console.log("         the provider is well again")
  yield* provider.setHealth({})
  yield* all("Closed")

  const failed = (yield* provider.journal).filter(({ status }) => status !== 200).length
  const [[generation, processes] = []] = openings
  console.log(`${openings.size} opening, of generation ${generation}, in ${processes?.size} of ${SIZE} processes`)
  console.log(`${failed} calls failed before all refused`)
})

const isService = process.send !== undefined && process.env.RUN !== undefined
if (isService) process.on("disconnect", () => process.exit())
await Effect.runPromise(Effect.scoped(isService ? Effect.provide(service, OpenAiBreaker) : fleet))
