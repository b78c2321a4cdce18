/**
 * One process of a fleet: makes calls through a shared breaker, and writes down everything that it sees of it.
 *
 * The test starts it with a `Task`, and tells it over the channel between them what to do.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Cause, Context, Effect, Exit, Layer, Logger, Scope } from "effect"
import { Breaker, type Circuit, CircuitRejected, Outcome } from "effect-breaker"
import { SharedBreaker } from "effect-breaker/redis"
import net from "node:net"
import { listen } from "../../src/Event.ts"
import type { SharedCall, SharedGuarded } from "../../src/redis/SharedCall.ts"
import type { SharedCircuit } from "../../src/redis/SharedCircuit.ts"
import { monotonic, type Period, type Stand, writer } from "./journal.ts"

export interface Task {
  readonly id: string
  readonly url: string
  readonly journal: string
  readonly provider: number
  readonly options: SharedBreaker.Options
  /** A share of the calls has callers who wait for no longer than this. */
  readonly impatience: { readonly share: number; readonly millis: number } | undefined
}

export type Order =
  | { readonly _tag: "isolate"; readonly note: string }
  | { readonly _tag: "release" | "reset" }
  | { readonly _tag: "trip"; readonly openFor: number }
  | { readonly _tag: "setMode"; readonly mode: "enforce" | "observe" | "off" }

/** What the test may say. */
export type Command =
  /** So many calls a second from now on. */
  | { readonly _tag: "rate"; readonly perSecond: number }
  /** So many calls of the provider at once. Answers when they are over. */
  | { readonly _tag: "call"; readonly calls: number }
  /** So many calls that cost nothing, one after the other, and unwritten. Answers when they are over. */
  | { readonly _tag: "burst"; readonly calls: number }
  | { readonly _tag: "order"; readonly order: Order }
  | { readonly _tag: "stand" }
  /** No calls from now on; ends when those under way are over. */
  | { readonly _tag: "finish" }

/** What it says to the test. */
export type Said =
  | { readonly _tag: "up" }
  | {
    readonly _tag: "done"
    readonly of: number
    readonly stand: Stand
    readonly how: Readonly<Record<string, number>>
  }

const task = JSON.parse(process.argv[2]!) as Task
const note = writer(task.journal, task.id)
process.on("disconnect", () => process.exit(1))

// ---------------------------------------------------------------------------------------------------------------------
// The provider
// ---------------------------------------------------------------------------------------------------------------------

class Refusal {
  readonly _tag = "Refusal"
  readonly said: string
  constructor(said: string) {
    this.said = said
  }
}

const provider = net.connect(task.provider, "127.0.0.1").setNoDelay(true).setEncoding("utf8")
const answers = new Map<string, (said: string) => void>()
let rest = ""
provider.on("data", (part: string) => {
  const lines = (rest + part).split("\n")
  rest = lines.pop() ?? ""
  for (const line of lines) {
    const [call, ...said] = line.split(" ")
    answers.get(call!)?.(said.join(" "))
  }
})

const ask = (call: string, lease: string | undefined) =>
  Effect.callback<string, Refusal>((resume) => {
    answers.set(call, (said) => {
      answers.delete(call)
      resume(said === "ok" ? Effect.succeed(said) : Effect.fail(new Refusal(said)))
    })
    provider.write(`${call} ${lease ?? "-"}\n`)
    return Effect.sync(() => {
      answers.delete(call)
      provider.write(`${call} cancel ${monotonic()} ${Date.now()}\n`)
    })
  })

const classify: Breaker.Classify = (exit) => {
  if (Exit.isSuccess(exit)) return Outcome.success
  const error = Cause.squash(exit.cause)
  const [what, millis] = error instanceof Refusal ? error.said.split(" ") : ["fail"]
  return what === "throttle"
    ? Outcome.throttled({ retryAfter: Number(millis) })
    : what === "trip"
    ? Outcome.trip({ openFor: Number(millis) })
    : Outcome.failure({ kind: "529" })
}

// ---------------------------------------------------------------------------------------------------------------------
// The circuit, watched from inside: a line is written when something happens, not when somebody is told of it.
// ---------------------------------------------------------------------------------------------------------------------

const calls = new WeakMap<object, string>()
/** Calls that were refused because so many asked, and what they were refused with. */
const late = new Set<unknown>()
const leases = new WeakMap<object, string>()

