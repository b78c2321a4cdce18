/**
 * Who is measured: a bare call, this library in each of its shapes, and its peers, each with a closed circuit and with
 * an open one. The body is the same everywhere: it counts its runs and gives 1.
 */
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  CountBreaker,
  handleAll,
  type IBreaker
} from "cockatiel"
import { Cause, Effect, Exit, Layer, Metric, Scope, Stream } from "effect"
import * as Effectable from "effect/Effectable"
import { CircuitBreaker } from "effect/persistence"
import { strictEqual } from "node:assert"
import Opossum from "opossum"
import {
  Breaker,
  BreakerMap,
  BreakerMetrics,
  type Breakers,
  CallWindow,
  PromiseBreaker,
  PromiseBreakerMap,
  Registry,
  type TripPolicies,
  TripPolicy,
  withBreaker
} from "./library.ts"
import { body, type Loop } from "./rounds.ts"

/** One way of protecting a call. */
export interface Subject {
  readonly name: string
  readonly kind: "effect" | "promise"
  readonly closed: Loop
  readonly refused: Loop
  /** The peers that do the same. Ours only. */
  readonly peers?: { readonly persistence?: string; readonly cockatiel: string }
  /** Fails unless the one circuit is still closed and the other still open. */
  readonly check: () => Promise<void>
}

export const BARE_EFFECT = "bare effect"
export const BARE_PROMISE = "bare async function"

const PERSISTENCE_CONSECUTIVE = "effect/persistence, consecutive"
const PERSISTENCE_RATE = "effect/persistence, rate"
const COCKATIEL_CONSECUTIVE = "cockatiel, ConsecutiveBreaker"
const COCKATIEL_COUNT = "cockatiel, CountBreaker"

const byStreak = { persistence: PERSISTENCE_CONSECUTIVE, cockatiel: COCKATIEL_CONSECUTIVE }
const byRate = { persistence: PERSISTENCE_RATE, cockatiel: COCKATIEL_COUNT }

/** Nobody waits that long: what is open stays open. */
const OPEN_FOR = 24 * 60 * 60_000

/** The measured body. */
export const counted: Effect.Effect<number> = Effect.sync(() => {
  body.runs++
  return 1
})
const countedPromise = async () => {
  body.runs++
  return 1
}

const failing = Effect.fail("down")

// ---------------------------------------------------------------------------------------------------------------------
// Loops. Effects run inside one fiber, in a generator, as application code does.

type AnyCall = Effect.Effect<number, unknown>

/** Makes the same effect run again and again, and adds up what it gives. */
export const runs = (call: AnyCall) => (n: number): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    let sum = 0
    for (let i = 0; i < n; i++) sum += yield* call
    return sum
  })

const builds = (call: () => AnyCall) => (n: number): Effect.Effect<number, unknown> =>
  Effect.gen(function*() {
    let sum = 0
    for (let i = 0; i < n; i++) sum += yield* call()
    return sum
  })

const exits =
  (call: () => Effect.Effect<Exit.Exit<number, unknown>>, isRefusal: (error: unknown) => boolean) =>
  (n: number): Effect.Effect<number> =>
    Effect.gen(function*() {
      let refused = 0
      let last: unknown = undefined
      for (let i = 0; i < n; i++) {
        const exit = yield* call()
        if (exit._tag === "Success") continue
        refused++
        last = exit.cause
      }
      return isRefusal(Cause.squash(last as Cause.Cause<unknown>)) ? refused : 0
    })

const awaits = (call: () => Promise<number>) => async (n: number): Promise<number> => {
  let sum = 0
  for (let i = 0; i < n; i++) sum += await call()
  return sum
}

const catches =
  (call: () => Promise<number>, isRefusal: (error: unknown) => boolean) => async (n: number): Promise<number> => {
    let refused = 0
    let last: unknown = undefined
    for (let i = 0; i < n; i++) {
      try {
        await call()
      } catch (error) {
        refused++
        last = error
      }
    }
    return isRefusal(last) ? refused : 0
  }

