/**
 * What the page is told, as data: the whole at first, and then at each beat what changed.
 *
 * Times are milliseconds since the epoch, durations milliseconds; an infinite duration is `null`. Text of errors
 * (`message`) is there only where the program opted in.
 *
 * @since 0.1.0
 */

/**
 * The last failure of a circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailureView {
  readonly at: number
  readonly kind?: string | undefined
  readonly message?: string | undefined
}

/**
 * Why a circuit is not closed: the rule and its figures, and the same in plain words (`text`).
 *
 * @category models
 * @since 0.1.0
 */
export interface CauseView {
  readonly rule: string
  readonly text: string
  readonly value: number
  readonly limit: number
  readonly calls: number
  readonly note?: string | undefined
  readonly by?: string | undefined
  readonly failure?: FailureView | undefined
}

/**
 * What happened to a circuit between two beats: how many calls it settled, how many of them failed or were slow, and how
 * many it refused.
 *
 * **Details**
 *
 * `state` is one letter: `c` closed, `o` open, `p` probing, `r` ramping, `i` isolated. It is the worst of the beat.
 *
 * @category models
 * @since 0.1.0
 */
export interface PointView {
  readonly state: string
  readonly calls: number
  readonly failures: number
  readonly slow: number
  readonly refused: number
}

/**
 * The last minutes of a circuit, oldest first: one letter and one number for each beat (see `PointView`).
 *
 * @category models
 * @since 0.1.0
 */
export interface StripView {
  readonly states: string
  readonly calls: ReadonlyArray<number>
  readonly failures: ReadonlyArray<number>
  readonly slow: ReadonlyArray<number>
  readonly refused: ReadonlyArray<number>
}

/**
 * One circuit as the page shows it.
 *
 * **Details**
 *
 * `id` stays the same for as long as the circuit lives, and no other has it; two circuits may share a `name`. `retryAfter`
 * is as in a snapshot: zero where asking may help now. `opened` tells when the openings of the last day began, the newest
 * hundred of them. `failureRate` and `slowRate` are shares from 0 to 1 of the `calls` in the window. `refused` counts the
 * calls that were refused, `wouldRefuse` those that would have been.
 *
 * @category models
 * @since 0.1.0
 */
export interface CircuitView {
  readonly id: string
  readonly name: string
  readonly state: "Closed" | "Open" | "HalfOpen" | "Isolated"
  readonly stage?: "Probing" | "Ramping" | undefined
  readonly share?: number | undefined
  readonly mode: "enforce" | "observe" | "off"
  readonly since: number
  readonly retryAfter: number | null
  readonly cause?: CauseView | undefined
  readonly lastFailure?: FailureView | undefined
  readonly calls: number
  readonly failureRate: number
  readonly slowRate: number
  readonly successes: number
  readonly failures: number
  readonly ignored: number
  readonly throttled: number
  readonly slow: number
  readonly refused: number
  readonly wouldRefuse: number
  readonly inFlight: number
  readonly openings: number
  readonly uptimePercentage: number
  readonly opened: ReadonlyArray<number>
}

/**
 * Something that happened: a transition, a throttle, an order of an operator. In plain words.
 *
 * @category models
 * @since 0.1.0
 */
export interface HappeningView {
  readonly at: number
  readonly id: string
  readonly name: string
  readonly kind: "Transitioned" | "Throttled" | "StoreLost" | "StoreFound" | "Commanded"
  readonly state: string
  readonly text: string
  readonly by?: string | undefined
}

/**
 * The whole, as served at `snapshot.json`.
 *
 * **Details**
 *
 * `instance` is another one after the server restarted: then nothing of before holds. `sequence` is the number of the
 * last beat, `every` the time between two. `hidden` counts circuits beyond what the page follows, and `hiddenTrouble` those
 * of them that are not closed: it is there only while more circuits than the page follows are in trouble. `control` tells
 * whether the page may offer orders.
 *
 * @category models
 * @since 0.1.0
 */
export interface PageView {
  readonly instance: string
  readonly title: string
  readonly sequence: number
  readonly at: number
  readonly every: number
  readonly control: boolean
  readonly hidden: number
  readonly hiddenTrouble?: number | undefined
  readonly circuits: ReadonlyArray<CircuitView & { readonly strip: StripView }>
  readonly happenings: ReadonlyArray<HappeningView>
}

/**
 * One beat, as sent in the event stream (event name `beat`): the circuits that changed or are new, the point that each of
 * them adds to its strip, those that are gone, and what happened.
 *
 * **Details**
 *
 * A circuit that is not named adds a point like its last state with zeros. Where `sequence` does not follow on the last
 * one, beats were dropped for a slow reader, and the whole has to be fetched anew.
 *
 * @category models
 * @since 0.1.0
 */
export interface BeatView {
  readonly instance: string
  readonly sequence: number
  readonly at: number
  readonly hidden: number
  readonly hiddenTrouble?: number | undefined
  readonly circuits: ReadonlyArray<CircuitView & { readonly point: PointView }>
  readonly gone: ReadonlyArray<string>
  readonly happenings: ReadonlyArray<HappeningView>
}

/**
 * An order, as posted to `control` (JSON, same origin only, header `x-effect-breaker: control`).
 *
 * **Details**
 *
 * `for` is milliseconds; without it an isolation has no end. `instance` is the page's whose `ids` are meant: another one
 * gets a 409, for with it the same ids may be those of other circuits. The answer is `{ "done": n }`, how many circuits it
 * reached, or `{ "error": "..." }` with a status of 400, 403, 404, 409 or 413, or what the guard answers.
 *
 * @category models
 * @since 0.1.0
 */
export type OrderView =
  & {
    readonly ids: ReadonlyArray<string>
    readonly instance?: string | undefined
    readonly note?: string | undefined
  }
  & (
    | { readonly order: "isolate"; readonly for?: number | undefined }
    | { readonly order: "release" | "reset" }
    | { readonly order: "mode"; readonly mode: "enforce" | "observe" }
  )
