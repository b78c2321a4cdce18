/**
 * A TCP proxy before a Redis: it delays, swallows, cuts, refuses, and leads elsewhere.
 */
import { Effect } from "effect"
import net, { type AddressInfo, type Socket } from "node:net"

/** What a test does to the way between a client and its server. */
export interface Proxy {
  readonly port: number
  readonly url: string
  /** How long each answer is held back, in milliseconds. */
  delay: number
  /** What is swallowed: the connections stay, and nobody answers. */
  swallows: "nothing" | "all" | "answers"
  /** The port that new connections lead to. */
  target: number
  /** Cuts every connection. */
  readonly cut: Effect.Effect<void>
  /** How many connections there are. */
  readonly connections: () => number
}

/** Makes a proxy that is gone when the scope closes. */
export const makeProxy = (target: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() =>
        new Promise<Proxy & { readonly close: () => void }>((resolve) => {
          const sockets = new Set<Socket>()
          const join = (from: Socket, to: Socket, isAnswer: boolean) => {
            sockets.add(from)
            from.on("data", (data) => {
              if (proxy.swallows === "all" || (isAnswer && proxy.swallows === "answers")) return
              if (isAnswer && proxy.delay > 0) setTimeout(() => to.write(data), proxy.delay)
              else to.write(data)
            })
            from.on("error", () => undefined)
            from.on("close", () => {
              sockets.delete(from)
              to.destroy()
            })
          }
          const server = net.createServer((client) => {
            const there = net.connect(proxy.target, "127.0.0.1")
            join(client, there, false)
            join(there, client, true)
          }).listen(0, "127.0.0.1", () => {
            const { port } = server.address() as AddressInfo
            resolve(Object.assign(proxy, { port, url: `redis://127.0.0.1:${port}` }))
          })
          const cut = () => {
            for (const socket of sockets) socket.destroy()
          }
          const proxy = {
            port: 0,
            url: "",
            delay: 0,
            swallows: "nothing" as Proxy["swallows"],
            target,
            cut: Effect.sync(cut),
            connections: () => sockets.size / 2,
            close: () => {
              cut()
              server.close()
            }
          }
        })
      ),
      ({ close }) => Effect.sync(close)
    ),
    (proxy): Proxy => proxy
  )
