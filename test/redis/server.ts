/**
 * A real `redis-server` for a test: on a port of its own, with nothing kept on disk, gone when the scope closes.
 */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import type { Redis } from "effect/persistence"
import { type ChildProcess, spawn } from "node:child_process"
import net, { type AddressInfo } from "node:net"
import { isThere } from "../metrics/scenes.ts"

/** Whether there is a `redis-server`: without it the tests that need one are skipped, and say so. */
export const withRedis = isThere("redis-server", "nothing is shared over a real Redis")

/** Whether there is time for what takes long: `npm run test:fleet`. */
export const withTime = withRedis && process.env.TEST_FLEET === "1"

/** A server that can be stopped, killed and started again on the same port. */
export interface Server {
  readonly port: number
  readonly url: string
  /** The process, while there is one. */
  readonly process: () => ChildProcess | undefined
  readonly start: Effect.Effect<void>
  /** At once, with nothing said to anybody; what it kept is gone. */
  readonly kill: Effect.Effect<void>
  /** Speaks to it over a connection of its own. */
  readonly send: (...command: ReadonlyArray<string>) => Effect.Effect<string>
}

export const freePort = Effect.promise(() =>
  new Promise<number>((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
)

/** Starts a server. `args` go to it as they are. */
export const makeServer = (...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const port = yield* freePort
      let child: ChildProcess | undefined
      const send = (...command: ReadonlyArray<string>) => Effect.promise(() => say(port, command))
      // Another test's server may have been quicker to take the port: then this one has ended.
      const isUp = Effect.suspend(() => child?.exitCode === null ? send("INFO", "server") : Effect.fail(taken)).pipe(
        Effect.flatMap((said) => said.includes(`process_id:${child?.pid}\r\n`) ? Effect.void : Effect.fail(said)),
        Effect.catchDefect(Effect.fail),
        Effect.retry({ schedule: Schedule.spaced("20 millis"), until: (why) => why === taken })
      )
      const start = Effect.suspend(() => {
        const settings = ["--port", String(port), "--bind", "127.0.0.1", ...nothingOnDisk, ...args]
        child = spawn("redis-server", settings, { stdio: "ignore" })
        return isUp
      })
      const server: Server = {
        port,
        url: `redis://127.0.0.1:${port}`,
        process: () => child,
        start: Effect.orDie(start),
        kill: Effect.promise(async () => {
          const dying = child
          child = undefined
          if (dying === undefined || dying.exitCode !== null) return
          const gone = new Promise((resolve) => dying.once("exit", resolve))
          dying.kill("SIGKILL")
          await gone
        }),
        send
      }
      yield* start
      return server
    }).pipe(Effect.retry({ times: 5 }), Effect.orDie),
    (server) => server.kill
  )

// A replica would keep what it is sent in a file, and the next server that is started there read it.
const nothingOnDisk = ["--save", "", "--repl-diskless-sync-delay", "0", "--repl-diskless-load", "on-empty-db"]

const taken = "the port is taken"

/** A client of its own, as another process would have. */
export const clientOf = ({ url }: { readonly url: string }): Layer.Layer<Redis.Redis> =>
  Layer.orDie(Layer.fresh(NodeRedis.layer({ url })))

// A command over a bare socket: what a test asks of the server shall not be what it tests.
const say = (port: number, command: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1")
    let said = ""
    socket.setTimeout(2000, () => socket.destroy(new Error("no answer")))
    socket.on("error", reject)
    socket.on("data", (data) => {
      said += data.toString()
      if (said.endsWith("\r\n")) {
        socket.end()
        resolve(said.replace(/^[+:-]|^\$\d+\r\n/, "").trimEnd())
      }
    })
    socket.write(
      `*${command.length}\r\n${command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`
    )
  })
