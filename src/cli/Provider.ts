/**
 * `effect-breaker provider`: the fake provider as a server, so that any application can be pointed at an outage.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Words from "../replay/Words.ts"
import * as FakeProvider from "../testing/FakeProvider.ts"
import type * as Fault from "../testing/Fault.ts"
import * as Script from "../testing/Script.ts"
import * as Timeline from "../testing/Timeline.ts"
import * as Ending from "./Ending.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"
import * as ProviderTally from "./ProviderTally.ts"
import { Screen } from "./Screen.ts"
import * as Text from "./Text.ts"

const options = {
  script: Flag.String("script").pipe(
    Flag.withMetavar("FILE|NAME"),
    Flag.withDescription(
      "A script of phases as JSON (- for standard input), or the name of a ready-made one; see --list"
    ),
    Flag.withDefault("healthy")
  ),
  port: Flag.Int("port").pipe(
    Flag.withDescription("The port to listen on; a free one unless given"),
    Flag.withDefault(0)
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("The address to listen on; with another than 127.0.0.1, others can reach it"),
    Flag.withDefault("127.0.0.1")
  ),
  seed: Flag.Int("seed").pipe(
    Flag.withDescription("Decides which request gets which fault"),
    Flag.withDefault(1)
  ),
  model: Flag.String("model").pipe(
    Flag.withDescription("The model that it lists, and that answers a request which names none"),
    Flag.withDefault("fake-model")
  ),
  once: Flag.Boolean("once").pipe(
    Flag.withDescription("End when the last phase is over; otherwise it stays until Ctrl-C"),
    Flag.withDefault(false)
  ),
  requests: Flag.Boolean("requests").pipe(
    Flag.withDescription("Print each request when its answer has ended"),
    Flag.withDefault(false)
  ),
  faultHeader: Flag.Boolean("fault-header").pipe(
    Flag.withDescription("Let a request choose its own fault by the header x-fault"),
    Flag.withDefault(false)
  ),
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object a line: listening, phase, request, summary"),
    Flag.withDefault(false)
  ),
  list: Flag.Boolean("list").pipe(
    Flag.withDescription("List the ready-made scripts and end"),
    Flag.withDefault(false)
  ),
  print: Flag.Boolean("print").pipe(
    Flag.withDescription("Print the script as JSON and end: to begin your own from"),
    Flag.withDefault(false)
  )
}

/** The command. */
export const command = Command.make("provider", options, (given) => provide(given)).pipe(
  Command.withDescription(
    Text.paragraphs(
      "A language-model provider on this machine that fails by a script.",
      "It speaks OpenAI's chat completions and responses and Anthropic's messages, plain and streamed. Point an"
        + " application at the address that it prints, with any key, and see what an outage does to it. It ends with"
        + " Ctrl-C and a summary of what it saw."
    )
  ),
  Command.withShortDescription("A fake language-model provider that fails by a script"),
  Command.withExamples([
    { command: "effect-breaker provider --script overload", description: "An overload of two minutes, on a free port" },
    { command: "effect-breaker provider --list", description: "The ready-made scripts" },
    {
      command: "effect-breaker provider --script overload --print > mine.json",
      description: "A script to begin your own from"
    },
    {
      command: "effect-breaker provider --script mine.json --port 8080 --once --json > seen.jsonl",
      description: "Your own, once, with what happened as JSON lines"
    },
    {
      command:
        `echo '[{ "for": "Infinity", "faults": [{ "fault": "cut", "share": 0.5 }] }]' | effect-breaker provider --script -`,
      description: "Half of all answers end too early, from standard input"
    }
  ])
)

// ---------------------------------------------------------------------------------------------------------------------

interface Given {
  readonly script: string
  readonly port: number
  readonly host: string
  readonly seed: number
  readonly model: string
  readonly once: boolean
  readonly requests: boolean
  readonly faultHeader: boolean
  readonly json: boolean
  readonly list: boolean
  readonly print: boolean
}

const provide = (given: Given) =>
  Effect.gen(function*() {
    const screen = yield* Screen
    if (given.list) return yield* screen.print(given.json ? Text.json(Script.readyMade) : listed)
    const script = yield* scriptOf(given.script)
    if (given.print) return yield* screen.print(Text.json(script, { indent: 2 }))
    const tally = ProviderTally.make()
    yield* Ending.byHandIsFine
    yield* Effect.scoped(serve(given, script, tally)).pipe(
      // The scope has ended by then, and with it every answer.
      Effect.onExit((exit) =>
        Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? summarize(tally, given.json) : Effect.void
      )
    )
  })

const scriptOf = Effect.fnUntraced(function*(asked: string) {
  if (Object.hasOwn(Script.readyMade, asked)) return Script.readyMade[asked as Script.Name].script
  const text = yield* Effect.mapError(Input.text(asked), (error) =>
    /^[\w-]+$/.test(asked) && asked !== "-"
      ? Failed.wrong(`--script ${asked}: neither a file nor a ready-made script (${names.join(", ")})`)
      : error)
  const data = yield* Input.json(text, asked)
  return yield* Effect.try({
    try: () => Script.fromJson(data, Input.nameOf(asked)),
    catch: (error) => Failed.wrong((error as RangeError).message)
  })
})