const watch = (circuit: SharedCircuit): void => {
  const admitted = (call: SharedCall, from?: number) => {
    const id = calls.get(call.guarded.self)
    if (id === undefined) return
    calls.set(call, id)
    if (call.lease !== undefined) leases.set(call.guarded.self, call.lease)
    note({
      what: "admitted",
      call: id,
      generation: call.generation,
      shared: !circuit.isAlone,
      isSpared: call.generation === -1,
      lease: call.lease,
      from,
      step: call.isGiven ? call.step : undefined,
      epoch: circuit.exchange.known?.epoch
    })
  }
  const ask = circuit.ask.bind(circuit)
  const settle = circuit.settle.bind(circuit)
  circuit.ask = (now, maker) => {
    const answer = ask(now, maker)
    if (!("reason" in answer)) {
      const call = answer as SharedCall
      // A call that nobody counts is never asked for.
      if (call.settled) call.generation = -1
      admitted(call)
    }
    return answer
  }
  circuit.settle = (permit, outcome, now) => {
    const id = calls.get(permit)
    if (id !== undefined && !permit.settled) {
      note({ what: "settled", call: id, outcome: outcome._tag })
    }
    settle(permit, outcome, now)
  }
  const leave = circuit["leave"]
  const given = leave["given"].bind(leave)
  leave["given"] = (answer, guarded, fiber) => {
    const call = given(answer, guarded, fiber)
    admitted(call, answer.permit.startedAt)
    return call
  }
  const crowdedOut = leave["crowdedOut"].bind(leave)
  leave["crowdedOut"] = (fiber) => {
    const said = crowdedOut(fiber)
    late.add(said)
    return said
  }
  const turnAway = leave["turnAway"].bind(leave)
  leave["turnAway"] = (refusal, guarded: SharedGuarded, fiber, taken) => {
    if (late.delete(refusal)) late.add(calls.get(guarded.self))
    return turnAway(refusal, guarded, fiber, (call) => {
      admitted(call)
      return taken(call)
    })
  }

  listen(circuit.group, (event) => {
    if (event._tag === "Transitioned") {
      const { from, generation, share, to } = event
      const shared = !circuit.isAlone
      const fleet = circuit.exchange.known?.fleet?.circuit.cell.current
      const { current } = circuit.cell
      note({
        what: "transition",
        from,
        to,
        stage: current._tag === "HalfOpen" ? current.stage : undefined,
        generation,
        share,
        shared,
        epoch: circuit.exchange.known?.epoch,
        period: fleet?.generation === generation && fleet._tag === to ? period(fleet) : undefined
      })
    } else if (event._tag === "StoreLost") note({ what: "lost", why: event.why })
    else if (event._tag === "StoreFound") note({ what: "found" })
    else if (event._tag === "Commanded") note({ what: "commanded", command: event.command })
    else if (event._tag === "Throttled") note({ what: "throttled", forMillis: Number(event.pause) })
  })
}

const period = (state: Circuit.State): Period => ({
  tag: state._tag,
  stage: state._tag === "HalfOpen" ? state.stage : undefined,
  generation: state.generation,
  since: state.since,
  until: "until" in state && Number.isFinite(state.until) ? state.until : undefined,
  rule: state.cause?.rule
})

// ---------------------------------------------------------------------------------------------------------------------
// What it does
// ---------------------------------------------------------------------------------------------------------------------

let asked = 0
let isRunning = 0

const one = (circuit: SharedCircuit): Effect.Effect<string> => {
  const id = `${task.id}.${asked++}`
  const self: Effect.Effect<string, Refusal> = Effect.suspend(() => ask(id, leases.get(self)))
  calls.set(self, id)
  const { impatience } = task
  const guarded = Effect.as(circuit.execute(self, { classify }), "value" as const)
  const isImpatient = impatience !== undefined && asked * 0.618 % 1 < impatience.share
  isRunning++
  note({ what: "asked", call: id })
  const impatient = isImpatient
    ? Effect.timeoutOrElse(guarded, {
      duration: impatience.millis,
      orElse: () => Effect.succeed("interrupted" as const)
    })
    : guarded
  return Effect.map(Effect.exit(impatient), (exit) => {
    isRunning--
    const returned = { ...returnedBy(exit), isLate: late.delete(id) || undefined }
    note({ what: "returned", call: id, ...returned })
    return returned.how
  })
}

