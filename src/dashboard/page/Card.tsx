/** One circuit. */
import { Component, createRef } from "preact"
import type { CircuitView } from "../View.ts"
import type { Entry } from "./Board.tsx"
import * as Clock from "./Clock.tsx"
import { memo } from "./Memo.tsx"
import type { Ask } from "./OrderDialog.tsx"
import * as Paint from "./Paint.tsx"
import { Strip } from "./Strip.tsx"
import {
  ago,
  compact,
  duration,
  kindOf,
  many,
  number,
  openedToday,
  percent,
  remaining,
  shortTime,
  stateWord,
  uptime
} from "./Words.tsx"

interface Props {
  readonly entry: Entry
  readonly control: boolean
  readonly ask: (ask: Omit<Ask, "instance">) => void
}

export class Card extends Component<Props> implements Paint.Drawn {
  private readonly element = createRef<HTMLElement>()
  private readonly titleId = `circuit-${++cards}`
  private isNear = false
  private version = -1
  private forget: () => void = () => {}

  near = () => this.isNear
  changed = () => this.version !== this.props.entry.version
  redraw = () => this.forceUpdate()

  override shouldComponentUpdate(next: Props): boolean {
    return next.entry !== this.props.entry || next.control !== this.props.control || next.ask !== this.props.ask
  }

  override componentDidMount(): void {
    this.forget = Paint.onCard(this)
    watch(this.element.current!, (near) => {
      if (near === this.isNear) return
      this.isNear = near
      if (near) Paint.come(this)
    })
  }

  override componentWillUnmount(): void {
    this.forget()
    unwatch(this.element.current!)
  }

