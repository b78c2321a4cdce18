/** What happened lately, newest first. */
import type { Seen } from "./Board.tsx"
import { memo } from "./Memo.tsx"
import { type Filter, matcher } from "./Ranking.tsx"
import { time } from "./Words.tsx"

interface Props {
  readonly happenings: ReadonlyArray<Seen>
  readonly filter: Filter
}

export const Happenings = memo(({ filter, happenings }: Props) => {
  const { name: matches } = matcher(filter)
  const shown = happenings.filter(({ name }) => matches(name.toLowerCase()))
  return (
    <aside class="happenings" id="happenings" aria-labelledby="happenings-title" tabIndex={-1}>
      <h2 id="happenings-title">Recent events</h2>
      {shown.length === 0
        ? <p class="none">{happenings.length === 0 ? "Nothing has happened yet." : "Nothing with such a name."}</p>
        : (
          <ol role="list" tabIndex={0} aria-labelledby="happenings-title">
            {shown.map((each) => <Happening key={each.key} seen={each} />)}
          </ol>
        )}
    </aside>
  )
})

// ---------------------------------------------------------------------------------------------------------------------

const Happening = memo(({ seen: { at, by, name, state, text } }: { readonly seen: Seen }) => (
  <li class={kinds[state.toLowerCase()] ?? "closed"}>
    <time dateTime={new Date(at).toISOString()}>{time(at)}</time>
    <p>
      <b title={name}>
        <bdi>{name}</bdi>
      </b>{" "}
      {text}
      {by !== undefined && !text.includes(by) && ` by ${by}`}
    </p>
  </li>
))

const kinds: Readonly<Record<string, string>> = {
  open: "open",
  isolated: "isolated",
  probing: "probing",
  halfopen: "probing",
  ramping: "ramping",
  closed: "closed"
}
