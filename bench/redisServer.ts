/**
 * A real `redis-server` to measure on: on a port of its own, with nothing kept on disk, and what it says it was asked.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import net, { type AddressInfo } from "node:net"
import { createClient } from "redis"

/** The version of `redis-server`; `undefined` where there is none. */
export const redisVersion: string | undefined = spawnSync("redis-server", ["--version"], { encoding: "utf8" }).stdout
  ?.match(/v=(\S+)/)?.[1]

/** What Redis was asked: by its clients, and by them and their scripts together. */
export interface Asked {
  readonly sent: number
  readonly carriedOut: number
}

export interface Server {
  readonly url: string
  /** What it was asked since the last look. */
  readonly asked: () => Promise<Asked>
  /** The field of a hash; empty where there is none. */
  readonly field: (key: string, field: string) => Promise<string>
  readonly stop: () => Promise<void>
}

// What nobody sends here but scripts, and what the measuring itself sends.
const ofScripts = new Set(["time", "hmget", "hset", "pexpire", "persist", "publish"])
const ofOurs = new Set(["info", "config|resetstat", "hget"])

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once("exit", () => resolve())
    child.kill("SIGKILL")
  })

export const startRedis = async (): Promise<Server> => {
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", ""]
  const child = spawn("redis-server", args, { stdio: "ignore" })
  // Nothing outlives the measuring, however it ends.
  process.on("exit", () => child.kill("SIGKILL"))
  const client = createClient({ url, socket: { reconnectStrategy: (retries) => retries > 250 ? false : 20 } })
  client.on("error", () => undefined)
  await client.connect()
  return {
    url,
    asked: async () => {
      const info = await client.info("commandstats")
      await client.configResetStat()
      let [sent, carriedOut] = [0, 0]
      for (const [, name, calls] of info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)) {
        if (ofOurs.has(name!)) continue
        carriedOut += Number(calls)
        if (!ofScripts.has(name!)) sent += Number(calls)
      }
      return { sent, carriedOut }
    },
    field: async (key, field) => await client.hGet(key, field) ?? "",
    stop: async () => {
      client.destroy()
      await ended(child)
    }
  }
}
