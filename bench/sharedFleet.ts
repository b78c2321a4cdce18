/**
 * A fleet of real processes, and what is measured on it: closed calls, and how long it takes until all refuse.
 */
import { strictEqual } from "node:assert"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Asked, Server } from "./redisServer.ts"
import { median, over, quantile, type Rounds, shuffled } from "./rounds.ts"
import { clock, type Fails, type Orders, PAUSE, rest } from "./sharedOrders.ts"
import { PERSISTENCE, type PolicyName, SHARED, type SubjectName, subjectNames } from "./sharedSubjects.ts"

type Tell = <N extends keyof Orders>(name: N, ...order: Parameters<Orders[N]>) => ReturnType<Orders[N]>

/** Processes that do as they are told. */
export interface Fleet {
  readonly processes: ReadonlyArray<Tell>
  readonly stop: () => void
}

interface Waiting {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

const started = (): Promise<readonly [ChildProcess, Tell]> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("sharedProcess.ts", import.meta.url)))
    const waiting = new Map<number, Waiting>()
    let asked = 0
    const tell = ((name: string, order: unknown) =>
      new Promise((resolve, reject) => {
        waiting.set(asked, { resolve, reject })
        child.send({ id: asked++, name, order })
      })) as Tell
    child.on("message", (said: "ready" | { id: number; value: never; error?: string }) => {
      if (said === "ready") return resolve([child, tell])
      const one = waiting.get(said.id)!
      waiting.delete(said.id)
      if (said.error === undefined) one.resolve(said.value)
      else one.reject(new Error(said.error))
    })
    child.once("exit", () => {
      const error = new Error("a process of the fleet is gone")
      reject(error)
      for (const one of waiting.values()) one.reject(error)
    })
  })

/** Starts so many processes. They end with this one. */
export const startFleet = async (size: number): Promise<Fleet> => {
  const all = await Promise.all(Array.from({ length: size }, started))
  return { processes: all.map(([, tell]) => tell), stop: () => all.forEach(([child]) => child.kill("SIGKILL")) }
}

const each = <A>(processes: ReadonlyArray<Tell>, order: (tell: Tell, i: number) => Promise<A>): Promise<Array<A>> =>
  Promise.all(processes.map(order))

// ---------------------------------------------------------------------------------------------------------------------
// Closed calls

/** Which closed calls: through which breaker, under which policy, of how many processes, how many at once in each, and how. */
export interface Shape {
  readonly subject: SubjectName
  readonly policy: PolicyName
  readonly processes: number
  readonly concurrency: number
  readonly givesWay: boolean
}

/** What closed calls of one shape come to. */
export interface Closed extends Shape {
  readonly perSecond: number
  readonly from: number
  readonly to: number
  /** What the processes' processors spend on each call, in nanoseconds: Redis and waiting left out. */
  readonly cpuPerCall: number
  /** What Redis was asked for each call: by its clients, and by them and their scripts together. */
  readonly sentPerCall: number
  readonly carriedOutPerCall: number
  /** How many times the calls per second of Effect's breaker that is: median of the ratios, round by round. */
  readonly overPersistence: number | undefined
}

interface Turn {
  readonly perSecond: number
  readonly cpu: number
  readonly sent: number
  readonly carriedOut: number
}

const START = 20

// Every process begins and ends at the same time; every call is home before the turn is over, and where it is measured
// Redis knows of all.
const turnOf = async (
  server: Server,
  fleet: Fleet,
  shape: Shape,
  { isMeasured, millis, name }: { readonly isMeasured: boolean; readonly millis: number; readonly name: string }
): Promise<Turn> => {
  const { concurrency, givesWay, policy, subject } = shape
  const processes = fleet.processes.slice(0, shape.processes)
  await each(processes, (tell) => tell("open", { subject, policy, name, url: server.url }))
  await server.asked()
  const at = clock() + START
  const done = await each(processes, (tell) => tell("run", { at, until: at + millis, concurrency, givesWay }))
  const calls = done.reduce((sum, one) => sum + one.calls, 0)
  if (subject === SHARED && isMeasured) await told(server, name, calls + processes.length)
  const { carriedOut, sent }: Asked = await server.asked()
  strictEqual((await each(processes, (tell) => tell("isClosed"))).every((isClosed) => isClosed), true)
  await each(processes, (tell) => tell("close"))
  const took = Math.max(...done.map(({ doneAt }) => doneAt)) - at
  const cpu = 1e6 * done.reduce((sum, one) => sum + one.cpu, 0) / calls
  return { perSecond: 1000 * calls / took, cpu, sent: sent / calls, carriedOut: carriedOut / calls }
}

