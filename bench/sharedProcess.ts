/**
 * One process of a measured fleet. `sharedFleet.ts` starts it, and tells it what to do over Node's own channel.
 */
import { Cause, Effect } from "effect"
import { body } from "./rounds.ts"
import { clock, type Fails, type Orders, PATIENCE, PAUSE, rest } from "./sharedOrders.ts"
import { open, type Opened } from "./sharedSubjects.ts"
import { counted } from "./subjects.ts"

let opened: Opened | undefined = undefined
const current = (): Opened => {
  if (opened === undefined) throw new Error("nothing is open")
  return opened
}

const givingWay = Effect.andThen(Effect.yieldNow, counted)

const callsUntil = (call: Effect.Effect<number, unknown>, until: number): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    let sum = 0
    // A look at the clock costs as much as a short call does: the shorter they are, the fewer looks.
    let stride = 1
    for (let now = clock(); now < until;) {
      for (let i = 0; i < stride; i++) sum += yield* call
      const last = now
      now = clock()
      stride = now - last > 0.1 ? Math.max(stride >> 1, 1) : Math.min(stride * 2, 64)
    }
    return sum
  })

const failures: Readonly<Record<Fails, number>> = { "at once": 5, "in turn": Infinity, never: 0 }

const orders: Orders = {
  open: async ({ subject, ...options }) => {
    opened = await open[subject](options)
    // The first call makes what the others find.
    await Effect.runPromise(opened.call(counted))
  },
  run: async ({ at, concurrency, givesWay, until }) => {
    const call = current().call(givesWay ? givingWay : counted)
    const all = Array.from({ length: concurrency }, () => callsUntil(call, until))
    await rest(at - clock())
    const before = body.runs
    const used = process.cpuUsage()
    const sums = await Effect.runPromise(Effect.all(all, { concurrency: "unbounded" }))
    const doneAt = clock()
    const { system, user } = process.cpuUsage(used)
    const calls = sums.reduce((sum, one) => sum + one, 0)
    if (calls !== body.runs - before) throw new Error(`${calls} calls, but the body ran ${body.runs - before} times`)
    return { calls, doneAt, cpu: (system + user) / 1000 }
  },
  watch: async ({ at, fails, key }) => {
    const { call, isRefusal } = current()
    const failedAt: Array<number> = []
    const quiet = call(counted, { key, isIgnored: true })
    const failing = call(
      Effect.suspend(() => {
        failedAt.push(clock())
        return Effect.fail("down")
      }),
      { key }
    )
    let left = failures[fails]
    for (const end = at + PATIENCE; clock() < end;) {
      const isFailing = left > 0 && clock() >= at
      const exit = await Effect.runPromiseExit(isFailing ? failing : quiet)
      if (exit._tag === "Failure" && isRefusal(Cause.squash(exit.cause))) return { failedAt, refusedAt: clock() }
      if (isFailing) left--
      if (!(isFailing && fails === "at once")) await rest(PAUSE)
    }
    throw new Error(`no call was refused within ${PATIENCE} ms`)
  },
  isClosed: () => Effect.runPromise(current().isClosed),
  reset: () => Effect.runPromise(current().reset),
  close: async () => {
    await Effect.runPromise(current().close)
    opened = undefined
  }
}

process.on("message", async ({ id, name, order }: { id: number; name: keyof Orders; order: never }) => {
  const said = await orders[name](order).then((value) => ({ value }), (error: unknown) => ({ error: String(error) }))
  process.send?.({ id, ...said })
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