const tagged = (tag: string) => (error: unknown): boolean => (error as { readonly _tag?: unknown })._tag === tag

const effectSubject = (
  name: string,
  { check, closed, isRefusal, open, peers, rebuilt = false, share = 1 }: {
    readonly closed: () => AnyCall
    readonly open: () => AnyCall
    readonly isRefusal: (error: unknown) => boolean
    readonly check: () => Promise<void>
    readonly peers?: Subject["peers"]
    readonly share?: number
    /** Whether the effect is built anew for each call. */
    readonly rebuilt?: boolean
  }
): Subject => {
  const once = Effect.exit(open())
  const inFiber = rebuilt ? builds(closed) : runs(closed())
  const handled = rebuilt ? exits(() => Effect.exit(open()), isRefusal) : exits(() => once, isRefusal)
  return {
    name,
    kind: "effect",
    closed: { name, share, runsBody: 1, run: (n) => Effect.runPromise(inFiber(n)) },
    refused: { name, share, runsBody: 0, run: (n) => Effect.runPromise(handled(n)) },
    ...(peers && { peers }),
    check
  }
}

const promiseSubject = (
  name: string,
  { check, closed, isRefusal, open, peers, share = 1 }: {
    readonly closed: () => Promise<number>
    readonly open: () => Promise<number>
    readonly isRefusal: (error: unknown) => boolean
    readonly check: () => Promise<void>
    readonly peers?: Subject["peers"]
    readonly share?: number
  }
): Subject => ({
  name,
  kind: "promise",
  closed: { name, share, runsBody: 1, run: awaits(closed) },
  // An error with a stack costs microseconds.
  refused: { name, share: share / 2, runsBody: 0, run: catches(open, isRefusal) },
  ...(peers && { peers }),
  check
})

const nothing = async () => {}

// ---------------------------------------------------------------------------------------------------------------------
// Bare calls: what is left when nothing protects them, a failure handled in the same way as a refusal.

const refusal = Exit.fail("refused")
const refusalError = new Error("refused")

const bareEffect = effectSubject(BARE_EFFECT, {
  closed: () => counted,
  open: () => Effect.suspend(() => refusal),
  isRefusal: (error) => error === "refused",
  check: nothing
})

const barePromise = promiseSubject(BARE_PROMISE, {
  closed: countedPromise,
  open: async () => {
    throw refusalError
  },
  isRefusal: (error) => error === refusalError,
  check: nothing
})

// ---------------------------------------------------------------------------------------------------------------------
// The plainest guard that loses no call: it asks inside the frame that settles it, and counts. A yardstick for what
// Effect itself takes; the rest is the breaker's own.

type Evaluate = (this: { admitted: boolean }) => AnyCall

const effectClass = (evaluate: Evaluate): new() => AnyCall => {
  class Guard {
    admitted = false
  }
  Object.setPrototypeOf(Guard.prototype, Effectable.Prototype<AnyCall>({ label: "Guard", evaluate: evaluate as never }))
  return Guard as never
}

const guarded = { inFlight: 0 }

const guard = (isOpen: boolean): AnyCall => {
  const Call = effectClass(function() {
    if (isOpen) return refusal
    this.admitted = true
    guarded.inFlight++
    return counted
  })
  const Guard = effectClass(() => {
    const call = new Call()
    return Effect.onExitPrimitive(call, () => {
      if ((call as unknown as { readonly admitted: boolean }).admitted) guarded.inFlight--
      return undefined
    })
  })
  return new Guard()
}

const plainGuard = effectSubject("a guard that only counts", {
  closed: () => guard(false),
  open: () => guard(true),
  isRefusal: (error) => error === "refused",
  check: async () => strictEqual(guarded.inFlight, 0)
})

// ---------------------------------------------------------------------------------------------------------------------
// Ours.

type Policy = TripPolicies.TripPolicy

const perMinute = CallWindow.lastDuration("1 minute")

