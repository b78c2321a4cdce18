/** Keeps the board up to date: the whole once, then beats, and the whole again wherever beats are missing. */
import type { BeatView, PageView } from "../View.ts"
import { announce } from "./Announcer.tsx"
import { board, takeBeat, takePage } from "./Board.tsx"
import * as Clock from "./Clock.tsx"
import * as Paint from "./Paint.tsx"

export type Connection =
  | { readonly is: "connecting" }
  | { readonly is: "live" }
  | { readonly is: "reconnecting"; readonly since: number; readonly why: string }

/** `restarted` is when another instance of the server was met. Both in the viewer's time. */
export const feed: { connection: Connection; restarted: number | undefined } = {
  connection: { is: "connecting" },
  restarted: undefined
}

const shortestWait = 1000
const longestWait = 10_000
/** More beats than these while the whole is fetched, and it is fetched again. */
const mostWaiting = 30

let events: EventSource | undefined
let wait = shortestWait
let retry: ReturnType<typeof setTimeout> | undefined
let lastSign = 0
/** Beats that came while the whole is being fetched. */
let waiting: Array<BeatView> | undefined
/** Rises with each attempt: what belongs to an earlier one no longer counts. */
let attempt = 0

export const start = (): void => {
  connect()
  Clock.onTick(watch)
  Clock.onTick(Paint.request)
  addEventListener("online", now)
  addEventListener("pageshow", now)
  document.addEventListener("visibilitychange", now)
}

// ---------------------------------------------------------------------------------------------------------------------

const connect = (): void => {
  const current = ++attempt
  retry = undefined
  lastSign = Date.now()
  // Both at once, and beats wait for the whole: the other order would lose those between the two.
  const source = new EventSource("events")
  events = source
  const mine = () => current === attempt
  source.addEventListener("beat", (event) => {
    if (mine()) take(JSON.parse((event as MessageEvent<string>).data) as BeatView)
  })
  source.addEventListener("error", () => {
    if (mine()) lose("the stream of events ended")
  })
  void fetchAll()
}

const lose = (why: string): void => {
  attempt++
  events?.close()
  waiting = undefined
  clearTimeout(retry)
  const { connection } = feed
  feed.connection = connection.is === "reconnecting"
    ? { ...connection, why }
    : { is: "reconnecting", since: Date.now(), why }
  retry = setTimeout(connect, wait)
  wait = Math.min(wait * 2, longestWait)
  Paint.request()
}

/** Whoever comes back to the page, or to the network, does not wait for the next attempt. */
const now = (): void => {
  if (document.visibilityState !== "visible" || retry === undefined) return
  clearTimeout(retry)
  connect()
}

/** A connection can die without a word, for example while the machine sleeps. */
const watch = (): void => {
  if (retry === undefined && Date.now() - lastSign > Math.max(10_000, 4 * board.every)) lose("the server went silent")
}

const fetchAll = async (): Promise<void> => {
  const current = attempt
  waiting = []
  let page: PageView
  try {
    const response = await fetch("snapshot.json", { cache: "no-store" })
    if (!response.ok) throw new Error(`the server answered ${response.status}`)
    if (!/^application\/json\b/.test(response.headers.get("content-type") ?? "")) {
      throw new Error("another page came in its place, perhaps a login: load this one anew")
    }
    page = await response.json() as PageView
  } catch (error) {
    if (current === attempt) {
      lose(error instanceof TypeError ? "the server cannot be reached" : (error as Error).message)
    }
    return
  }
  if (current !== attempt) return
  if (board.instance !== undefined && page.instance !== board.instance) {
    feed.restarted = Date.now()
    Clock.forget()
  }
  Clock.observe(page.at)
  lastSign = Date.now()
  announce(takePage(page), board.hiddenTrouble)
  feed.connection = { is: "live" }
  wait = shortestWait
  const beats = waiting
  waiting = undefined
  Paint.request()
  for (const beat of beats) take(beat)
}

const take = (beat: BeatView): void => {
  lastSign = Date.now()
  if (waiting !== undefined) {
    if (waiting.length < mostWaiting) waiting.push(beat)
    return
  }
  const same = beat.instance === board.instance
  // The whole already held this one.
  if (same && beat.sequence <= board.sequence) return
  if (!same || beat.sequence !== board.sequence + 1) {
    void fetchAll()
    return
  }
  Clock.observe(beat.at)
  announce(takeBeat(beat), board.hiddenTrouble)
  Paint.request()
}
