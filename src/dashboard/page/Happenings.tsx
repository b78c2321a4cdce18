/** What happened lately, newest first. */
import type { Seen } from "./Board.tsx"
import { memo } from "./Memo.tsx"
import { type Filter, matchesText } from "./Ranking.tsx"
import { time } from "./Words.tsx"

interface Props {
  readonly happenings: ReadonlyArray<Seen>
  readonly filter: Filter
}

export const Happenings = memo(({ filter, happenings }: Props) => {
  const shown = happenings.filter(({ name }) => matchesText(name, filter))
  return (
    <aside class="happenings" id="happenings" aria-labelledby="happenings-title" tabIndex={-1}>
      <h2 id="happenings-title">Recent events</h2>
      {shown.length === 0
        ? <p class="none">{happenings.length === 0 ? "Nothing has happened yet." : "Nothing with such a name."}</p>
        : (
          <ol role="list" tabIndex={0} aria-labelledby="happenings-title">
            {shown.map((each) => (
              <li key={each.key} class={kinds[each.state.toLowerCase()] ?? "closed"}>
                <time dateTime={new Date(each.at).toISOString()}>{time(each.at)}</time>
                <p>
                  <b title={each.name}>
                    <bdi>{each.name}</bdi>
                  </b>{" "}
                  {each.text}
                  {each.by !== undefined && !each.text.includes(each.by) && ` by ${each.by}`}
                </p>
              </li>
            ))}
          </ol>
        )}
    </aside>
  )
})

// ---------------------------------------------------------------------------------------------------------------------

const kinds: Readonly<Record<string, string>> = {
  open: "open",
  isolated: "isolated",
  probing: "probing",
  halfopen: "probing",
  ramping: "ramping",
  closed: "closed"
}