// What is told in batches is there a moment later. All of it must be: what is not told costs nothing.
const told = async (server: Server, name: string, calls: number): Promise<void> => {
  let known = -1
  for (const end = clock() + 5000; clock() < end; await rest(5)) {
    const text = await server.field(`effect-breaker:circuit:${name}`, "text")
    known = text === "" ? 0 : (JSON.parse(text) as { counts: { successes: number } }).counts.successes
    if (known === calls) return
  }
  throw new Error(`the fleet made ${calls} calls, and its circuit knows of ${known}`)
}

const nameOf = ({ concurrency, givesWay, policy, processes, subject }: Shape): string =>
  [subject, policy, processes, concurrency, givesWay].join(" / ")

/** Closed calls of every shape, each in turn, in another order in each round. */
export const measureClosed = async (
  server: Server,
  fleet: Fleet,
  shapes: ReadonlyArray<Shape>,
  { millis, rounds }: { readonly millis: number; readonly rounds: number }
): Promise<ReadonlyArray<Closed>> => {
  const turns = new Map<string, Array<Turn>>(shapes.map((shape) => [nameOf(shape), []]))
  // The first round is there to be compiled.
  for (let round = 0; round <= rounds; round++) {
    for (const shape of shuffled(shapes)) {
      const isMeasured = round > 0
      const turn = await turnOf(server, fleet, shape, { isMeasured, millis, name: `${nameOf(shape)} / ${round}` })
      if (isMeasured) turns.get(nameOf(shape))!.push(turn)
    }
  }
  const of = (shape: Shape, field: keyof Turn): Rounds => turns.get(nameOf(shape))!.map((turn) => turn[field])
  return shapes.map((shape) => {
    const perSecond = of(shape, "perSecond")
    return {
      ...shape,
      perSecond: median(perSecond),
      from: quantile(perSecond, 0.25),
      to: quantile(perSecond, 0.75),
      cpuPerCall: median(of(shape, "cpu")),
      sentPerCall: median(of(shape, "sent")),
      carriedOutPerCall: median(of(shape, "carriedOut")),
      overPersistence: shape.subject === PERSISTENCE
        ? undefined
        : median(over(perSecond, of({ ...shape, subject: PERSISTENCE }, "perSecond")))
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Openings

/** How long it takes until all refuse, from the call that trips on. In milliseconds. */
export interface Opening {
  readonly subject: SubjectName
  readonly outage: Outage
  readonly openings: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

/** Who sees the failures: one process, five of them at once; or all, one after each of their pauses. */
export type Outage = "seen by one" | "seen by all"

const limit = 5

const opening = async (processes: ReadonlyArray<Tell>, outage: Outage, tripping: number, key: string) => {
  const at = clock() + START + 4 * PAUSE
  const failsOf = (i: number): Fails => outage === "seen by all" ? "in turn" : i === tripping ? "at once" : "never"
  const all = await each(processes, (tell, i) => tell("watch", { at, key, fails: failsOf(i) }))
  const failedAt = all.flatMap((one) => one.failedAt).toSorted((a, b) => a - b)
  return Math.max(...all.map(({ refusedAt }) => refusedAt)) - failedAt[limit - 1]!
}

const allClosed = async (processes: ReadonlyArray<Tell>): Promise<void> => {
  for (const end = clock() + 10_000; clock() < end; await rest(5)) {
    if ((await each(processes, (tell) => tell("isClosed"))).every((isClosed) => isClosed)) return
  }
  throw new Error("a circuit that was reset did not close in all processes")
}

/** Opens again and again, each time by another process, and both breakers in turn. */
export const measureOpenings = async (
  server: Server,
  { processes }: Fleet,
  openings: number
): Promise<ReadonlyArray<Opening>> => {
  const found: Array<Opening> = []
  for (const outage of ["seen by one", "seen by all"] as const) {
    const took = new Map<SubjectName, Array<number>>()
    const blocks = Math.ceil(openings / BLOCK)
    for (let block = 0; block < blocks; block++) {
      for (const subject of shuffled([SHARED, PERSISTENCE] as const)) {
        const name = `${subject} / ${outage} / ${block}`
        await each(processes, (tell) => tell("open", { subject, policy: "consecutive(5)", name, url: server.url }))
        for (let i = 0; i < BLOCK; i++) {
          const millis = await opening(processes, outage, i % processes.length, `${name} / ${i}`)
          took.set(subject, [...took.get(subject) ?? [], millis])
          await processes[(i + 1) % processes.length]!("reset")
          await allClosed(processes)
        }
        await each(processes, (tell) => tell("close"))
      }
    }
    for (const [subject, all] of took) {
      found.push({
        subject,
        outage,
        openings: all.length,
        p50: median(all),
        p99: quantile(all, 0.99),
        most: Math.max(...all)
      })
    }
  }
  return found.toSorted((a, b) => subjectNames.indexOf(a.subject) - subjectNames.indexOf(b.subject))
}

// So many openings in a row, before it is the other's turn.
const BLOCK = 10