  override render({ ask, control, entry }: Props) {
    const { gone, version, view } = entry
    const now = Clock.now()
    this.version = version
    const name = view.name === "" ? "(no name)" : view.name
    return (
      <article
        ref={this.element}
        class={`card ${kindOf(view)}${gone ? " gone" : ""}`}
        aria-labelledby={this.titleId}
        data-id={entry.id}
      >
        <header>
          <h3 id={this.titleId} title={name}>
            <bdi>{name}</bdi>
          </h3>
          <p class="state">
            <strong class="badge">{stateWord(view)}</strong>
            <span class="since">
              for {duration(now - view.since)}
            </span>
            {gone && <span class="mode">Gone</span>}
            {view.mode !== "enforce" && <span class="mode">{view.mode === "off" ? "Off" : "Observing"}</span>}
          </p>
        </header>
        <Why entry={entry} now={now} />
        <div class={control ? "rest steered" : "rest"}>
          <Strip entry={entry} near={this.isNear} />
          <Figures view={view} now={now} />
          {control && !gone && (
            <Orders id={view.id} name={name} isolated={view.state === "Isolated"} mode={view.mode} ask={ask} />
          )}
        </div>
      </article>
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------

let cards = 0

const watchers = new WeakMap<Element, (near: boolean) => void>()
const observer = new IntersectionObserver(
  (seen) => {
    for (const { isIntersecting, target } of seen) watchers.get(target)?.(isIntersecting)
  },
  { rootMargin: "300px" }
)
const watch = (element: Element, listener: (near: boolean) => void) => {
  watchers.set(element, listener)
  observer.observe(element)
}
const unwatch = (element: Element) => {
  watchers.delete(element)
  observer.unobserve(element)
}

/** What happens next, as long as it is not simply that calls go through. */
const nextSentence = ({ asOf, view }: Entry, now: number): string => {
  const left = view.retryAfter === null ? Infinity : asOf + view.retryAfter - now
  const refused = view.mode === "enforce" ? "is refused" : "would be refused"
  if (view.mode === "off") return "Off: calls go through, and nothing is counted"
  switch (kindOf(view)) {
    case "open":
      return left === Infinity
        ? `Every call ${refused} until it is reset`
        : left > 0
        ? `Next probe in ${remaining(left)}`
        : "The next call is a probe"
    case "isolated":
      return left === Infinity
        ? `Every call ${refused} until it is released`
        : left > 0
        ? `Every call ${refused} until ${shortTime(now + left, now)}, for ${remaining(left)}`
        : "The isolation is over: the next call goes through"
    case "probing":
      return `Probes go through, any other call ${refused}`
    case "ramping":
      return `${percent(view.share ?? 0)} of calls go through`
    case "closed":
      return view.retryAfter === 0 || left <= 0 ? "" : `Throttled: every call ${refused} for ${remaining(left)}`
  }
}

const Why = ({ entry, now }: { readonly entry: Entry; readonly now: number }) => {
  const { view } = entry
  const { cause } = view
  const failure = cause?.failure ?? view.lastFailure
  return (
    <div class="why">
      <p class="next">{nextSentence(entry, now)}</p>
      {cause !== undefined && <p class="cause">{cause.text}</p>}
      {(cause?.note !== undefined || cause?.by !== undefined) && (
        <p class="note">
          {cause.note !== undefined && <q>{cause.note}</q>}
          {cause.by !== undefined && ` by ${cause.by}`}
        </p>
      )}
      {failure === undefined
        ? kindOf(view) === "closed" && <p class="failure">No failure so far</p>
        : (
          <p class="failure">
            Last failure: {failure.kind !== undefined && <b>{failure.kind}</b>}
            {failure.kind !== undefined && ", "}
            {ago(now - failure.at)}
            {failure.message !== undefined && <q title={failure.message}>{failure.message}</q>}
          </p>
        )}
    </div>
  )
}

const Figures = ({ now, view }: { readonly view: CircuitView; readonly now: number }) => {
  const share = (value: number) => view.calls === 0 ? "–" : percent(value)
  const observed = view.mode !== "enforce"
  return (
    <dl class="figures">
      <div>
        <dt>Failed</dt>
        <dd class={view.calls > 0 && view.failureRate > 0 ? "bad" : ""}>
          {share(view.failureRate)}{" "}
          <small title={many(view.calls, "call")}>
            {view.calls === 0 ? "no calls" : `of ${compact(view.calls)}`}
            {view.calls > 0 && <span class="unseen">calls</span>}
          </small>
        </dd>
      </div>
      <div>
        <dt>Slow</dt>
        <dd>{share(view.slowRate)}</dd>
      </div>
      <div>
        <dt>In flight</dt>
        <dd>{number(view.inFlight)}</dd>
      </div>
      <div>
        <dt>{observed ? "Would refuse" : "Refused"}</dt>
        <dd>
          {number(observed ? view.wouldRefuse : view.refused)}
          {observed && view.refused > 0 && <small>{` and refused ${number(view.refused)}`}</small>}
        </dd>
      </div>
      <div>
        <dt>Opened today</dt>
        <dd>{openedToday(view.opened, now)}</dd>
      </div>
      <div>
        <dt>Uptime</dt>
        <dd>{uptime(view.uptimePercentage)}</dd>
      </div>
    </dl>
  )
}

/** The first button keeps its element when it becomes another: focus stays where it is. */
const Orders = memo(({ ask, id, isolated, mode: current, name }: {
  readonly id: string
  readonly name: string
  readonly isolated: boolean
  readonly mode: CircuitView["mode"]
  readonly ask: Props["ask"]
}) => {
  const targets = [{ id, name }]
  const mode = current === "enforce" ? "observe" : "enforce"
  const modeWord = mode === "observe" ? "Observe" : "Enforce"
  return (
    <div class="orders" role="group" aria-label={`Orders for ${name}`}>
      <button
        type="button"
        aria-label={`${isolated ? "Release" : "Isolate"} ${name}`}
        onClick={() => ask({ order: isolated ? "release" : "isolate", targets, bulk: false })}
      >
        {isolated ? "Release" : "Isolate"}
      </button>
      <button type="button" aria-label={`Reset ${name}`} onClick={() => ask({ order: "reset", targets, bulk: false })}>
        Reset
      </button>
      <button
        type="button"
        aria-label={`${modeWord} ${name}`}
        onClick={() => ask({ order: mode, targets, bulk: false })}
      >
        {modeWord}
      </button>
    </div>
  )
})
