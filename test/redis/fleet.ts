/**
 * Real processes on a real Redis: started, told what to do, stopped and killed by a test, which reads what they saw.
 */
import { Effect, type Scope } from "effect"
import type { SharedBreaker } from "effect-breaker/redis"
import * as esbuild from "esbuild"
import { type ChildProcess, spawn } from "node:child_process"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { createClient } from "redis"
import { type Line, monotonic, type News, read, type Stand } from "./journal.ts"
import { makeProvider, type Provider } from "./provider.ts"
import type { Server } from "./server.ts"
import type { Command, Order, Said, Task } from "./worker.ts"

type Done = Extract<Said, { readonly _tag: "done" }>

/** One process. */
export interface Worker {
  readonly id: string
  /** Whether it runs, and is not stopped. */
  readonly isRunning: () => boolean
  readonly tell: (command: Command) => Effect.Effect<Done>
  readonly order: (order: Order) => Effect.Effect<void>
  readonly stand: Effect.Effect<Stand>
  /** Waits until it stands like this. */
  readonly until: (where: (stand: Stand) => boolean) => Effect.Effect<Stand>
  /** At once, with nothing said to anybody. */
  readonly kill: Effect.Effect<void>
  readonly stop: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /** Ends it by itself, once its calls are over. */
  readonly finish: Effect.Effect<void>
}

export interface Fleet {
  readonly server: Server
  readonly provider: Provider
  readonly workers: Array<Worker>
  /** Those that run. */
  readonly running: () => ReadonlyArray<Worker>
  readonly start: (url?: string) => Effect.Effect<Worker, never, Scope.Scope>
  /** All that run do something, at the same time. */
  readonly all: <A>(f: (worker: Worker) => Effect.Effect<A>) => Effect.Effect<ReadonlyArray<A>>
  /** What Redis, the provider and all processes saw, in order. */
  readonly history: () => ReadonlyArray<Line>
  /** The test did something: it stands in the history. */
  readonly did: (deed: string, to: string) => void
}

export interface FleetOptions {
  readonly size: number
  readonly options?: Partial<SharedBreaker.Options> | undefined
  readonly impatience?: Task["impatience"]
  /** How a process finds Redis, by its number. */
  readonly url?: ((number: number) => string | undefined) | undefined
}

/** Starts processes on one circuit. The end of the scope ends them. */
export const makeFleet = (
  server: Server,
  { impatience, options = {}, size, url = () => undefined }: FleetOptions
): Effect.Effect<Fleet, never, Scope.Scope> =>
  Effect.gen(function*() {
    const program = yield* bundled
    const provider = yield* makeProvider
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "fleet-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    const prefix = options.prefix ?? "effect-breaker"
    const news = yield* observe(server, prefix)
    const deeds: Array<Line> = []
    const did = (deed: string, to: string) => deeds.push({ by: "test", at: monotonic(), what: "did", deed, to })
    const workers: Array<Worker> = []
    const files: Array<string> = []
    const start = (at = url(workers.length) ?? server.url) =>
      Effect.gen(function*() {
        const id = `p${files.length}`
        const journal = path.join(folder, `${id}.jsonl`)
        files.push(journal)
        fs.writeFileSync(journal, "")
        const task: Task = {
          id,
          url: at,
          journal,
          provider: provider.port,
          options: { name: "openai", ...options },
          impatience
        }
        const worker = yield* makeWorker(program, task, did)
        workers.push(worker)
        return worker
      })
    yield* Effect.all(Array.from({ length: size }, (_, i) => start(url(i))), { concurrency: "unbounded" })
    workers.sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)))
    const running = () => workers.filter((worker) => worker.isRunning())
    return {
      server,
      provider,
      workers,
      running,
      start,
      did,
      all: (f) => Effect.forEach(running(), f, { concurrency: "unbounded" }),
      history: () => [...files.flatMap(read), ...provider.journal, ...news, ...deeds].toSorted((a, b) => a.at - b.at)
    } satisfies Fleet
  })

/** Waits until all stand like this. */
export const untilAll = (fleet: Fleet, where: (stand: Stand) => boolean): Effect.Effect<ReadonlyArray<Stand>> =>
  fleet.all((worker) => worker.until(where))

// ---------------------------------------------------------------------------------------------------------------------

const root = path.join(import.meta.dirname, "../..")

