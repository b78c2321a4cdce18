/**
 * What a call costs in larger windows and larger maps.
 */
import { Effect } from "effect"
import { strictEqual } from "node:assert"
import { Breaker, CallWindow, type TripPolicies, TripPolicy } from "./library.ts"
import type { Filled } from "./memory.ts"
import { body, type Loop, median, minus, over, type Rounds, time } from "./rounds.ts"
import { counted, runs } from "./subjects.ts"

/** Nanoseconds that a call adds, and how much that is of what it adds at the smallest size. */
export interface Size {
  readonly name: string
  readonly added: number
  readonly ratio: number
}

interface Turns {
  readonly calls: number
  readonly rounds: number
  readonly warmUp: number
}

const half = (window: CallWindows): TripPolicies.TripPolicy =>
  TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window })
type CallWindows = Parameters<typeof TripPolicy.failureRate>[0]["window"]

const slowHalf = (window: CallWindows): TripPolicies.TripPolicy =>
  TripPolicy.anyOf(
    half(window),
    TripPolicy.slowRate({ slowAfter: "30 seconds", threshold: 0.5, minimumCalls: 10, window })
  )

const lastCalls = [10, 1000, 100_000]
const lastDurations: ReadonlyArray<readonly [string, CallWindows]> = [
  ["lastDuration(1 second, 10 buckets)", CallWindow.lastDuration("1 second")],
  ["lastDuration(1 minute, 10 buckets)", CallWindow.lastDuration("1 minute")],
  ["lastDuration(1 hour, 3600 buckets)", CallWindow.lastDuration("1 hour", { buckets: 3600 })]
]

export interface Windows {
  readonly lastCalls: ReadonlyArray<Size>
  readonly lastDuration: ReadonlyArray<Size>
}

/** Windows of 10 to 100 000 calls, all of them full; and windows of time with few and with many buckets. */
export const measureWindows = async (turns: Turns): Promise<Windows> => {
  const loop = (name: string, tripPolicy: TripPolicies.TripPolicy): Loop => {
    const breaker = Effect.runSync(Breaker.make({ name, tripPolicy }))
    const inFiber = runs(breaker.execute(counted))
    return { name, runsBody: 1, run: (n) => Effect.runPromise(inFiber(n)) }
  }
  const inFiber = runs(counted)
  const bare: Loop = { name: "bare", runsBody: 1, run: (n) => Effect.runPromise(inFiber(n)) }
  const byCalls = lastCalls.map((calls) =>
    loop(`lastCalls(${calls.toLocaleString("en")})`, half(CallWindow.lastCalls(calls)))
  )
  const byDuration = lastDurations.map(([name, window]) => loop(name, slowHalf(window)))
  // Every ring goes round more than once before anything is timed.
  for (const one of byCalls) await one.run(2.5 * lastCalls.at(-1)!)
  const took = await time([bare, ...byCalls, ...byDuration], turns)
  const added = (name: string): Rounds => minus(took(name), took("bare"))
  return { lastCalls: sizes(byCalls, added), lastDuration: sizes(byDuration, added) }
}

export interface Circuits {
  /** A hundred busy circuits among all of them: what the number of the others adds to a call. */
  readonly busy: ReadonlyArray<Size>
  /** Every circuit as likely as any other. */
  readonly ours: ReadonlyArray<Size>
  /** Finding an object in a plain `Map` of the same keys: what the memory of the machine makes of random access. */
  readonly plainMap: ReadonlyArray<Size>
}

const BUSY = 100

const busyOf = (keys: ReadonlyArray<string>): ReadonlyArray<string> =>
  keys.length <= BUSY ? keys : Array.from({ length: BUSY }, (_, i) => keys[Math.floor(i * keys.length / BUSY)]!)

/** Maps with more and more circuits, asked for random keys: of a hundred, and of all. */
export const measureCircuits = async (maps: ReadonlyArray<Filled>, turns: Turns): Promise<Circuits> => {
  const inFiber = runs(counted)
  const bare: Loop = { name: "bare", runsBody: 1, run: (n) => Effect.runPromise(inFiber(n)) }
  const named = (what: string, { keys }: Filled): string =>
    `${what}, ${keys.length.toLocaleString("en")} key${keys.length === 1 ? "" : "s"}`
  const ours = maps.map((filled): Loop => ({
    name: named("BreakerMap", filled),
    runsBody: 1,
    run: randomly(filled.keys, (key) => filled.map.execute(counted, { key }))
  }))
  const busy = maps.map((filled): Loop => ({
    name: named(`${busyOf(filled.keys).length} busy of BreakerMap`, filled),
    runsBody: 1,
    run: randomly(busyOf(filled.keys), (key) => filled.map.execute(counted, { key }))
  }))
  const plain = maps.map((filled): Loop => {
    const map = new Map(filled.keys.map((key) => [key, { uses: 0 }]))
    return {
      name: named("plain Map", filled),
      runsBody: 1,
      run: randomly(filled.keys, (key) =>
        Effect.sync(() => {
          map.get(key)!.uses++
          body.runs++
          return 1
        }))
    }
  })
  const took = await time([bare, ...busy, ...ours, ...plain], turns)
  for (const { keys, map } of maps) {
    const [first, last] = await Effect.runPromise(
      Effect.all([map.get(keys[0]!), map.get(keys.at(-1)!)]).pipe(
        Effect.flatMap((both) => Effect.all(both.map(({ snapshot }) => snapshot)))
      )
    )
    strictEqual(first!.state, "Closed")
    strictEqual(last!.successes > 0, true)
  }
  const added = (name: string): Rounds => minus(took(name), took("bare"))
  return { busy: sizes(busy, added), ours: sizes(ours, added), plainMap: sizes(plain, added) }
}

const sizes = (loops: ReadonlyArray<Loop>, added: (name: string) => Rounds): ReadonlyArray<Size> =>
  loops.map(({ name }) => ({
    name,
    added: median(added(name)),
    ratio: median(over(added(name), added(loops[0]!.name)))
  }))

const randomly =
  (keys: ReadonlyArray<string>, call: (key: string) => Effect.Effect<number, unknown>) =>
  (n: number): Promise<number> =>
    Effect.runPromise(Effect.gen(function*() {
      let at = Math.floor(Math.random() * 2 ** 32)
      let sum = 0
      for (let i = 0; i < n; i++) {
        // The upper digits of a linear congruence: cheap, and it comes to every key.
        at = (Math.imul(at, 1_664_525) + 1_013_904_223) >>> 0
        sum += yield* call(keys[Math.floor(at / 2 ** 32 * keys.length)]!)
      }
      return sum
    }))
