/**
 * Follows the circuits of a program, beat by beat: what each of them is and was, and what happened.
 *
 * It looks from outside, at snapshots and events: no call waits for it, and no circuit lives longer because of it. What it
 * keeps is bounded by how many circuits it follows.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as CircuitReader from "../control/CircuitReader.ts"
import type { Event } from "../Event.ts"
import type { Snapshot } from "../Snapshot.ts"
import * as Strip from "./Strip.ts"
import type { BeatView, CircuitView, HappeningView, PageView, PointView } from "./View.ts"
import * as Viewers from "./Viewers.ts"
import { circuitView, happeningView, isNews } from "./Viewing.ts"

/** How a program is followed. Durations are milliseconds. */
export interface Options {
  readonly title: string
  readonly every: number
  /** How many circuits are followed: those that are not closed before those that are. */
  readonly circuits: number
  readonly viewers: number
  readonly messages: boolean
  readonly control: boolean
}

/** Follows the circuits of a program. */
export interface Follower {
  /** Another one after the program restarted. */
  readonly instance: string
  /** The whole as of the last beat, as JSON. It is written once for all who ask between two beats. */
  readonly page: Effect.Effect<Uint8Array>
  readonly viewers: Viewers.Viewers
}

/** Begins to follow: the first beat is over when it is made, and the scope's end ends the last one. */
export const make = (
  reader: CircuitReader.CircuitReader,
  options: Options
): Effect.Effect<Follower, never, Scope.Scope> =>
  Effect.gen(function*() {
    const viewers = yield* Viewers.make(options.viewers)
    const begun = yield* Clock.currentTimeMillis
    const instance = `${begun.toString(36)}-${Math.abs(yield* Random.nextInt).toString(36)}`
    const follower = new FollowerImpl(reader, viewers, options, instance)
    yield* Effect.forkScoped(Stream.runForEach(reader.events, (event) => Effect.sync(() => follower.hear(event))), {
      startImmediately: true
    })
    yield* follower.beat
    yield* Effect.sleep(options.every).pipe(Effect.andThen(follower.beat), Effect.forever, Effect.forkScoped)
    if (options.every > HEARTBEAT) {
      yield* Effect.sleep(HEARTBEAT).pipe(
        Effect.andThen(viewers.send(Viewers.heartbeat)),
        Effect.forever,
        Effect.forkScoped
      )
    }
    return follower
  })

// ---------------------------------------------------------------------------------------------------------------------

/** Without a word for longer than this, proxies take a connection for dead. */
const HEARTBEAT = 15_000
const DAY = 24 * 60 * 60 * 1000
const OPENINGS = 100
const HAPPENINGS = 200
/** After so many looks others get their turn; a snapshot takes as long as a hundred looks. */
const LOOKS = 500
const SNAPSHOTS = 20

// It must not hold the circuit: one that the program lets go of would stay because it is watched.
interface Followed {
  view: CircuitView
  totals: Strip.Totals
  readonly strip: Strip.Strip
  /** What the viewers know. */
  told: CircuitView
  toldAt: number
}

/** What was heard of a circuit since the last beat. */
interface Heard {
  worst: string
  readonly opened: Array<number>
}

class FollowerImpl implements Follower {
  readonly viewers: Viewers.Viewers
  readonly instance: string
  private readonly reader: CircuitReader.CircuitReader
  private readonly options: Options
  private followed = new Map<string, Followed>()
  private heard = new Map<string, Heard>()
  /** What happened since the last beat, and before. */
  private news: Array<HappeningView> = []
  private happenings: ReadonlyArray<HappeningView> = []
  private sequence = -1
  private at = 0
  private hidden = 0
  private hiddenTrouble = 0
  private whole: Uint8Array | undefined = undefined

  constructor(
    reader: CircuitReader.CircuitReader,
    viewers: Viewers.Viewers,
    options: Options,
    instance: string
  ) {
    this.reader = reader
    this.viewers = viewers
    this.options = options
    this.instance = instance
  }

  get page(): Effect.Effect<Uint8Array> {
    return Effect.sync(() => this.whole ??= encoder.encode(JSON.stringify(this.pageView())))
  }

  hear(event: Event & { readonly id: string }): void {
    const happening = happeningView(event)
    if (happening === undefined) return
    this.news.push(happening)
    if (this.news.length > HAPPENINGS) this.news.shift()
    if (event._tag !== "Transitioned") return
    let heard = this.heard.get(event.id)
    if (heard === undefined) {
      // A storm over more circuits than are followed: the next look finds those that are still in trouble.
      if (this.heard.size >= 2 * this.options.circuits && !this.followed.has(event.id)) return
      this.heard.set(event.id, heard = { worst: "c", opened: [] })
    }
    for (const state of [event.from, event.to]) {
      if (state === "HalfOpen" && state === event.from) continue
      const stage = event.share === undefined ? "Probing" : "Ramping"
      heard.worst = Strip.worse(heard.worst, Strip.letterOf({ state, stage }))
    }
    if (event.to === "Open") {
      heard.opened.push(event.at)
      if (heard.opened.length > OPENINGS) heard.opened.shift()
    }
  }

