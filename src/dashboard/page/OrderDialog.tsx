/** Asks before an order goes out: the dialog is the question, and says what will happen. */
import { useLayoutEffect, useRef, useState } from "preact/hooks"
import type { OrderView } from "../View.ts"
import { board } from "./Board.tsx"
import * as Clock from "./Clock.tsx"
import { brief, list, many, shortTime } from "./Words.tsx"

export type Order = "isolate" | "release" | "reset" | "observe" | "enforce"

export interface Target {
  readonly id: string
  readonly name: string
}

/** An order that the viewer is about to give. With `bulk` the dialog lets the viewer choose which. */
export interface Ask {
  /** The server whose circuits are meant: after a restart their ids may be those of others. */
  readonly instance: string | undefined
  readonly order: Order
  readonly targets: ReadonlyArray<Target>
  readonly bulk: boolean
}

interface Props {
  readonly ask: Ask
  readonly report: (result: string) => void
  /** The dialog is closed, and focus back where it was. */
  readonly closed: () => void
}

export const OrderDialog = ({ ask, closed, report }: Props) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const [order, setOrder] = useState(ask.order)
  const [length, setLength] = useState("15")
  const [note, setNote] = useState("")
  const [problem, setProblem] = useState("")
  const [sending, setSending] = useState(false)
  useLayoutEffect(() => dialog.current!.showModal(), [])

  const targets = targetsOf(ask, order)
  const plan: Plan = { order, targets, minutes: length === "" ? undefined : Number(length) }
  const act = ask.bulk ? `${verbs[order]} ${many(targets.length, "circuit")}` : verbs[order]

  const give = async () => {
    const element = dialog.current!
    setSending(true)
    setProblem("")
    const outcome = await send({ instance: ask.instance, ...orderOf(plan, note.trim()) })
    setSending(false)
    if ("error" in outcome) return setProblem(outcome.error)
    report(doneSentence(plan, outcome.done))
    if (element.open) element.close()
  }

  return (
    <dialog
      ref={dialog}
      class="order"
      aria-labelledby="order-title"
      aria-describedby="order-effect"
      onCancel={(event) => {
        if (sending) event.preventDefault()
      }}
      onClose={closed}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (!sending && targets.length > 0) void give()
        }}
      >
        <h2 id="order-title">
          {ask.bulk ? `Control ${many(ask.targets.length, "circuit")}` : `${verbs[order]} ${ask.targets[0]!.name}?`}
        </h2>
        {ask.bulk && <Choice legend="Order" name="order" options={orders} chosen={order} choose={setOrder} />}
        <p id="order-effect" class="effect">
          <Clock.Ticking text={(now) => effectOf(plan, now)} />
        </p>
        {ask.bulk && <p class="names">{list(targets.map(({ name }) => brief(name)), 5)}</p>}
        {order === "isolate" && (
          <>
            <Choice legend="Ends" name="length" options={lengths} chosen={length} choose={setLength} />
            <label class="field">
              <span>Note, optional: why, for others to read</span>
              <input
                type="text"
                name="note"
                maxLength={500}
                autocomplete="off"
                value={note}
                onInput={(event) => setNote(event.currentTarget.value)}
              />
            </label>
          </>
        )}
        <p class="problem" role="alert">{problem === "" ? "" : `Not done: ${problem}`}</p>
        <div class="answer">
          <button type="button" autofocus disabled={sending} onClick={() => dialog.current!.close()}>Cancel</button>
          <button type="submit" class="act" aria-disabled={sending || targets.length === 0}>
            {sending ? "Sending…" : act}
          </button>
        </div>
      </form>
    </dialog>
  )
}

// ---------------------------------------------------------------------------------------------------------------------

interface Plan {
  readonly order: Order
  readonly targets: ReadonlyArray<Target>
  /** How long an isolation lasts; for ever without. */
  readonly minutes: number | undefined
}

interface Option<A> {
  readonly value: A
  readonly label: string
}

const verbs: Readonly<Record<Order, string>> = {
  isolate: "Isolate",
  release: "Release",
  reset: "Reset",
  observe: "Observe",
  enforce: "Enforce"
}

const orders = Object.entries(verbs).map(([value, label]) => ({ value: value as Order, label }))

const lengths: ReadonlyArray<Option<string>> = [
  { value: "5", label: "In 5 min" },
  { value: "15", label: "In 15 min" },
  { value: "60", label: "In 1 h" },
  { value: "240", label: "In 4 h" },
  { value: "", label: "When released" }
]

