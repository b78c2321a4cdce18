/**
 * Time that a simulation makes, for code that knows nothing of it: the timers and `Date.now` that promise libraries use, and
 * a clock for Effect. Both wait on the agenda of the run.
 */
import { Clock, Context, Duration, Effect, Random, Scheduler } from "effect"
import type { Agenda } from "effect-breaker/replay"

interface Timer {
  /** The time that it is set for counts, not what was entered before. */
  version: number
  unref(): Timer
  ref(): Timer
}

/**
 * Puts the agenda's time in the place of the machine's, until the function that it gives is called.
 *
 * No test framework's timers: those would have a list of their own, and a run has one order of events.
 */
export const install = (agenda: Agenda.Agenda): () => void => {
  const real = {
    now: Date.now,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval
  }
  const timer = (): Timer => ({
    version: 0,
    unref() {
      return this
    },
    ref() {
      return this
    }
  })
  const start = (run: () => void, pause: number, again: boolean): Timer => {
    const made = timer()
    const due = {
      due: (now: number, version: number) => {
        if (version !== made.version) return
        if (again) agenda.add(now + pause, due, version)
        run()
      }
    }
    agenda.add(agenda.now + pause, due, 0)
    return made
  }
  const stop = (stopped: Timer | undefined): void => {
    if (stopped !== undefined) stopped.version++
  }
  const fake = {
    setTimeout: (run: () => void, pause = 0) => start(run, pause, false),
    setInterval: (run: () => void, pause = 0) => start(run, Math.max(pause, 1), true),
    clearTimeout: stop,
    clearInterval: stop
  }
  Date.now = () => Math.floor(agenda.now)
  Object.assign(globalThis, fake)
  return () => {
    const { now, ...timers } = real
    Date.now = now
    Object.assign(globalThis, timers)
  }
}

/** A clock, a source of chance and a scheduler for effects in a run. Without a scheduler of its own an effect waits for real. */
export const context = (agenda: Agenda.Agenda, random: () => number): Context.Context<never> => {
  const nanos = () => BigInt(Math.round(agenda.now * 1_000_000))
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: () => Math.floor(agenda.now),
    currentTimeMillis: Effect.sync(() => Math.floor(agenda.now)),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback((resume) => {
        agenda.add(agenda.now + Duration.toMillis(duration), { due: () => resume(Effect.void) })
      })
  }
  return Context.make(Clock.Clock, clock).pipe(
    Context.add(Random.Random, {
      nextDoubleUnsafe: random,
      nextIntUnsafe: () => Math.floor((random() * 2 - 1) * Number.MAX_SAFE_INTEGER)
    }),
    Context.add(Scheduler.Scheduler, new Scheduler.MixedScheduler("sync"))
  )
}

const immediate = globalThis.setImmediate

/** Comes when nothing is left to do at this moment: neither microtasks nor ticks of Node's. */
export const rest = (): Promise<void> => new Promise((done) => immediate(done))