/** The policies in the table. */
export const policies = {
  consecutive: TripPolicy.consecutive(5),
  lastCalls: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: CallWindow.lastCalls(100) }),
  lastDuration: TripPolicy.anyOf(
    TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: perMinute }),
    TripPolicy.slowRate({ slowAfter: "30 seconds", threshold: 0.5, minimumCalls: 10, window: perMinute })
  )
} satisfies Record<string, Policy>

const make = (name: string, tripPolicy: Policy): Breakers.Breaker =>
  Effect.runSync(Breaker.make({ name, tripPolicy, openDuration: OPEN_FOR }))

// Opened by failures, as in life. Far fewer than a thousand are enough for every policy here.
const opened = async (call: Effect.Effect<unknown, unknown>, isRefusal: (error: unknown) => boolean): Promise<void> => {
  for (let i = 0; i < 1000; i++) {
    const exit = await Effect.runPromiseExit(call)
    if (exit._tag === "Failure" && isRefusal(Cause.squash(exit.cause))) return
  }
  throw new Error("a thousand failures did not open the circuit")
}

const isRejected = tagged("CircuitRejected")

const pair = async (policy: Policy, breaker = make) => {
  const closed = breaker("closed", policy)
  const open = breaker("open", policy)
  await opened(open.execute(failing), isRejected)
  const check = async () => {
    strictEqual((await Effect.runPromise(closed.state))._tag, "Closed")
    strictEqual((await Effect.runPromise(open.state))._tag, "Open")
  }
  return { closed, open, check }
}

const ours = async (name: string, policy: Policy, peers: Subject["peers"], rebuilt = false): Promise<Subject> => {
  const { check, closed, open } = await pair(policy)
  return effectSubject(name, {
    closed: () => closed.execute(counted),
    open: () => open.execute(counted),
    isRefusal: isRejected,
    check,
    rebuilt,
    ...(peers && { peers })
  })
}

