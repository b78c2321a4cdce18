/**
 * What a report costs the process that makes it: `node --import tsx bench/reports.ts`.
 *
 * Sixteen processes take turns: each reads the text of the circuit, applies what came of its last hundred calls, and writes
 * the text anew. Time of the processor, which a busy machine does not change; no Redis.
 */
import * as CallWindow from "../src/CallWindow.ts"
import * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as Fleet from "../src/redis/Fleet.ts"
import * as Stored from "../src/redis/Stored.ts"
import * as TripPolicy from "../src/TripPolicy.ts"
import { table, whole } from "./table.ts"

const PROCESSES = 16
const CALLS = 100
const RUNNING = 10
const ROUNDS = 4000
const WARM_UP = 1000

const pace: Fleet.Pace = { grace: 100, every: 1000, forgetAfter: 30_000 }

const rate = (window: CallWindow.CallWindow) =>
  TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window, belowMinimum: TripPolicy.consecutive(5) })

const subjects: ReadonlyArray<readonly [name: string, policy: TripPolicy.TripPolicy, failing: number]> = [
  ["consecutive(5), healthy", TripPolicy.consecutive(5), 0],
  ["lastCalls(100, within 60 s), healthy", rate(CallWindow.lastCalls(100, { within: "1 minute" })), 0],
  ["lastCalls(100, within 60 s), 30 % fail", rate(CallWindow.lastCalls(100, { within: "1 minute" })), 0.3],
  ["lastCalls(1000), 30 % fail", rate(CallWindow.lastCalls(1000)), 0.3],
  ["lastDuration(60 s), 30 % fail", rate(CallWindow.lastDuration("1 minute")), 0.3]
]

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

/** Microseconds of the processor. */
const clock = (): number => {
  const { system, user } = process.cpuUsage()
  return user + system
}

const measure = (tripPolicy: TripPolicy.TripPolicy, failing: number) => {
  const rules = Circuit.rules({ tripPolicy })
  let now = 1_764_000_000_000
  let text = Stored.write(Fleet.make(rules, now, crypto.randomUUID(), "enforce"))
  let made = 0
  const members = Array.from({ length: PROCESSES }, () => ({
    member: crypto.randomUUID(),
    running: [] as Array<Mutable<Fleet.Told>>
  }))
  const spent = { read: 0, apply: 0, write: 0 }
  let longest = 0
  for (let round = 0; round < ROUNDS; round++) {
    if (round === WARM_UP) Object.assign(spent, { read: 0, apply: 0, write: 0 })
    now += 100 / PROCESSES
    const { member, running } = members[round % PROCESSES]!
    const known = running.slice()
    const happened: Array<Fleet.Told> = []
    for (let i = 0; i < CALLS; i++) {
      const at = now - CALLS + i
      const call: Mutable<Fleet.Told> = {
        generation: 0,
        startedAt: at,
        answeredAt: undefined,
        step: 0,
        place: undefined,
        outcome: undefined,
        settledAt: 0
      }
      happened.push(call)
      running.push(call)
      if (running.length <= RUNNING) continue
      const home = running.shift()!
      // Spread evenly: no streak of them trips.
      const failed = Math.floor(++made * failing) > Math.floor((made - 1) * failing)
      Object.assign(home, { outcome: failed ? Outcome.failure() : Outcome.success, settledAt: at })
      happened.push(home)
    }
    const began = clock()
    const fleet = Stored.read(text, rules, now)
    const read = clock()
    if (fleet === undefined) throw new Error(`cannot be read: ${text}`)
    const report = { shift: 0, looks: true, probes: [], orders: [], asks: [] }
    const out = Fleet.apply(fleet, { ...report, member, now, running: known, happened }, pace)
    const applied = clock()
    text = Stored.write(fleet)
    const written = clock()
    if (out.transitions.length > 0) throw new Error(`opened: ${JSON.stringify(out.transitions)}`)
    spent.read += read - began
    spent.apply += applied - read
    spent.write += written - applied
    longest = Math.max(longest, text.length)
    for (const call of [...known, ...happened]) (call as Mutable<Fleet.Told>).place = out.places.get(call)
  }
  const each = (sum: number): string => whole(sum / (ROUNDS - WARM_UP))
  return [each(spent.read), each(spent.apply), each(spent.write), whole(longest)]
}

console.log(`Microseconds for each report of ${CALLS} calls, ${PROCESSES} processes, and the longest text in bytes`)
console.log(table(
  ["", "read", "apply", "write", "bytes"],
  subjects.map(([name, policy, failing]) => [name].concat(measure(policy, failing)))
))