  get beat(): Effect.Effect<void> {
    return Effect.suspend(() => this.take())
  }

  private readonly look = Effect.gen({ self: this }, function*() {
    const { circuits: most } = this.options
    const trouble: Array<CircuitReader.Reading> = []
    const known: Array<CircuitReader.Reading> = []
    const others: Array<CircuitReader.Reading> = []
    const circuits = yield* this.reader.circuits
    for (let i = 0; i < circuits.length; i++) {
      const circuit = circuits[i]!
      if (circuit.state !== "Closed") trouble.push(circuit)
      else if (this.followed.has(circuit.id) || this.heard.has(circuit.id)) known.push(circuit)
      else if (others.length < most) others.push(circuit)
      if (i % LOOKS === LOOKS - 1) yield* Effect.yieldNow
    }
    // Of too many in trouble those stay that the page shows already.
    if (trouble.length > most) trouble.sort((a, b) => +this.followed.has(b.id) - +this.followed.has(a.id))
    const chosen = [...trouble, ...known, ...others].slice(0, most)
    return {
      chosen,
      hidden: circuits.length - chosen.length,
      hiddenTrouble: Math.max(trouble.length - most, 0)
    }
  })

  private take(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { chosen, hidden, hiddenTrouble } = yield* this.look
      const views: Array<readonly [string, Snapshot]> = []
      for (const { id, snapshot } of chosen) {
        views.push([id, yield* snapshot])
        if (views.length % SNAPSHOTS === 0) yield* Effect.yieldNow
      }
      const at = yield* Clock.currentTimeMillis
      const beat = this.close(at, views, hidden, hiddenTrouble)
      if (beat !== undefined) yield* this.viewers.send(Viewers.frame("beat", JSON.stringify(beat)))
    })
  }

  // In one go: whoever fetches the whole gets it as of one beat.
  private close(
    at: number,
    snapshots: ReadonlyArray<readonly [string, Snapshot]>,
    hidden: number,
    hiddenTrouble: number
  ): BeatView | undefined {
    const isWatched = this.viewers.size() > 0
    const before = this.followed
    const changed: Array<CircuitView & { readonly point: PointView }> = []
    this.followed = new Map()
    for (const [id, snapshot] of snapshots) {
      const known = before.get(id)
      const heard = this.heard.get(id)
      const view = circuitView(id, snapshot, this.openings(known, heard, snapshot, at), this.options.messages)
      const state = Strip.letterOf(view)
      const totals = Strip.totalsOf(view)
      // What a circuit that is new to the page did before is not known, unless it is new altogether.
      const since = known?.totals ?? (this.sequence >= 0 && this.hidden === 0 ? Strip.nothing : totals)
      const point = Strip.pointOf(Strip.worse(heard?.worst ?? "c", state), since, totals)
      const followed = known ?? { view, totals, strip: new Strip.Strip(), told: view, toldAt: at }
      followed.view = view
      followed.totals = totals
      followed.strip.add(point)
      this.followed.set(id, followed)
      const isTold = isWatched &&
        (known === undefined || !Strip.isQuiet(point, state) || isNews(known.told, known.toldAt, view, at))
      if (isTold) changed.push({ ...view, point })
      // Whoever comes while nobody watches begins with the whole.
      if (isTold || !isWatched) {
        followed.told = view
        followed.toldAt = at
      }
    }
    const happenings = this.news
    this.happenings = [...this.happenings, ...happenings].slice(-HAPPENINGS)
    this.news = []
    this.heard = new Map()
    this.hidden = hidden
    this.hiddenTrouble = hiddenTrouble
    this.at = at
    this.sequence++
    this.whole = undefined
    if (!isWatched) return undefined
    const gone = [...before.keys()].filter((id) => !this.followed.has(id))
    return { ...this.header(), circuits: changed, gone, happenings }
  }

  private openings(
    known: Followed | undefined,
    heard: Heard | undefined,
    { since, state }: Snapshot,
    now: number
  ): ReadonlyArray<number> {
    const opened = [...known?.view.opened ?? [], ...heard?.opened ?? []]
    if (state === "Open" && !opened.includes(since)) opened.push(since)
    return opened.filter((at) => at > now - DAY).slice(-OPENINGS)
  }

  private header() {
    const { at, hidden, hiddenTrouble, instance, sequence } = this
    return { instance, sequence, at, hidden, hiddenTrouble: hiddenTrouble > 0 ? hiddenTrouble : undefined }
  }

  private pageView(): PageView {
    const { control, every, title } = this.options
    return {
      ...this.header(),
      title,
      every,
      control,
      circuits: Array.from(this.followed.values(), ({ strip, view }) => ({ ...view, strip })),
      happenings: this.happenings
    }
  }
}

const encoder = /*#__PURE__*/ new TextEncoder()