const listened = async (name: string, policy: Policy): Promise<Subject> => {
  const { check, closed, open } = await pair(policy)
  const listener = { heard: 0 }
  for (const one of [closed, open]) {
    Effect.runFork(Stream.runForEach(one.events, () =>
      Effect.sync(() => {
        listener.heard++
      })))
    // Proof that the listener is there: an order that changes nothing is heard.
    const before = listener.heard
    for (let i = 0; listener.heard === before; i++) {
      if (i === 1000) throw new Error("the listener hears nothing")
      await Effect.runPromise(one.setMode("enforce"))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  return effectSubject(name, {
    closed: () => closed.execute(counted),
    open: () => open.execute(counted),
    isRefusal: isRejected,
    check,
    peers: byRate
  })
}

// Under a registry of its own, so that nobody else is counted, and left on to the end.
const metered = async (name: string, policy: Policy): Promise<Subject> => {
  const registry = new Registry.Registry()
  const series = new Map()
  const within = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.provideService(Registry.Current, registry),
      Effect.provideService(Metric.MetricRegistry, series)
    )
  await Effect.runPromise(within(Scope.provide(Layer.build(BreakerMetrics.layer()), Scope.makeUnsafe())))
  const { check, closed, open } = await pair(
    policy,
    (name, tripPolicy) => Effect.runSync(within(Breaker.make({ name, tripPolicy, openDuration: OPEN_FOR })))
  )
  const told = (name: string, labels: object): Effect.Effect<number> =>
    within(Effect.map(Metric.snapshot, (all) => {
      const found = all.find(({ attributes, id }) =>
        id === name && Object.entries(labels).every(([label, value]) => attributes?.[label] === value)
      )
      return (found?.state as { readonly count: number } | undefined)?.count ?? 0
    }))
  return effectSubject(name, {
    closed: () => closed.execute(counted),
    open: () => open.execute(counted),
    isRefusal: isRejected,
    peers: byRate,
    check: async () => {
      await check()
      // Proof that they were counted.
      for (
        const [name, labels] of [
          ["effect_breaker_calls_total", { circuit: "closed", outcome: "success" }],
          ["effect_breaker_refusals_total", { circuit: "open", reason: "open" }]
        ] as const
      ) {
        if (await Effect.runPromise(told(name, labels)) < 1000) throw new Error(`${name} has not counted the calls`)
      }
    }
  })
}

const serviced = async (name: string, policy: Policy): Promise<Subject> => {
  const { check, closed, open } = await pair(policy)
  const guarded = withBreaker(counted)
  const inFiber = runs(guarded as AnyCall)
  const handled = exits(() => Effect.exit(guarded as AnyCall), isRejected)
  return {
    name,
    kind: "effect",
    peers: byStreak,
    closed: {
      name,
      runsBody: 1,
      run: (n) => Effect.runPromise(Effect.provideService(inFiber(n), Breaker.Breaker, closed))
    },
    refused: {
      name,
      runsBody: 0,
      run: (n) => Effect.runPromise(Effect.provideService(handled(n), Breaker.Breaker, open))
    },
    check
  }
}

const mapped = async (name: string, tripPolicy: Policy): Promise<Subject> => {
  const map = Effect.runSync(BreakerMap.make({ tripPolicy, openDuration: OPEN_FOR }))
  await opened(map.execute(failing, { key: "open" }), isRejected)
  return effectSubject(name, {
    closed: () => map.execute(counted, { key: "closed" }),
    open: () => map.execute(counted, { key: "open" }),
    isRefusal: isRejected,
    peers: byStreak,
    check: async () => {
      const states = (await Effect.runPromise(map.snapshots)).map(({ name, state }) => `${name}: ${state}`)
      strictEqual(states.toSorted().join(", "), "closed: Closed, open: Open")
    }
  })
}

// ---------------------------------------------------------------------------------------------------------------------
// Peers.

const persistence = async (name: string, tripPolicy: CircuitBreaker.TripPolicy): Promise<Subject> => {
  const scope = Scope.makeUnsafe()
  const peer = await Effect.runPromise(
    CircuitBreaker.make({ tripPolicy, openDuration: OPEN_FOR, maxOpenDuration: OPEN_FOR }).pipe(
      Scope.provide(scope),
      Effect.provide(CircuitBreaker.layerStoreMemory())
    )
  )
  const isRefusal = tagged("CircuitBreakerError")
  await opened(peer.execute(failing, { key: "open" }), isRefusal)
  return effectSubject(name, {
    closed: () => peer.execute(counted, { key: "closed" }),
    open: () => peer.execute(counted, { key: "open" }),
    isRefusal,
    share: 0.2,
    check: async () => {
      strictEqual((await Effect.runPromise(peer.state("closed")))._tag, "Closed")
      strictEqual((await Effect.runPromise(peer.state("open")))._tag, "Open")
    }
  })
}

const down = async (): Promise<number> => {
  throw new Error("down")
}

const openedPromise = async (call: () => Promise<unknown>, isRefusal: (error: unknown) => boolean): Promise<void> => {
  for (let i = 0; i < 1000; i++) {
    const error = await call().then(() => undefined, (error: unknown) => error)
    if (isRefusal(error)) return
  }
  throw new Error("a thousand failures did not open the circuit")
}

const promised = async (name: string, tripPolicy: Policy, peers: Subject["peers"]): Promise<Subject> => {
  const closed = PromiseBreaker.make({ name: "closed", tripPolicy, openDuration: OPEN_FOR })
  const open = PromiseBreaker.make({ name: "open", tripPolicy, openDuration: OPEN_FOR })
  await openedPromise(() => open.execute(down), isRejected)
  return promiseSubject(name, {
    closed: () => closed.execute(countedPromise),
    open: () => open.execute(countedPromise),
    isRefusal: isRejected,
    ...(peers && { peers }),
    check: async () => {
      strictEqual(closed.snapshot().state, "Closed")
      strictEqual(open.snapshot().state, "Open")
    }
  })
}

const promisedMap = async (name: string, tripPolicy: Policy): Promise<Subject> => {
  const map = PromiseBreakerMap.make({ tripPolicy, openDuration: OPEN_FOR })
  await openedPromise(() => map.execute(down, { key: "open" }), isRejected)
  return promiseSubject(name, {
    closed: () => map.execute(countedPromise, { key: "closed" }),
    open: () => map.execute(countedPromise, { key: "open" }),
    isRefusal: isRejected,
    peers: { cockatiel: COCKATIEL_CONSECUTIVE },
    check: async () => {
      const states = map.snapshots().map(({ name, state }) => `${name}: ${state}`)
      strictEqual(states.toSorted().join(", "), "closed: Closed, open: Open")
    }
  })
}

const cockatiel = async (name: string, breaker: () => IBreaker): Promise<Subject> => {
  const closed = circuitBreaker(handleAll, { halfOpenAfter: OPEN_FOR, breaker: breaker() })
  const open = circuitBreaker(handleAll, { halfOpenAfter: OPEN_FOR, breaker: breaker() })
  const isRefusal = (error: unknown) => error instanceof BrokenCircuitError
  await openedPromise(() => open.execute(down), isRefusal)
  return promiseSubject(name, {
    closed: () => closed.execute(countedPromise),
    open: () => open.execute(countedPromise),
    isRefusal,
    check: async () => {
      strictEqual(closed.state, CircuitState.Closed)
      strictEqual(open.state, CircuitState.Open)
    }
  })
}

const opossum = async (name: string): Promise<Subject> => {
  const make = (action: () => Promise<number>) =>
    new Opossum(action, {
      timeout: false,
      resetTimeout: OPEN_FOR,
      rollingPercentilesEnabled: false,
      enableSnapshots: false
    })
  let isDown = false
  const closed = make(countedPromise)
  const open = make(() => isDown ? down() : countedPromise())
  const isRefusal = (error: unknown) => (error as { readonly code?: unknown } | undefined)?.code === "EOPENBREAKER"
  isDown = true
  await openedPromise(() => open.fire(), isRefusal)
  isDown = false
  return promiseSubject(name, {
    closed: () => closed.fire(),
    open: () => open.fire(),
    isRefusal,
    check: async () => {
      strictEqual(closed.closed, true)
      strictEqual(open.opened, true)
      closed.shutdown()
      open.shutdown()
    }
  })
}

export const CONSECUTIVE = "consecutive(5)"
export const LAST_CALLS = "failureRate, lastCalls(100)"
export const LAST_DURATION = "failureRate + slowRate, lastDuration(1 min)"
export const METERED = "the same, with metrics on"
export const LISTENED = "the same, with an events listener"

export const PROMISE_CONSECUTIVE = "promise: consecutive(5)"
export const PROMISE_LAST_CALLS = "promise: failureRate, lastCalls(100)"

/** All of them, each with fresh circuits. */
export const subjects = async (): Promise<ReadonlyArray<Subject>> => [
  bareEffect,
  plainGuard,
  await ours(CONSECUTIVE, policies.consecutive, byStreak),
  await ours("consecutive(5), built at each call", policies.consecutive, byStreak, true),
  await serviced("consecutive(5), withBreaker", policies.consecutive),
  await mapped("consecutive(5), BreakerMap.execute", policies.consecutive),
  await ours(LAST_CALLS, policies.lastCalls, byRate),
  await ours(LAST_DURATION, policies.lastDuration, byRate),
  await metered(METERED, policies.lastDuration),
  await listened(LISTENED, policies.lastDuration),
  await persistence(PERSISTENCE_CONSECUTIVE, CircuitBreaker.consecutive(5)),
  await persistence(PERSISTENCE_RATE, CircuitBreaker.rate({ threshold: 0.5, size: 100 })),
  barePromise,
  await promised(PROMISE_CONSECUTIVE, policies.consecutive, { cockatiel: COCKATIEL_CONSECUTIVE }),
  await promisedMap("promise: consecutive(5), BreakerMap.execute", policies.consecutive),
  await promised(PROMISE_LAST_CALLS, policies.lastCalls, { cockatiel: COCKATIEL_COUNT }),
  await cockatiel(COCKATIEL_CONSECUTIVE, () => new ConsecutiveBreaker(5)),
  await cockatiel(COCKATIEL_COUNT, () => new CountBreaker({ threshold: 0.5, size: 100 })),
  await opossum("opossum")
]