const serve = (
  given: Given,
  script: ReadonlyArray<FakeProvider.Phase>,
  tally: ProviderTally.Tally
): Effect.Effect<void, Failed.Failed, Scope.Scope> =>
  Effect.gen(function*() {
    const screen = yield* Screen
    const { faultHeader, host, json, model, once, port, requests, seed } = given
    const say = (event: object, text: string) => screen.print(json ? Text.json(event) : text)
    const context = yield* Effect.context<never>()
    const began = yield* Clock.currentTimeMillis
    const made = yield* Effect.try({
      try: () =>
        FakeProvider.make({
          script,
          seed,
          port,
          host,
          model,
          allowHeader: faultHeader,
          // What ends is counted: of a server that runs for days, nothing else need be kept.
          journalSize: 0,
          onEnd: (entry) => {
            tally.add(entry)
            if (requests) Effect.runSyncWith(context)(say(requestEvent(entry, began), requestLine(entry)))
          }
        }),
      catch: (error) => Failed.wrong(optionOf((error as RangeError).message))
    })
    const provider = yield* Effect.mapError(made, ({ message }) => Failed.failed(message))
    const { baseUrl, url } = provider
    yield* say(
      {
        event: "listening",
        time: timeOf(began),
        url,
        baseUrl,
        port: provider.port,
        script: given.script,
        seed,
        phases: script
      },
      [
        `${screen.paint("bold", "Fake provider")} at ${url}  (script ${Input.nameOf(given.script)}, seed ${seed})`,
        `  OpenAI's clients, AI SDK  base URL ${baseUrl}`,
        `  Anthropic's client        base URL ${url}`,
        once ? "It ends when the script is over, or with Ctrl-C.\n" : "Ctrl-C ends it.\n"
      ].join("\n")
    )
    if (!/^(?:127\.|localhost$|::1$)/.test(host)) {
      yield* screen.note(`Whoever can reach ${host} can use it: it takes any key.`)
    }

    const phases = Timeline.checkScript("provider", script).map(({ length, name }, index) => ({
      name: name ?? `phase ${index + 1}`,
      length
    }))
    const now = { name: "", began: 0, length: Infinity }
    const play = Effect.gen(function*() {
      let at = 0
      for (const [index, { length, name }] of phases.entries()) {
        Object.assign(now, { name, began: at, length })
        const phase = script[index]!
        yield* say(
          { event: "phase", time: timeOf(began + at), offsetMs: at, name, forMs: length === Infinity ? null : length },
          phaseLine(at, name, length, phase)
        )
        at += length
        yield* at === Infinity ? Effect.never : untilThen(began + at)
      }
      if (!once) yield* Effect.never
    })
    yield* Effect.forkScoped(Effect.repeat(
      Effect.gen(function*() {
        if (!screen.live) return
        const elapsed = (yield* Clock.currentTimeMillis) - began - now.began
        const inFlight = yield* provider.inFlight
        const of = now.length === Infinity ? "" : ` of ${Words.span(now.length)}`
        yield* screen.status(
          `${now.name}  ${Words.span(Math.min(elapsed, now.length))}${of}  ${
            Words.whole(tally.requests())
          } requests ended`
            + `  ${Words.whole(inFlight)} running`
        )
      }),
      Schedule.spaced(250)
    ))
    yield* Effect.addFinalizer(() => screen.status(undefined))
    yield* play
  })

const untilThen = (moment: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sleep(Math.max(0, moment - now)))

const summarize = (tally: ProviderTally.Tally, json: boolean): Effect.Effect<void> =>
  Effect.flatMap(Screen, (screen) => {
    const phases = tally.read()
    if (json) return screen.print(Text.json({ event: "summary", requests: tally.requests(), phases }))
    return screen.print(phases.length === 0 ? "\nNobody asked." : `\n${ProviderTally.table(phases)}`)
  })

// Options of the constructor have the names of the flags.
const optionOf = (message: string): string => message.replace(/^FakeProvider\.make: (\w+)/, "--$1")

const clockOf = (millis: number): string => {
  const seconds = Math.floor(millis / 1000)
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`
}

const phaseLine = (
  at: number,
  name: string,
  length: number,
  { faults = [], limits = [] }: FakeProvider.Phase
): string => {
  const what = [
    ...faults.map(({ fault, share }) => `${labelOf(fault)} ${Words.percent(share)}`),
    ...limits.map(({ _tag }) => `limit ${_tag.toLowerCase()}`)
  ]
  return Text.plain(
    `${clockOf(at)}  ${name} (${Words.span(length)})${what.length === 0 ? "" : `: ${what.join(", ")}`}`
  )
}

const timeOf = (moment: number): string => new Date(moment).toISOString()

// As a line of a log that replay reads: its times have a zone or a unit, and no field has a name that means something else.
const requestEvent = ({ at, end, endedAt, ...rest }: FakeProvider.Entry, began: number): object => ({
  event: "request",
  time: timeOf(began + at),
  offsetMs: at,
  tookMs: endedAt === undefined ? undefined : endedAt - at,
  ending: end,
  ...rest
})

const requestLine = ({ at, end, endedAt, fault, format, index, model, phase, status }: FakeProvider.Entry): string =>
  `${clockOf(at)}  #${index} ${format ?? "?"} ${Text.plain(model ?? "")} → ${status ?? "no answer"}, ${end}`
  + ` after ${Words.span((endedAt ?? at) - at)}${fault === undefined ? "" : ` (${fault}, ${Text.plain(phase)})`}`

const labelOf = (fault: Fault.Fault): string => {
  if (fault._tag === "JsonError") return `${fault.status} ${fault.code ?? fault.type ?? ""}`.trimEnd()
  if (fault._tag === "HtmlError") return `${fault.status} HTML`
  if (fault._tag === "ErrorChunk") return `${fault.code ?? fault.type ?? "error"} inside 200`
  return fault._tag.replaceAll(/(?!^)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase()
}

const names = Object.keys(Script.readyMade)

const listed = names.map((name) => `${name.padEnd(16)}${Script.readyMade[name as Script.Name].about}`).join("\n")
