/**
 * Reads what every process of a fleet saw, with what reached the provider and what was written to Redis, and says what of
 * it a fleet with one circuit would not have done.
 *
 * It knows nothing of how the circuit is shared: only what is promised.
 */
import type { Line, Period } from "./journal.ts"

/** What was promised to the fleet whose history it is. */
export interface Promised {
  readonly concurrency: number
  readonly successes: number
  readonly outOf: number
  /** Of a probe, in milliseconds. */
  readonly lease: number
  /** Of a call, until it is decided: the time for which its process was stopped not counted. In milliseconds. */
  readonly longestWait: number
  /** The share of a ramp of one step. */
  readonly share?: number | undefined
}

export interface Violation {
  readonly law: string
  readonly why: string
  readonly at: number
}

type Of<W extends Line["what"]> = Extract<Line, { readonly what: W }>

/** Everything that should not have happened, first things first. */
export const violations = (history: ReadonlyArray<Line>, promised: Promised): ReadonlyArray<Violation> => {
  const lines = history.toSorted((a, b) => a.at - b.at)
  const found: Array<Violation> = []
  for (const [law, check] of Object.entries(laws)) {
    check(lines, promised, ({ at }, why) => found.push({ law, why, at }))
  }
  return found.toSorted((a, b) => a.at - b.at)
}

type Law = (
  lines: ReadonlyArray<Line>,
  promised: Promised,
  report: (line: { readonly at: number }, why: string) => void
) => void

/** What a busy process takes the clock of Redis for may differ from it by so much, in milliseconds. */
const skew = 100