// One file that starts quickly: to load and translate hundreds of modules takes a process longer than all that it does.
const bundled = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "fleet-program-"))
    const outfile = path.join(folder, "worker.mjs")
    await esbuild.build({
      entryPoints: [path.join(import.meta.dirname, "worker.ts")],
      outfile,
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      logLevel: "error",
      alias: {
        "effect-breaker/redis": path.join(root, "src/redis/index.ts"),
        "effect-breaker": path.join(root, "src/index.ts")
      },
      banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` }
    })
    return { folder, outfile }
  }),
  ({ folder }) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
).pipe(Effect.map(({ outfile }) => outfile))

const makeWorker = (
  program: string,
  task: Task,
  did: (deed: string, to: string) => void
): Effect.Effect<Worker, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<{ readonly child: ChildProcess; readonly worker: Worker; readonly gone: Promise<void> }>(
        (resolve, reject) => {
          const child = spawn(process.execPath, [program, JSON.stringify(task)], {
            stdio: ["ignore", "ignore", "pipe", "ipc"]
          })
          let complaint = ""
          child.stderr!.setEncoding("utf8").on("data", (part: string) => complaint += part)
          const waiting = new Map<number, (said: Done) => void>()
          let asked = 0
          let isStopped = false
          let isGone = false
          const gone = new Promise<void>((over) =>
            child.once("exit", (code, signal) => {
              isGone = true
              if (code !== 0 && signal === null) {
                did(`ended with ${code}: ${complaint}`, task.id)
                reject(new Error(`process ${task.id} ended with ${code}:\n${complaint}`))
              }
              over()
            })
          )
          // Whoever is told something may be killed before it is done: then nothing comes of it.
          const tell = (command: Command): Effect.Effect<Done> =>
            Effect.callback((resume) => {
              const of = asked++
              waiting.set(of, (said) => resume(Effect.succeed(said)))
              child.send({ command, of }, (error) => {
                if (error !== null) resume(Effect.die(error))
              })
            })
          const stand = Effect.map(tell({ _tag: "stand" }), ({ stand }) => stand)
          const until: Worker["until"] = (where) =>
            Effect.flatMap(stand, (found) =>
              where(found) ? Effect.succeed(found) : Effect.andThen(Effect.sleep("50 millis"), until(where)))
          const signal = (name: "SIGKILL" | "SIGSTOP" | "SIGCONT") =>
            Effect.sync(() => {
              isStopped = name === "SIGSTOP"
              did(name, task.id)
              child.kill(name)
            })
          const worker: Worker = {
            id: task.id,
            isRunning: () =>
              !isGone && !isStopped,
            tell,
            order: (order) => Effect.asVoid(tell({ _tag: "order", order })),
            stand,
            until,
            kill: Effect.andThen(signal("SIGKILL"), Effect.promise(() => gone)),
            stop: signal("SIGSTOP"),
            resume: signal("SIGCONT"),
            finish: Effect.andThen(tell({ _tag: "finish" }), Effect.promise(() => gone))
          }
          child.on("message", (said: Said) => {
            if (said._tag === "up") resolve({ child, worker, gone })
            else {
              waiting.get(said.of)?.(said)
              waiting.delete(said.of)
            }
          })
        }
      )
    ),
    ({ child, gone }) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await gone
      })
  ).pipe(Effect.map(({ worker }) => worker))

// Hears what is written to Redis, in the order of writing.
const observe = (server: Server, prefix: string): Effect.Effect<ReadonlyArray<Line>, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const news: Array<Line> = []
      const client = createClient({ url: server.url, socket: { reconnectStrategy: 20 } })
      client.on("error", () => {})
      await client.connect()
      await client.subscribe(`${prefix}:news`, (message) => {
        const [, version = "", ...text] = message.split("\n")
        const read = newsOf(version, text.join("\n"))
        if (read !== undefined) news.push({ by: "redis", at: monotonic(), ...read })
      })
      return { client, news }
    }),
    ({ client }) => Effect.sync(() => client.destroy())
  ).pipe(Effect.map(({ news }) => news))

// What `Stored` writes, as far as its history goes: read without it, so that neither can hide what the other does.
const newsOf = (version: string, text: string): News | undefined => {
  const [count, member = "", epoch = ""] = version.split(".")
  const { state } = JSON.parse(text)
  const isProbing = state._tag === "Probing"
  const isRamping = state._tag === "Ramping"
  return {
    what: "news",
    epoch,
    count: Number(count),
    member,
    tag: isProbing || isRamping ? "HalfOpen" : state._tag,
    stage: isProbing || isRamping ? state._tag : undefined,
    generation: state.generation,
    since: state.since,
    until: state.until ?? undefined,
    rule: state.cause?.rule,
    leases: isProbing ? state.running.map(([id, from]: readonly [string, number]) => [id, from]) : [],
    passed: state.passed ?? 0,
    failed: state.failed ?? 0,
    asked: state.asked ?? 0,
    admitted: state.admitted ?? 0,
    step: isRamping ? state.step : undefined
  }
}