const Choice = <A extends string>(props: {
  readonly legend: string
  readonly name: string
  readonly options: ReadonlyArray<Option<A>>
  readonly chosen: A
  readonly choose: (value: A) => void
}) => (
  <fieldset class="choice">
    <legend>{props.legend}</legend>
    <div class="options">
      {props.options.map(({ label, value }) => (
        <label key={value}>
          <input
            type="radio"
            name={props.name}
            value={value}
            checked={value === props.chosen}
            onChange={() => props.choose(value)}
          />
          <span>{label}</span>
        </label>
      ))}
    </div>
  </fieldset>
)

/** Those that are still there; and of many, only the isolated ones can be released. */
const targetsOf = ({ bulk, instance, targets }: Ask, order: Order): ReadonlyArray<Target> =>
  targets.filter(({ id }) => {
    const entry = board.entries.get(id)
    return instance === board.instance && entry !== undefined && !entry.gone
      && !(bulk && order === "release" && entry.view.state !== "Isolated")
  })

/** Who is meant, in a sentence. */
const whomOf = ({ targets }: Plan): string => targets.length === 1 ? targets[0]!.name : many(targets.length, "circuit")

const endOf = ({ minutes }: Plan, now: number): string =>
  minutes === undefined ? "until it is released" : `until ${shortTime(now + minutes * 60_000, now)}`

const effectOf = (plan: Plan, now: number): string => {
  const whom = whomOf(plan)
  const one = plan.targets.length === 1
  const they = one ? "It" : "They"
  const modes = plan.targets.map(({ id }) => board.entries.get(id)?.view.mode)
  if (plan.targets.length === 0) {
    return plan.order === "release"
      ? "None of them is isolated, so nothing would happen."
      : "Gone: nothing would happen."
  }
  switch (plan.order) {
    case "isolate": {
      const spared = modes.filter((mode) => mode !== "enforce").length
      const but = spared === 0
        ? ""
        : one
        ? " It is not enforcing its rules now: until it does, no call is refused."
        : ` ${many(spared, "of them is", "of them are")} not enforcing: until they do, they refuse no call.`
      return `Every call to ${whom} will be refused ${endOf(plan, now)}.${but}`
    }
    case "release":
      return `Calls to ${whom} will go through again at once. ${
        one ? "It starts" : "They start"
      } as closed, with an empty window.`
    case "reset":
      return `${
        one ? whom : `The ${whom}`
      } will go back to closed and forget earlier openings. Calls go through again at once, even if the trouble lasts.`
    case "observe":
      return `No call to ${whom} will be refused any more. ${they} still follow${one ? "s" : ""} every rule and count${
        one ? "s" : ""
      } what would have been refused.`
    case "enforce":
      return `Calls to ${whom} will be refused whenever the rules say so, from now on.`
  }
}

const doneSentence = (plan: Plan, done: number): string => {
  const now = Clock.now()
  if (done === 0) return `Nothing was done: ${whomOf(plan)} could not be found any more.`
  const whom = plan.targets.length === 1 ? whomOf(plan) : many(done, "circuit")
  switch (plan.order) {
    case "isolate":
      return `Isolated ${whom} ${endOf(plan, now)}.`
    case "release":
      return `Released ${whom}.`
    case "reset":
      return `Reset ${whom}.`
    case "observe":
      return `${whom}: observing, no call is refused.`
    case "enforce":
      return `${whom}: enforcing.`
  }
}

const orderOf = ({ minutes, order, targets }: Plan, note: string): OrderView => {
  const ids = targets.map(({ id }) => id)
  switch (order) {
    case "isolate":
      return {
        ids,
        order,
        ...(minutes === undefined ? {} : { for: minutes * 60_000 }),
        ...(note === "" ? {} : { note })
      }
    case "release":
    case "reset":
      return { ids, order }
    case "observe":
    case "enforce":
      return { ids, order: "mode", mode: order }
  }
}

const send = async (order: OrderView): Promise<{ readonly done: number } | { readonly error: string }> => {
  try {
    const response = await fetch("control", {
      method: "POST",
      headers: { "content-type": "application/json", "x-effect-breaker": "control" },
      body: JSON.stringify(order)
    })
    const answer = await response.json().catch(() => ({})) as { readonly done?: unknown; readonly error?: unknown }
    if (response.ok && typeof answer.done === "number") return { done: answer.done }
    if (typeof answer.error === "string") return { error: answer.error }
    return {
      error: response.ok ? "another page came in its place, perhaps a login" : `the server answered ${response.status}`
    }
  } catch {
    return { error: "the server cannot be reached. Look whether the order arrived before you give it again." }
  }
}