const laws: Readonly<Record<string, Law>> = {
  "no call is admitted in an opening by a process that was told of it": (lines, _, report) => {
    for (const own of byProcess(lines)) {
      let state: Pick<Of<"transition">, "to" | "stage" | "generation"> = {
        to: "Closed",
        stage: undefined,
        generation: 0
      }
      for (const line of own) {
        if (line.what === "up") state = { to: line.state, stage: undefined, generation: line.generation }
        else if (line.what === "transition") state = line
        if (line.what !== "admitted" || line.isSpared) continue
        const where = `${line.call} of generation ${line.generation}, in ${state.to} of ${state.generation}`
        if (state.to === "Open" || state.to === "Isolated") report(line, `admitted ${where}`)
        else if (state.to === "HalfOpen" && line.shared && line.lease === undefined && line.step === undefined) {
          report(line, `admitted without leave ${where}`)
        } else if (line.shared && state.to === "Closed" && line.generation !== state.generation) {
          report(line, `admitted in another period ${where}`)
        }
      }
    }
  },

  "there is one opening per generation": (lines, _, report) => {
    const openings = new Map<string, string>()
    for (const line of lines) {
      const period = line.what === "news" ? line : line.what === "transition" && line.shared ? line.period : undefined
      if (period?.tag !== "Open" || (line.what !== "news" && line.what !== "transition")) continue
      const opening = `${line.epoch} ${period.generation}`
      const what = `from ${period.since} to ${period.until} by ${period.rule}`
      const other = openings.get(opening) ?? what
      if (other !== what) report(line, `${line.by}: opening ${opening} ${what}, but elsewhere ${other}`)
      openings.set(opening, what)
    }
    for (const own of byProcess(lines)) {
      const told = new Set<string>()
      for (const line of own) {
        if (line.what === "lost") told.clear()
        if (line.what !== "transition" || line.to !== "Open" || !line.shared) continue
        const opening = `${line.epoch} ${line.generation}`
        if (told.has(opening)) report(line, `${line.by} opened twice in generation ${line.generation}`)
        told.add(opening)
      }
    }
  },

  "nobody probes before the opening is over": (lines, _, report) => {
    const ends = new Map<string, number>()
    const leaves = new Map<string, Of<"admitted">>()
    for (const line of lines) {
      if (line.what === "news" && line.tag === "Open") ends.set(`${line.epoch} ${line.generation + 1}`, line.until ?? 0)
      else if (line.what === "admitted" && line.lease !== undefined) leaves.set(line.call, line)
    }
    for (const line of lines) {
      const leave = line.what === "began" ? leaves.get(line.call) : undefined
      if (line.what !== "began" || leave === undefined) continue
      const early = (ends.get(`${leave.epoch} ${leave.generation}`) ?? 0) - line.wall
      if (early > skew) report(line, `${line.call} came ${Math.round(early)} ms before the end of the opening`)
    }
  },

  "a circuit that is shared moves only with the fleet's": (lines, _, report) => {
    for (const line of lines) {
      if (line.what === "transition" && line.shared && line.period === undefined) {
        report(line, `${line.by} went by itself from ${line.from} to ${line.to}, generation ${line.generation}`)
      }
    }
  },

  "generations only grow": (lines, _, report) => {
    const last = new Map<string, Of<"news">>()
    for (const line of lines) {
      if (line.what !== "news") continue
      const before = last.get(line.epoch)
      if (before !== undefined && (line.generation < before.generation || line.count <= before.count)) {
        report(line, `${before.count}: generation ${before.generation}, then ${line.count}: ${line.generation}`)
      }
      last.set(line.epoch, line)
    }
    for (const own of byProcess(lines)) {
      let known: Of<"transition"> | undefined = undefined
      for (const line of own) {
        // What it did alone has a count of its own.
        if (line.what === "lost") known = undefined
        if (line.what !== "transition" || !line.shared) continue
        const isStep = line.from === line.to && line.share !== undefined
        if (
          known !== undefined && known.epoch === line.epoch && line.generation < known.generation + (isStep ? 0 : 1)
        ) {
          report(line, `${line.by}: generation ${known.generation}, then ${line.generation}`)
        }
        known = line
      }
    }
  },

  "a state is left only as the machine leaves it": (lines, _, report) => {
    const isOrdered = lines.some(({ what }) => what === "commanded")
    const check = (line: Line, from: Name, to: Name, by: number) => {
      if (by !== 1 || from === "Isolated" || to === "Isolated" || edges.includes(`${from} ${to}`)) return
      if (!isOrdered || (to !== "Closed" && to !== "Open")) report(line, `${line.by} went from ${from} to ${to}`)
    }
    const last = new Map<string, Of<"news">>()
    for (const line of lines) {
      if (line.what !== "news") continue
      const before = last.get(line.epoch)
      if (before !== undefined) check(line, nameOf(before), nameOf(line), line.generation - before.generation)
      last.set(line.epoch, line)
    }
    for (const own of byProcess(lines)) {
      let known: (Pick<Of<"transition">, "generation" | "epoch" | "period"> & { readonly name: Name }) | undefined
      for (const line of own) {
        if (line.what === "lost" || line.what === "found") known = undefined
        if (line.what !== "transition") continue
        const name = nameOf({ tag: line.to, stage: line.stage })
        const { epoch, generation, period } = line
        // The fleet may have gone elsewhere than a process that was alone.
        if (known !== undefined && known.epoch === epoch && (known.period === undefined) === (period === undefined)) {
          check(line, known.name, name, generation - known.generation)
        }
        known = { name, generation, epoch, period }
      }
    }
  },

  "no more probes run at once than may": (lines, { concurrency, lease }, report) => {
    for (const line of lines) {
      if (line.what === "news" && line.leases.length > concurrency) {
        report(line, `${line.leases.length} leases were given`)
      }
    }
    const given = new Map<string, Of<"admitted">>()
    const leaves = new Map<string, Of<"admitted">>()
    for (const line of lines) {
      if (line.what !== "admitted" || line.lease === undefined) continue
      const other = given.get(line.lease)
      if (other !== undefined) report(line, `${other.call} and ${line.call} have the same leave, ${line.lease}`)
      given.set(line.lease, line)
      leaves.set(line.call, line)
    }
    // By the wall's clock, as leases are given: from when a probe reaches the provider until it leaves it or its leave ends.
    const running = new Map<string, number>()
    const over = new Set<string>()
    for (const line of lines) {
      if (line.what === "began" || line.what === "ended") {
        for (const [id, until] of running) if (until <= line.wall) running.delete(id)
      }
      if (line.what === "ended") {
        running.delete(line.call)
        over.add(line.call)
      }
      // A busy provider may read of a call that its caller has given up since, and said when.
      if (line.what !== "began" || line.lease === undefined || over.has(line.call)) continue
      const leave = given.get(line.lease)
      const until = leave?.from === undefined ? Infinity : leave.from + lease
      if (until > line.wall) running.set(line.call, until)
      // A period that failed leaves its probes running: the next one counts its own.
      const peers = [...running.keys()].filter((call) => {
        const peer = leaves.get(call)
        return peer?.generation === leave?.generation && peer?.epoch === leave?.epoch
      })
      if (peers.length > concurrency) report(line, `${peers.length} probes run: ${peers.join(", ")}`)
    }
  },

  "probes decide, each within its lease": (lines, { lease, outOf, successes }, report) => {
    const settled = new Map<string, Of<"settled">>()
    // A period may go on in another history, where Redis was emptied in the midst of it.
    const leaves = new Map<number, Array<Of<"admitted">>>()
    for (const line of lines) {
      if (line.what === "settled") settled.set(line.call, line)
      else if (line.what === "admitted" && (line.from !== undefined || !line.shared)) {
        const all = leaves.get(line.generation)
        if (all === undefined) leaves.set(line.generation, [line])
        else all.push(line)
      }
    }
    const taken = new Set(lines.flatMap((line) => line.what === "admitted" ? line.lease ?? [] : []))
    // Leave that was given, and that reached nobody: when it was given, by generation.
    const unclaimed = new Map<number, Map<string, number>>()
    // What a process brings along that begins a history in the midst of a period: the probes that it made alone.
    const brought = new Map<string, Of<"news">>()
    for (const line of lines) {
      if (line.what !== "news") continue
      if (!brought.has(line.epoch)) brought.set(line.epoch, line)
      for (const [id, from] of line.leases) {
        if (taken.has(id)) continue
        unclaimed.set(line.generation, (unclaimed.get(line.generation) ?? new Map<string, number>()).set(id, from))
      }
    }
    const kills = lines.filter((line) => line.what === "did" && line.deed === "SIGKILL")
    const commands = lines.filter(({ what }) => what === "commanded")
    const last = new Map<string, Of<"news">>()
    for (const line of lines) {
      if (line.what !== "news") continue
      const before = last.get(line.epoch)
      last.set(line.epoch, line)
      if (before?.stage !== "Probing" || line.generation !== before.generation + 1) continue
      if (line.tag === "Isolated" || (line.tag === "Open" && line.rule !== "probes")) continue
      if (commands.some(({ at }) => at > before.at - 1000 && at < line.at + 1000)) continue
      const first = brought.get(line.epoch)
      let { failed, passed } = first?.generation === before.generation ? first : { failed: 0, passed: 0 }
      for (const from of unclaimed.get(before.generation)?.values() ?? []) {
        if (line.since - from > lease - skew) failed++
      }
      for (const { at, call } of leaves.get(before.generation) ?? []) {
        const home = settled.get(call)
        const took = home === undefined ? Infinity : home.at - at
        if (home?.outcome === "Success" && took < lease + skew) passed++
        if (home?.outcome === "Failure" || took > lease - skew) failed++
      }
      const limit = outOf - successes + 1
      if (line.tag !== "Open" && passed < successes) {
        report(line, `generation ${before.generation} passed with ${passed} of ${successes} probes`)
      }
      // A process that died with a lease may have died before it wrote that down.
      const died = kills.filter(({ at }) => at < line.at).length
      if (line.tag === "Open" && failed + died < limit) {
        report(line, `generation ${before.generation} failed with ${failed} of ${limit} probes`)
      }
    }
  },

  "a ramp admits its share of the fleet's calls": (lines, { share }, report) => {
    if (share === undefined) return
    const ramps = new Map<number, { asked: number; admitted: number; late: number; at: number }>()
    const isRamp = new Set(
      lines.flatMap((line) => line.what === "news" && line.stage === "Ramping" ? [line.generation] : [])
    )
    for (const line of lines) {
      const generation = line.what === "admitted" && line.step !== undefined
        ? line.generation
        : line.what === "returned" && line.reason === "HalfOpen" && line.generation !== undefined
        ? line.generation
        : undefined
      if (generation === undefined || !isRamp.has(generation)) continue
      const ramp = ramps.get(generation) ?? { asked: 0, admitted: 0, late: 0, at: line.at }
      ramp.asked++
      if (line.what === "admitted") ramp.admitted++
      else if (line.what === "returned" && line.isLate === true) ramp.late++
      ramps.set(generation, ramp)
    }
    for (const [generation, { admitted, asked, at, late }] of ramps) {
      const least = Math.floor(asked * share + 1e-9)
      // Whoever was late had no leave, whatever the fleet had to say.
      if (admitted < least - late || admitted > least + 1) {
        report({ at }, `generation ${generation}: ${admitted} of ${asked}, where ${share} may`)
      }
    }
  },

  "every call comes to an end, or its process did": (lines, _, report) => {
    for (const own of byProcess(lines)) {
      const asked = new Map<string, Line>()
      const admitted = new Map<string, Line>()
      for (const line of own) {
        if (line.what === "asked") asked.set(line.call, line)
        else if (line.what === "returned") asked.delete(line.call)
        else if (line.what === "admitted" && !line.isSpared) admitted.set(line.call, line)
        else if (line.what === "settled") admitted.delete(line.call)
      }
      const by = own[0]!.by
      if (lines.some((line) => line.what === "did" && line.deed === "SIGKILL" && line.to === by)) continue
      for (const [call, line] of asked) report(line, `${call} never returned`)
      for (const [call, line] of admitted) report(line, `${call} was never settled`)
    }
  },

  "no call fails or waits because of Redis": (lines, { longestWait }, report) => {
    for (const own of byProcess(lines)) {
      const by = own[0]!.by
      const stops = lines.flatMap((line) => line.what === "did" && line.to === by ? [line] : [])
      const stopped = (from: number, to: number) => {
        let since: number | undefined = undefined
        let sum = 0
        for (const { at, deed } of [...stops, { at: Infinity, deed: "SIGCONT" }]) {
          if (deed === "SIGSTOP") since ??= at
          else if (deed === "SIGCONT" && since !== undefined) {
            sum += Math.max(Math.min(at, to) - Math.max(since, from), 0)
            since = undefined
          }
        }
        return sum
      }
      const asked = new Map<string, number>()
      for (const line of own) {
        if (line.what === "asked") asked.set(line.call, line.at)
        if (line.what === "returned" && line.how === "broken") report(line, `${line.call}: ${line.why}`)
        if (line.what === "returned" && line.rule === "store") {
          report(line, `${line.call} was refused for want of Redis`)
        }
        if (line.what !== "admitted" && line.what !== "returned") continue
        const since = asked.get(line.call)
        asked.delete(line.call)
        if (since === undefined) continue
        const waited = line.at - since - stopped(since, line.at)
        if (waited > longestWait) report(line, `${line.call} waited ${Math.round(waited)} ms`)
      }
    }
  }
}

type Name = "Closed" | "Open" | "Probing" | "Ramping" | "Isolated"

const nameOf = ({ stage, tag }: Pick<Period, "tag" | "stage">): Name => tag === "HalfOpen" ? stage ?? "Probing" : tag

const edges = [
  "Closed Open",
  "Open Probing",
  "Probing Open",
  "Probing Ramping",
  "Probing Closed",
  "Ramping Open",
  "Ramping Closed"
]

const byProcess = (lines: ReadonlyArray<Line>): ReadonlyArray<ReadonlyArray<Line>> => {
  const all = new Map<string, Array<Line>>()
  for (const line of lines) {
    if (line.by === "redis" || line.by === "provider" || line.by === "test") continue
    const own = all.get(line.by)
    if (own === undefined) all.set(line.by, [line])
    else own.push(line)
  }
  return [...all.values()]
}