const returnedBy = (exit: Exit.Exit<"value" | "interrupted", unknown>) => {
  if (Exit.isSuccess(exit)) return { how: exit.value }
  const error = Cause.squash(exit.cause)
  if (error instanceof CircuitRejected) {
    const { cause: { rule }, generation, reason } = error
    return { how: "rejected" as const, reason, rule, generation }
  }
  return error instanceof Refusal ? { how: "error" as const } : { how: "broken" as const, why: String(error) }
}

const run = Effect.gen(function*() {
  const scope = yield* Scope.make()
  const context = yield* SharedBreaker.layer(task.options).pipe(
    Layer.provide(NodeRedis.layer({ url: task.url })),
    Layer.buildWithScope(scope)
  )
  const circuit = Context.get(context, Breaker.Breaker) as SharedCircuit
  watch(circuit)
  const { current: { _tag: state, generation } } = circuit.cell
  note({ what: "up", member: circuit["courier"].member, pid: process.pid, state, generation })

  let perSecond = 0
  let due = 0
  let last = performance.now()
  const traffic = setInterval(() => {
    const now = performance.now()
    // What a process that was stopped has missed it does not catch up with.
    due += Math.min(now - last, 100) / 1000 * perSecond
    last = now
    for (; due >= 1; due--) Effect.runFork(one(circuit))
  }, 5)

  const stand = Effect.gen(function*() {
    const { inFlight, mode, openings, state, window, ...snapshot } = yield* circuit.snapshot
    const { current } = circuit.cell
    return {
      state,
      stage: current._tag === "HalfOpen" ? current.stage : undefined,
      generation: current.generation,
      mode,
      store: String((snapshot as { readonly store?: string }).store),
      version: circuit.exchange.known?.version ?? "",
      isThrottled: circuit.gateUntil > circuit.now(circuit["courier"].clock),
      openings,
      inFlight,
      windowCalls: window.calls
    } satisfies Stand
  })

  const carryOut = (command: Command): Effect.Effect<ReadonlyArray<string>> => {
    switch (command._tag) {
      case "rate":
        perSecond = command.perSecond
        due = 0
        return Effect.succeed([])
      case "call":
        return Effect.all(Array.from({ length: command.calls }, () => one(circuit)), { concurrency: "unbounded" })
      case "burst":
        return Effect.as(
          Effect.forEach(
            Array.from({ length: command.calls }),
            (_, i) =>
              i % 100 === 99
                ? Effect.andThen(Effect.yieldNow, circuit.execute(Effect.void))
                : circuit.execute(Effect.void),
            { discard: true }
          ).pipe(Effect.orDie),
          []
        )
      case "order": {
        const { order } = command
        return Effect.as(
          order._tag === "isolate"
            ? circuit.isolate(order.note)
            : order._tag === "trip"
            ? circuit.trip({ openFor: order.openFor })
            : order._tag === "setMode"
            ? circuit.setMode(order.mode)
            : circuit[order._tag],
          []
        )
      }
      case "stand":
        return Effect.succeed([])
      case "finish":
        perSecond = 0
        return Effect.as(
          Effect.repeat(Effect.sleep("5 millis"), { while: () => isRunning > 0 }),
          []
        )
    }
  }

  process.on("message", ({ command, of }: { readonly command: Command; readonly of: number }) => {
    Effect.runFork(
      Effect.gen(function*() {
        const all = yield* carryOut(command)
        const how: Record<string, number> = {}
        for (const one of all) how[one] = (how[one] ?? 0) + 1
        const where = yield* stand
        if (command._tag === "finish") {
          clearInterval(traffic)
          yield* Scope.close(scope, Exit.void)
          note({ what: "down" })
        }
        process.send!({ _tag: "done", of, stand: where, how } satisfies Said, () => {
          if (command._tag === "finish") process.exit(0)
        })
      }).pipe(Effect.catchCause((cause) => Effect.sync(() => console.error(Cause.pretty(cause)))))
    )
  })
  process.send!({ _tag: "up" } satisfies Said)
  // It lives until the test tells it to end.
  yield* Effect.never
}).pipe(Effect.provide(Logger.layer([])))

process.on("uncaughtException", (error) => {
  note({ what: "returned", call: "none", how: "broken", why: `uncaught: ${String(error)}` })
  process.exit(2)
})
Effect.runFork(Effect.tapCause(run, (cause) =>
  Effect.sync(() => {
    console.error(Cause.pretty(cause))
    process.exit(3)
  })))
