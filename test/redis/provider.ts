/**
 * The provider that the processes of a fleet call: a server in the process of the test, which says to every call what
 * the test wants it to, and keeps a journal of what reached it.
 */
import { Effect, type Scope } from "effect"
import net, { type AddressInfo } from "node:net"
import { type Line, monotonic, type Served } from "./journal.ts"

/** What comes of a call: after so long, this. Without an `after` it never answers. */
export interface Answer {
  readonly after: number | undefined
  /** `ok`, `fail`, `throttle <millis>` or `trip <millis>`. */
  readonly say: string
}

export interface Request {
  readonly call: string
  readonly lease: string | undefined
}

export interface Provider {
  readonly port: number
  readonly journal: ReadonlyArray<Line>
  /** What is said from now on to calls that come. */
  behave: (request: Request) => Answer
  /** Answers the calls that wait for ever, and tells how many. */
  readonly answerAll: (say: string) => number
  /** How many calls reached it. */
  readonly calls: () => number
}

export const healthy = (after = 5) => (): Answer => ({ after, say: "ok" })
export const failing = (after = 2) => (): Answer => ({ after, say: "fail" })

export const makeProvider: Effect.Effect<Provider, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() =>
    new Promise<Provider & { readonly close: () => void }>((resolve) => {
      const journal: Array<Line> = []
      const note = (line: Served) => journal.push({ by: "provider", at: monotonic(), ...line })
      const waiting = new Map<string, (say: string) => void>()
      const sockets = new Set<net.Socket>()
      let calls = 0
      const server = net.createServer((socket) => {
        sockets.add(socket)
        const running = new Set<string>()
        let rest = ""
        const answer = (call: string, say: string) => {
          if (!running.delete(call)) return
          waiting.delete(call)
          note({ what: "ended", call, how: "answered", wall: Date.now() })
          socket.write(`${call} ${say}\n`)
        }
        const serve = (line: string) => {
          const [call = "", lease, at, wall] = line.split(" ")
          if (lease === "cancel") {
            // What comes over another connection may be read before, though it was sent later.
            const when = { at: Number(at), wall: Number(wall) }
            if (running.delete(call)) journal.push({ by: "provider", what: "ended", call, how: "cancelled", ...when })
            waiting.delete(call)
            return
          }
          calls++
          running.add(call)
          note({ what: "began", call, lease: lease === "-" ? undefined : lease, wall: Date.now() })
          const { after, say } = provider.behave({ call, lease: lease === "-" ? undefined : lease })
          if (after === undefined) waiting.set(call, (say) => answer(call, say))
          else if (after === 0) answer(call, say)
          else setTimeout(() => answer(call, say), after)
        }
        socket.setNoDelay(true).setEncoding("utf8")
          .on("data", (part: string) => {
            const lines = (rest + part).split("\n")
            rest = lines.pop() ?? ""
            lines.forEach(serve)
          })
          .on("error", () => socket.destroy())
          .on("close", () => {
            sockets.delete(socket)
            for (const call of running) {
              waiting.delete(call)
              note({ what: "ended", call, how: "cut", wall: Date.now() })
            }
            running.clear()
          })
      })
      const provider = {
        port: 0,
        journal,
        behave: healthy() as Provider["behave"],
        answerAll: (say: string) => {
          const all = [...waiting.values()]
          for (const answer of all) answer(say)
          return all.length
        },
        calls: () => calls,
        close: () => {
          for (const socket of sockets) socket.destroy()
          server.close()
        }
      }
      server.listen(0, "127.0.0.1", () =>
        resolve(Object.assign(provider, { port: (server.address() as AddressInfo).port })))
    })
  ),
  (provider) => Effect.sync(provider.close)
)
