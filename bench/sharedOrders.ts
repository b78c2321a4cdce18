/**
 * What a process of a measured fleet can be told. Times are milliseconds of the machine's clock, which all processes read.
 */
import type { Options, SubjectName } from "./sharedSubjects.ts"

export interface Orders {
  readonly open: (order: Options & { readonly subject: SubjectName }) => Promise<void>
  /** Makes calls from `at` until `until`. Gives how many, when the last was home, and the time of processors that they took. */
  readonly run: (order: {
    readonly at: number
    readonly until: number
    /** So many fibers call at once. */
    readonly concurrency: number
    /** Each call waits once for the others: so many are under way at any time. */
    readonly givesWay: boolean
  }) => Promise<{ readonly calls: number; readonly doneAt: number; readonly cpu: number }>
  /** Makes calls until one is refused; from `at` on they may fail. Gives when which of them failed, and the refusal. */
  readonly watch: (order: { readonly at: number; readonly key: string; readonly fails: Fails }) => Promise<Watched>
  readonly isClosed: () => Promise<boolean>
  readonly reset: () => Promise<void>
  readonly close: () => Promise<void>
}

/** The calls of a watcher fail five at once, or one after each pause, or not at all: then they say nothing. */
export type Fails = "at once" | "in turn" | "never"

export interface Watched {
  readonly failedAt: ReadonlyArray<number>
  readonly refusedAt: number
}

/** The pause of a watcher between two calls. */
export const PAUSE = 2

/** So long a watcher waits to be refused. */
export const PATIENCE = 5000

export const clock = (): number => Number(process.hrtime.bigint()) / 1e6

export const rest = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
