/** A real server that speaks to the page as `View.ts` says, and tells it what a test wants it to hear. */
import fs from "node:fs"
import http from "node:http"
import type { AddressInfo } from "node:net"
import type {
  BeatView,
  CircuitView,
  HappeningView,
  OrderView,
  PageView,
  PointView,
  StripView
} from "../../src/dashboard/View.ts"

export type Circuit = CircuitView & { readonly strip: StripView }

/** A healthy circuit, apart from what is said otherwise. */
export const circuit = (name: string, more: Partial<CircuitView> = {}, strip: Partial<StripView> = {}): Circuit => ({
  id: name,
  name,
  state: "Closed",
  mode: "enforce",
  since: Date.now() - 3_600_000,
  retryAfter: 0,
  calls: 0,
  failureRate: 0,
  slowRate: 0,
  successes: 0,
  failures: 0,
  ignored: 0,
  throttled: 0,
  slow: 0,
  refused: 0,
  wouldRefuse: 0,
  inFlight: 0,
  openings: 0,
  uptimePercentage: 100,
  opened: [],
  ...more,
  strip: { states: "", calls: [], failures: [], slow: [], refused: [], ...strip }
})

export const open = (name: string, more: Partial<CircuitView> = {}): Circuit =>
  circuit(name, {
    state: "Open",
    retryAfter: 12_000,
    cause: {
      rule: "failureRate",
      text: "5 of the last 8 calls failed (63 %), the limit is 50 %",
      value: 0.63,
      limit: 0.5,
      calls: 8
    },
    ...more
  })

export const isolated = (name: string, more: Partial<CircuitView> = {}): Circuit =>
  circuit(name, {
    state: "Isolated",
    retryAfter: null,
    cause: { rule: "isolated", text: "isolated by hand", value: 0, limit: 0, calls: 0 },
    ...more
  })

export interface Beat {
  readonly circuits?: ReadonlyArray<Circuit>
  readonly gone?: ReadonlyArray<string>
  readonly happenings?: ReadonlyArray<HappeningView>
}

export interface Script {
  readonly url: string
  /** What was posted to `control`. */
  readonly orders: ReadonlyArray<{ readonly order: OrderView; readonly headers: http.IncomingHttpHeaders }>
  /** How often the whole was fetched. */
  readonly snapshots: number
  readonly streams: number
  circuits: ReadonlyArray<Circuit>
  happenings: ReadonlyArray<HappeningView>
  control: boolean
  hidden: number
  hiddenTrouble: number | undefined
  every: number
  now: () => number
  /** What `control` answers. */
  answer: (order: OrderView) => readonly [status: number, body: unknown]
  /** Changes the circuits and tells it. With `lost` it is not told, as to a reader that is too slow. */
  readonly beat: (beat: Beat, lost?: "lost") => void
  readonly stop: () => Promise<void>
  /** Comes back on the same port. */
  readonly start: (instance: string) => Promise<void>
}

export const script = async (circuits: ReadonlyArray<Circuit>): Promise<Script> => {
  // made by `npm run build`
  const generated = await import("../../src/dashboard/Page.generated.ts")
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${generated.scriptHash}'`,
    `style-src 'sha256-${generated.styleHash}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'"
  ].join("; ")

  let instance = "first"
  let sequence = 7
  let port = 0
  let server: http.Server | undefined
  const streams = new Set<http.ServerResponse>()
  const orders: Array<Script["orders"][number]> = []
  let snapshots = 0

  const json = (response: http.ServerResponse, status: number, body: unknown) => {
    response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" })
    response.end(JSON.stringify(body))
  }

  const handle = (request: http.IncomingMessage, response: http.ServerResponse) => {
    switch (`${request.method} ${request.url}`) {
      case "GET /ops/breakers/":
        response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy })
        return response.end(generated.page)
      case "GET /ops/breakers/snapshot.json": {
        snapshots++
        const page: PageView = {
          instance,
          title: "Model gateway",
          sequence,
          at: self.now(),
          every: self.every,
          control: self.control,
          hidden: self.hidden,
          hiddenTrouble: self.hiddenTrouble,
          circuits: self.circuits,
          happenings: self.happenings
        }
        return json(response, 200, page)
      }
      case "GET /ops/breakers/events":
        response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" })
        response.write(": hello\n\n")
        streams.add(response)
        return response.on("close", () => streams.delete(response))
      case "POST /ops/breakers/control": {
        let body = ""
        request.on("data", (part: Buffer) => body += part.toString())
        return request.on("end", () => {
          const order = JSON.parse(body) as OrderView
          orders.push({ order, headers: request.headers })
          json(response, ...self.answer(order))
        })
      }
      default:
        return json(response, 404, { error: "there is no such thing" })
    }
  }

  const self: Script = {
    get url() {
      return `http://127.0.0.1:${port}/ops/breakers/`
    },
    orders,
    get snapshots() {
      return snapshots
    },
    get streams() {
      return streams.size
    },
    circuits,
    happenings: [],
    control: false,
    hidden: 0,
    hiddenTrouble: undefined,
    every: 1000,
    now: Date.now,
    answer: (order) => [200, { done: order.ids.length }],
    beat: ({ circuits = [], gone = [], happenings = [] }, lost) => {
      sequence++
      const changed = new Map(circuits.map((each) => [each.id, each]))
      self.circuits = [
        ...self.circuits.filter(({ id }) => !gone.includes(id)).map((each) => changed.get(each.id) ?? each),
        ...circuits.filter(({ id }) => !self.circuits.some((known) => known.id === id))
      ]
      self.happenings = [...happenings, ...self.happenings]
      const beat: BeatView = {
        instance,
        sequence,
        at: self.now(),
        hidden: self.hidden,
        hiddenTrouble: self.hiddenTrouble,
        circuits: circuits.map(({ strip, ...view }) => ({ ...view, point: pointOf(view, strip) })),
        gone,
        happenings
      }
      if (lost === "lost") return
      for (const stream of streams) stream.write(`event: beat\ndata: ${JSON.stringify(beat)}\n\n`)
    },
    stop: () =>
      new Promise((done) => {
        server!.close(() => done())
        server!.closeAllConnections()
      }),
    start: (next) => {
      instance = next
      sequence = 1
      server = http.createServer(handle)
      return new Promise((done) => {
        server!.listen(port, "127.0.0.1", () => {
          port = (server!.address() as AddressInfo).port
          done()
        })
      })
    }
  }
  await self.start("first")
  return self
}

/** The text of axe, which looks for what people with disabilities would stumble over. */
export const axe = (): string =>
  fs.readFileSync(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8")

// ---------------------------------------------------------------------------------------------------------------------

const letters = { Closed: "c", Open: "o", Isolated: "i", HalfOpen: "p" } as const

/** What a circuit adds to its strip: the newest point of the one that it was scripted with. */
const pointOf = (view: CircuitView, strip: StripView): PointView => ({
  state: view.stage === "Ramping" ? "r" : letters[view.state],
  calls: strip.calls.at(-1) ?? 0,
  failures: strip.failures.at(-1) ?? 0,
  slow: strip.slow.at(-1) ?? 0,
  refused: strip.refused.at(-1) ?? 0
})
