/**
 * What the fake provider saw: one entry per request, in order of arrival.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Fault from "./Fault.ts"
import type * as Limit from "./Limit.ts"
import type * as Reply from "./Reply.ts"
import type * as WireFormat from "./WireFormat.ts"

/**
 * How an answer ended, or `"running"`.
 *
 * **Details**
 *
 * `complete`: the whole body was sent. `cut`: the body ended in good order but too early. `reset`: the provider broke
 * the connection. `client-closed`: the client left first. `unheard`: the client left first, and the provider worked the
 * answer out all the same. `stopped`: the provider's scope was closed.
 *
 * @category models
 * @since 0.1.0
 */
export type End = Reply.Ending | "client-closed" | "unheard" | "stopped" | "running"

/**
 * One request, as far as its answer has come.
 *
 * **Details**
 *
 * `at` and `endedAt` are milliseconds since the provider was made, `index` counts from zero in order of arrival, `key` is
 * the bearer token or the `x-api-key`, `path` has no query, `format` is the endpoint where it is a known one. `model` and
 * `stream` are known once the body is read. `fault` is the tag of the fault the request got, and `limit` that of the
 * limit which gave it; `status` is undefined until headers are sent. `tokens` and `bytes` count what was written to the
 * socket of the answer's body.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly index: number
  readonly at: number
  readonly phase: string
  readonly method: string
  readonly path: string
  readonly format: WireFormat.Name | undefined
  readonly key: string | undefined
  readonly model: string | undefined
  readonly stream: boolean
  readonly limit: Limit.Limit["_tag"] | undefined
  readonly fault: Fault.Fault["_tag"] | undefined
  readonly status: number | undefined
  readonly tokens: number
  readonly bytes: number
  readonly end: End
  readonly endedAt: number | undefined
}

/** The entry of one request, while it is written. */
export interface Ticket {
  readonly index: number
  readonly update: (change: Partial<Entry>) => void
  readonly sent: (bytes: number, tokens: number) => void
}

/** A journal being written. */
export interface Journal {
  readonly open: (request: Pick<Entry, "at" | "phase" | "method" | "path" | "format" | "key">) => Ticket
  readonly entries: () => ReadonlyArray<Entry>
  readonly inFlight: () => number
  readonly when: (condition: (entries: ReadonlyArray<Entry>) => boolean) => Effect.Effect<ReadonlyArray<Entry>>
}

/** How a journal is kept: how many entries, and who is told of each that has ended. */
export interface Options {
  readonly size: number
  readonly onEnd: (entry: Entry) => void
}

/** An empty journal. */
export const make = ({ onEnd, size }: Options): Journal => {
  const kept = new Map<number, Entry>()
  const watchers = new Set<() => void>()
  let opened = 0
  let running = 0
  const entries = (): ReadonlyArray<Entry> => [...kept.values()]
  const write = (entry: Entry): void => {
    kept.set(entry.index, entry)
    for (const watcher of watchers) watcher()
  }
  // What still runs is kept however old it is: its end is yet to be written.
  const forget = (): void => {
    for (const { end, index } of kept.values()) {
      if (kept.size <= size) return
      if (end !== "running") kept.delete(index)
    }
  }
  return {
    open: (request) => {
      const index = opened++
      running++
      let entry: Entry = { ...unanswered, ...request, index }
      write(entry)
      if (kept.size > size) forget()
      const update = (change: Partial<Entry>): void => {
        const ends = entry.end === "running" && change.end !== undefined && change.end !== "running"
        entry = { ...entry, ...change }
        if (ends) running--
        write(entry)
        if (ends) onEnd(entry)
      }
      return {
        index,
        update,
        sent: (bytes, tokens) => update({ bytes: entry.bytes + bytes, tokens: entry.tokens + tokens })
      }
    },
    entries,
    inFlight: () => running,
    when: (condition) =>
      Effect.callback((resume) => {
        const look = (): void => {
          const seen = entries()
          try {
            if (!condition(seen)) return
            resume(Effect.succeed(seen))
          } catch (defect) {
            resume(Effect.die(defect))
          }
          watchers.delete(look)
        }
        watchers.add(look)
        look()
        return Effect.sync(() => watchers.delete(look))
      })
  }
}

const unanswered = {
  model: undefined,
  stream: false,
  limit: undefined,
  fault: undefined,
  status: undefined,
  tokens: 0,
  bytes: 0,
  end: "running",
  endedAt: undefined
} as const
