/**
 * Follows the circuits of a program, beat by beat: what each of them is and was, and what happened.
 *
 * It looks from outside, at snapshots and events: no call waits for it, and no circuit lives longer because of it. What it
 * keeps is bounded by how many circuits it follows.
 *
 * A beat reads circuit after circuit, and calls run in between. So each row is of its own moment, and the whole of no one
 * moment: a circuit that is there during the beat is in it once, as it was then, and what happens to it later in the beat
 * is the next one's to tell. What is told is of one beat: its rows, its numbers and its happenings change at once.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
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
/** After so many snapshots others get their turn: one takes as long as a hundred looks. */
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

/** What a beat makes of a circuit. */
interface Row {
  readonly id: string
  readonly known: Followed | undefined
  readonly view: CircuitView
  readonly totals: Strip.Totals
  readonly point: PointView
  /** Whether those who watch are to be told. */
  readonly isNew: boolean
  readonly json: string | undefined
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
  private readonly writer = Semaphore.makeUnsafe(1)

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
    return Effect.suspend(() =>
      this.whole === undefined ? this.writer.withPermit(this.write) : Effect.succeed(this.whole)
    )
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

  // Whatever it finds, it keeps no more than it needs: all of a hundred thousand circuits may be in trouble.
  private readonly look = Effect.gen({ self: this }, function*() {
    const { circuits: most } = this.options
    const shown: Array<CircuitReader.Reading> = []
    const trouble: Array<CircuitReader.Reading> = []
    const known: Array<CircuitReader.Reading> = []
    const others: Array<CircuitReader.Reading> = []
    let all = 0
    let inTrouble = 0
    yield* Stream.runForEachArray(this.reader.each, (circuits) =>
      Effect.sync(() => {
        all += circuits.length
        for (const circuit of circuits) {
          if (circuit.state !== "Closed") {
            inTrouble++
            // Of too many in trouble those stay that the page shows already.
            if (this.followed.has(circuit.id)) shown.push(circuit)
            else if (trouble.length < most) trouble.push(circuit)
          } else if (this.followed.has(circuit.id) || this.heard.has(circuit.id)) known.push(circuit)
          else if (others.length < most) others.push(circuit)
        }
      }))
    const chosen = [...shown, ...trouble, ...known, ...others].slice(0, most)
    return { chosen, hidden: all - chosen.length, hiddenTrouble: Math.max(inTrouble - most, 0) }
  })

  private take(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const { chosen, hidden, hiddenTrouble } = yield* this.look
      const at = yield* Clock.currentTimeMillis
      // What is heard from here on belongs to the next beat.
      const { heard, news } = this
      this.heard = new Map()
      this.news = []
      const rows: Array<Row> = []
      for (const { id, snapshot } of chosen) {
        rows.push(this.row(id, yield* snapshot, heard.get(id), at))
        if (rows.length % SNAPSHOTS === 0) yield* Effect.yieldNow
      }
      const beat = this.close(at, rows, news, hidden, hiddenTrouble)
      if (beat !== undefined) yield* this.viewers.send(Viewers.frame("beat", beat))
    })
  }

  private row(id: string, snapshot: Snapshot, heard: Heard | undefined, at: number): Row {
    const known = this.followed.get(id)
    const view = circuitView(id, snapshot, this.openings(known, heard, snapshot, at), this.options.messages)
    const state = Strip.letterOf(view)
    const totals = Strip.totalsOf(view)
    // What a circuit that is new to the page did before is not known, unless it is new altogether.
    const since = known?.totals ?? (this.sequence >= 0 && this.hidden === 0 ? Strip.nothing : totals)
    const point = Strip.pointOf(Strip.worse(heard?.worst ?? "c", state), since, totals)
    const isNew = known === undefined || !Strip.isQuiet(point, state) || isNews(known.told, known.toldAt, view, at)
    const json = isNew && this.viewers.size() > 0 ? rowJson(view, point) : undefined
    return { id, known, view, totals, point, isNew, json }
  }

  // In one go: whoever fetches the whole gets it as of one beat.
  private close(
    at: number,
    rows: ReadonlyArray<Row>,
    happenings: ReadonlyArray<HappeningView>,
    hidden: number,
    hiddenTrouble: number
  ): string | undefined {
    const isWatched = this.viewers.size() > 0
    const before = this.followed
    const changed: Array<string> = []
    this.followed = new Map()
    for (const { id, isNew, json, known, point, totals, view } of rows) {
      const followed = known ?? { view, totals, strip: new Strip.Strip(), told: view, toldAt: at }
      followed.view = view
      followed.totals = totals
      followed.strip.add(point)
      this.followed.set(id, followed)
      if (isWatched && isNew) changed.push(json ?? rowJson(view, point))
      // Whoever comes while nobody watches begins with the whole.
      if (isNew || !isWatched) {
        followed.told = view
        followed.toldAt = at
      }
    }
    this.happenings = [...this.happenings, ...happenings].slice(-HAPPENINGS)
    this.hidden = hidden
    this.hiddenTrouble = hiddenTrouble
    this.at = at
    this.sequence++
    this.whole = undefined
    if (!isWatched) return undefined
    const gone = [...before.keys()].filter((id) => !this.followed.has(id))
    const rest: Omit<BeatView, "circuits"> = { ...this.header(), gone, happenings }
    return withCircuits(rest, changed)
  }

  private openings(
    known: Followed | undefined,
    heard: Heard | undefined,
    { since, state }: Snapshot,
    now: number
  ): ReadonlyArray<number> {
    // It may be seen before it is heard of.
    const opened = new Set([...known?.view.opened ?? [], ...heard?.opened ?? []])
    if (state === "Open") opened.add(since)
    return [...opened].filter((at) => at > now - DAY).toSorted((a, b) => a - b).slice(-OPENINGS)
  }

  private header() {
    const { at, hidden, hiddenTrouble, instance, sequence } = this
    return { instance, sequence, at, hidden, hiddenTrouble: hiddenTrouble > 0 ? hiddenTrouble : undefined }
  }

  // A beat that comes meanwhile changes the strips: then it begins anew, and where beats come faster than it can write, the
  // last time in one go.
  private readonly write = Effect.gen({ self: this }, function*() {
    for (let tries = 3; this.whole === undefined; tries--) {
      const { followed, sequence } = this
      const circuits: Array<string> = []
      for (const { strip, view } of followed.values()) {
        if (sequence !== this.sequence) break
        circuits.push(json<PageView["circuits"][number]>({ ...view, strip }))
        if (circuits.length % SNAPSHOTS === 0 && tries > 1) yield* Effect.yieldNow
      }
      if (sequence === this.sequence) this.whole = encoder.encode(withCircuits(this.pageHeader(), circuits))
    }
    return this.whole
  })

  private pageHeader(): Omit<PageView, "circuits"> {
    const { control, every, title } = this.options
    return { ...this.header(), title, every, control, happenings: this.happenings }
  }
}

const encoder = /*#__PURE__*/ new TextEncoder()

const json = <A extends object>(value: A): string => JSON.stringify(value)

const rowJson = (view: CircuitView, point: PointView): string => json<BeatView["circuits"][number]>({ ...view, point })

const withCircuits = (rest: object, circuits: ReadonlyArray<string>): string =>
  `${json(rest).slice(0, -1)},"circuits":[${circuits.join(",")}]}`
