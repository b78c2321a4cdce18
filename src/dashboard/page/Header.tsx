/** What stands above the circuits: how many are in which state, what is shown, and whether it is live. */
import type { Entry } from "./Board.tsx"
import { type Connection, feed } from "./Feed.tsx"
import type { Filter, Segment } from "./Ranking.tsx"
import { segmentOf } from "./Ranking.tsx"
import { kindOf, number, time } from "./Words.tsx"

export type Counts = Readonly<Record<Segment, number>>

export const countsOf = (entries: Iterable<Entry>): Counts => {
  const counts = { open: 0, isolated: 0, halfOpen: 0, closed: 0 }
  for (const { gone, view } of entries) if (!gone) counts[segmentOf(kindOf(view))]++
  return counts
}

const segments: ReadonlyArray<readonly [Segment, string]> = [
  ["open", "Open"],
  ["isolated", "Isolated"],
  ["halfOpen", "Half-open"],
  ["closed", "Closed"]
]

const connectionWords = (connection: Connection): string =>
  connection.is === "reconnecting"
    ? `reconnecting since ${time(connection.since)}`
    : connection.is

const Status = () => {
  const { connection, restarted } = feed
  const late = connection.is === "reconnecting" && connection.why
  return (
    <p class={`connection ${connection.is}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span>
        {connectionWords(connection)}
        {late !== false && <small>{late}; what is shown may be old</small>}
        {restarted !== undefined && connection.is === "live" && <small>server restarted at {time(restarted)}</small>}
      </span>
    </p>
  )
}

export const Header = (props: {
  readonly title: string
  readonly counts: Counts
  readonly filter: Filter
  readonly setFilter: (filter: Filter) => void
}) => {
  const { counts, filter, setFilter, title } = props
  const toggle = (segment: Segment) => {
    const next = new Set(filter.segments)
    if (!next.delete(segment)) next.add(segment)
    setFilter({ ...filter, segments: next })
  }
  return (
    <header class="top">
      <h1 title={title}>{title}</h1>
      <Status />
      <div class="tools" role="search" aria-label="Circuits">
        <div class="segments" role="group" aria-label="Show only">
          {segments.map(([segment, word]) => (
            <button
              key={segment}
              type="button"
              class={segment}
              aria-pressed={filter.segments.has(segment)}
              onClick={() => toggle(segment)}
            >
              <b>{number(counts[segment])}</b> {word}
            </button>
          ))}
        </div>
        <input
          type="search"
          class="filter"
          aria-label="Filter by name"
          placeholder="Filter by name"
          spellcheck={false}
          autocomplete="off"
          value={filter.text}
          onInput={(event) => setFilter({ ...filter, text: event.currentTarget.value })}
        />
      </div>
    </header>
  )
}
