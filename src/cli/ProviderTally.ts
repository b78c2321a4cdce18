/**
 * What a fake provider has seen, phase by phase: counted as requests end, so that a long run takes no memory.
 *
 * @since 0.1.0
 */
import * as Words from "../replay/Words.ts"
import type * as FakeProvider from "../testing/FakeProvider.ts"
import * as Table from "./Table.ts"

/** The counts of one phase. */
export interface PhaseCount {
  readonly phase: string
  readonly requests: number
  /** Answers without a fault. */
  readonly healthy: number
  /** What was no request that a provider would take on. */
  readonly refused: number
  /** How many the client left before they had ended. */
  readonly left: number
  readonly tokens: number
  readonly faults: Readonly<Record<string, number>>
  readonly statuses: Readonly<Record<string, number>>
}

/** A tally being kept. */
export interface Tally {
  readonly add: (entry: FakeProvider.Entry) => void
  readonly requests: () => number
  readonly read: () => ReadonlyArray<PhaseCount>
}

/** An empty tally. */
export const make = (): Tally => {
  const phases = new Map<string, Mutable<PhaseCount>>()
  let requests = 0
  const countOf = (phase: string) => {
    const known = phases.get(phase)
    if (known !== undefined) return known
    const count = { phase, requests: 0, healthy: 0, refused: 0, left: 0, tokens: 0, faults: {}, statuses: {} }
    phases.set(phase, count)
    return count
  }
  return {
    add: ({ end, fault, phase, status, tokens }) => {
      requests++
      const count = countOf(phase)
      count.requests++
      count.tokens += tokens
      if (end === "client-closed" || end === "unheard") count.left++
      count.statuses = plusOne(count.statuses, status === undefined ? "none" : String(status))
      if (fault !== undefined) count.faults = plusOne(count.faults, fault)
      else if (status === undefined || status < 400) count.healthy++
      else count.refused++
    },
    requests: () => requests,
    read: () => [...phases.values()]
  }
}

/** The tally as a table. */
export const table = (counts: ReadonlyArray<PhaseCount>): string =>
  Table.plain(
    ["phase", "requests", "healthy", "faulty", "refused", "client left", "tokens", "statuses", "faults"],
    counts.map(({ faults, healthy, left, phase, refused, requests, statuses, tokens }) => [
      phase,
      ...[requests, healthy, Object.values(faults).reduce((sum, count) => sum + count, 0), refused, left, tokens].map(
        Words.whole
      ),
      listed(statuses),
      listed(faults)
    ])
  )

// ---------------------------------------------------------------------------------------------------------------------

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

const plusOne = (counts: Readonly<Record<string, number>>, key: string): Readonly<Record<string, number>> => ({
  ...counts,
  [key]: (counts[key] ?? 0) + 1
})

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts).map(([key, count]) => `${key} ${Words.whole(count)}`).join(", ")
