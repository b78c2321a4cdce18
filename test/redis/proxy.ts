/**
 * A stretch of network between some processes and Redis that a test can make slow, cut, or drop what it carries.
 */
import { Effect, type Scope } from "effect"
import net, { type AddressInfo } from "node:net"

/**
 * What becomes of what is sent:
 *
 * - `pass` after `delay` milliseconds each way (default none);
 * - `drop`: connections stay, and nothing arrives;
 * - `cut`: connections are broken off, and new ones too.
 *
 * With `toward` it happens in one direction only, and the other passes.
 */
export type Weather =
  | { readonly _tag: "pass"; readonly delay?: number | undefined; readonly toward?: "redis" | "client" | undefined }
  | { readonly _tag: "drop"; readonly toward?: "redis" | "client" | undefined }
  | { readonly _tag: "cut" }

export interface Proxy {
  readonly url: string
  readonly weather: () => Weather
  /** From now on. What was dropped before is lost: a connection that something is missing from is broken off. */
  readonly change: (weather: Weather) => void
  /** How many bytes never arrived. */
  readonly dropped: () => number
}

export const makeProxy = (port: number): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() =>
      new Promise<Proxy & { readonly close: () => void }>((resolve) => {
        let weather: Weather = { _tag: "pass" }
        let dropped = 0
        const pairs = new Set<() => void>()
        const torn = new Set<() => void>()
        const server = net.createServer((client) => {
          if (weather._tag === "cut") return client.destroy()
          const redis = net.connect(port, "127.0.0.1")
          const breakOff = () => {
            pairs.delete(breakOff)
            torn.delete(breakOff)
            client.destroy()
            redis.destroy()
          }
          pairs.add(breakOff)
          const carry = (from: net.Socket, to: net.Socket, toward: "redis" | "client") => {
            // One after the other: what is sent later must not arrive before.
            const underWay: Array<readonly [at: number, data: Buffer]> = []
            const arrive = () => {
              const now = performance.now()
              while (underWay.length > 0 && underWay[0]![0] <= now) to.write(underWay.shift()![1])
              if (underWay.length > 0) setTimeout(arrive, Math.max(underWay[0]![0] - now, 1))
            }
            from.setNoDelay(true).on("error", breakOff).on("close", breakOff).on("data", (data: Buffer) => {
              const isHere = weather._tag !== "cut" && (weather.toward ?? toward) === toward
              if (weather._tag === "drop" && isHere) {
                dropped += data.length
                torn.add(breakOff)
                return
              }
              const delay = weather._tag === "pass" && isHere ? weather.delay ?? 0 : 0
              if (delay === 0 && underWay.length === 0) return void to.write(data)
              underWay.push([performance.now() + delay, data])
              if (underWay.length === 1) arrive()
            })
          }
          carry(client, redis, "redis")
          carry(redis, client, "client")
        })
        server.listen(0, "127.0.0.1", () =>
          resolve({
            url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
            weather: () => weather,
            dropped: () => dropped,
            change: (next) => {
              weather = next
              for (const breakOff of weather._tag === "cut" ? pairs : weather._tag === "pass" ? torn : []) breakOff()
            },
            close: () => {
              for (const breakOff of pairs) breakOff()
              server.close()
            }
          }))
      })
    ),
    (proxy) => Effect.sync(proxy.close)
  )
