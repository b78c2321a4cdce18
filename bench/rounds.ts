/**
 * Timing and weighing loops of calls against each other.
 *
 * All loops take short turns in one process, in another order in each round, so that whatever slows the machine down
 * slows all of them. A turn begins with an empty young generation and is long enough to pay for its own collections.
 * Every turn must give back as many right outcomes as it made calls.
 */
import { strictEqual } from "node:assert"
import v8 from "node:v8"

/** Many calls of one kind. */
export interface Loop {
  readonly name: string
  /** How many calls a turn makes, as a share of the usual number: less than 1 for what is slow. */
  readonly share?: number
  /** How often the body runs in one call: once, or never where the call is refused. */
  readonly runsBody: 0 | 1
  /** Makes `n` calls, one after the other, and gives the number of those that ended as they should. */
  readonly run: (n: number) => Promise<number>
}

/** What every measured body counts, so that no call can be optimized away, or pass for refused. */
export const body = { runs: 0 }

const turn = async (loop: Loop, n: number): Promise<number> => {
  // What the turn before left behind is not this one's to clean up.
  collect("minor")
  const runs = body.runs
  const start = process.hrtime.bigint()
  const right = await loop.run(n)
  const took = Number(process.hrtime.bigint() - start)
  strictEqual(right, n, `${loop.name}: ${right} of ${n} calls ended as they should`)
  strictEqual(body.runs - runs, loop.runsBody * n, `${loop.name}: how often the body ran`)
  return took / n
}

/** The same in another order. */
export const shuffled = <A>(all: ReadonlyArray<A>): Array<A> => {
  const order = [...all]
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1))
    const one = order[i]!
    order[i] = order[j]!
    order[j] = one
  }
  return order
}

/** One value for each round. */
export type Rounds = ReadonlyArray<number>

/** Nanoseconds per call of each loop in each round, by name. */
export const time = async (
  loops: ReadonlyArray<Loop>,
  { calls, rounds, warmUp }: { readonly calls: number; readonly rounds: number; readonly warmUp: number }
): Promise<(name: string) => Rounds> => {
  const callsOf = (loop: Loop, n: number): number => Math.max(Math.round(n * (loop.share ?? 1)), 1)
  const took = new Map<string, Array<number>>(loops.map(({ name }) => [name, []]))
  strictEqual(took.size, loops.length, "every loop has its own name")
  // Warmed up in turns as well: what is compiled for the first loop alone must not stay so.
  for (let i = 0; i < 10; i++) for (const loop of loops) await turn(loop, callsOf(loop, warmUp / 10))
  for (let i = 0; i < rounds; i++) {
    for (const loop of shuffled(loops)) took.get(loop.name)!.push(await turn(loop, callsOf(loop, calls)))
  }
  return (name) => {
    const all = took.get(name)
    if (all === undefined) throw new Error(`no loop is named ${name}`)
    return all
  }
}

/** Runs the collector, as `--expose-gc` lets us. A `minor` run leaves compiled code alone, a `major` one does not. */
export const collect = (type: "minor" | "major"): void => {
  if (globalThis.gc === undefined) throw new Error("run node with --expose-gc")
  globalThis.gc({ type })
}

// Far below what the young generation holds: no collection runs between the two looks at the heap.
const BATCH_BYTES = 400_000

/** The bytes that one call leaves for the collector: median of many small batches, less what a single call leaves. */
export const garbage = async (loop: Loop, batches: number): Promise<number> => {
  const weigh = async (n: number): Promise<number> => {
    collect("minor")
    const before = v8.getHeapStatistics().used_heap_size
    strictEqual(await loop.run(n), n)
    return v8.getHeapStatistics().used_heap_size - before
  }
  const guess = Math.max(await weigh(200), 0) / 200
  const calls = Math.min(Math.max(Math.floor(BATCH_BYTES / Math.max(guess, 1)), 50), 2000)
  const weights: Array<number> = []
  for (let i = 0; i < batches; i++) weights.push(await weigh(calls) - await weigh(1))
  return median(weights) / (calls - 1)
}

/** The value that a share of the others are below. */
export const quantile = (values: Rounds, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)]!
}

export const median = (values: Rounds): number => quantile(values, 0.5)

/** Two measures put together round by round, so that what both met in a round cancels out. */
export const zip = (a: Rounds, b: Rounds, f: (a: number, b: number) => number): Rounds =>
  a.map((value, i) => f(value, b[i]!))

export const minus = (a: Rounds, b: Rounds): Rounds => zip(a, b, (a, b) => a - b)

export const over = (a: Rounds, b: Rounds): Rounds => zip(a, b, (a, b) => a / b)
