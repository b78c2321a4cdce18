/**
 * Settings and histories of a circuit, at random. Few different durations, so that limits are often met to the millisecond.
 */
import * as fc from "fast-check"
import * as CallWindow from "../src/CallWindow.ts"
import type * as Circuit from "../src/Circuit.ts"
import * as Outcome from "../src/Outcome.ts"
import * as TripPolicy from "../src/TripPolicy.ts"

export const millis = fc.constantFrom(100, 200, 300, 500, 1000)
export const anyShare = fc.constantFrom(0.1, 0.25, 1 / 3, 0.5, 0.75, 1)

export const anyWindow: fc.Arbitrary<CallWindow.CallWindow> = fc.oneof(
  fc.integer({ min: 1, max: 8 }).map((calls) => CallWindow.lastCalls(calls)),
  fc.tuple(fc.integer({ min: 1, max: 8 }), millis).map(([calls, within]) => CallWindow.lastCalls(calls, { within })),
  fc.tuple(millis, fc.constantFrom(1, 2, 3, 7, 10)).map(([duration, buckets]) =>
    CallWindow.lastDuration(duration, { buckets })
  )
)

export const room = (window: CallWindow.CallWindow): number => window._tag === "LastCalls" ? window.calls : 8

const anySimplePolicy: fc.Arbitrary<TripPolicy.TripPolicy> = fc.oneof(
  fc.constant(TripPolicy.never),
  fc.integer({ min: 1, max: 5 }).map(TripPolicy.consecutive),
  anyWindow.chain((window) =>
    fc.record({
      threshold: anyShare,
      minimumCalls: fc.integer({ min: 1, max: room(window) }),
      window: fc.constant(window),
      belowMinimum: fc.option(fc.integer({ min: 1, max: 4 }).map(TripPolicy.consecutive), { nil: undefined })
    }).map(TripPolicy.failureRate)
  ),
  anyWindow.chain((window) =>
    fc.record({
      slowAfter: millis,
      threshold: anyShare,
      minimumCalls: fc.integer({ min: 1, max: room(window) }),
      window: fc.constant(window)
    }).map(TripPolicy.slowRate)
  ),
  anyWindow.chain((window) =>
    fc.record({ count: fc.integer({ min: 1, max: room(window) }), window: fc.constant(window) })
      .map(TripPolicy.failureCount)
  )
)

export const anyPolicy: fc.Arbitrary<TripPolicy.TripPolicy> = fc.oneof(
  { weight: 2, arbitrary: anySimplePolicy },
  {
    weight: 1,
    arbitrary: fc.array(anySimplePolicy, { minLength: 1, maxLength: 3 }).map((policies) =>
      TripPolicy.anyOf(...policies)
    )
  }
)

export interface Settings extends Circuit.Options {
  readonly halfOpen: {
    readonly concurrency: number
    readonly successes: number
    readonly outOf: number
    readonly lease: number
  }
}

export const anySettings: fc.Arbitrary<Settings> = fc.record({
  tripPolicy: anyPolicy,
  openDuration: fc.oneof(millis, fc.constant((opening: number) => 100 * opening), fc.constant(0)),
  halfOpen: fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 0, max: 2 }),
    millis
  ).map(([concurrency, successes, spare, lease]) => ({ concurrency, successes, outOf: successes + spare, lease })),
  ramp: fc.option(
    fc.record({
      shares: fc.constantFrom([0.5], [0.1, 0.25, 0.5], [1 / 3, 0.9], [0.07]),
      every: fc.oneof(millis, fc.constant(0)),
      minimumCalls: fc.integer({ min: 1, max: 3 }),
      tolerance: fc.constantFrom(undefined, undefined, 0.05, 0.4)
    }),
    { nil: undefined }
  ),
  jitter: fc.constantFrom(0, 0, 0.5),
  maxRetryAfter: fc.constantFrom(0, 500, 900_000),
  throttleDuration: millis,
  tripDuration: millis
})

const anyHint = fc.option(fc.constantFrom(0, 100, 300, 1000, 5000), { nil: undefined })

export const anyOutcome: fc.Arbitrary<Outcome.Outcome> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(Outcome.success) },
  { weight: 4, arbitrary: fc.constant(Outcome.failure()) },
  { weight: 2, arbitrary: fc.constant(Outcome.ignored) },
  { weight: 1, arbitrary: anyHint.map((retryAfter) => Outcome.failure({ retryAfter, kind: "hinted" })) },
  { weight: 1, arbitrary: anyHint.map((retryAfter) => Outcome.throttled({ retryAfter })) },
  { weight: 1, arbitrary: anyHint.map((openFor) => Outcome.trip({ openFor, message: "no credit" })) }
)

/** `back`: which ask, counted from the newest. `Edge`: to when asking may help, or just around it. */
export type Step =
  | { readonly do: "Ask" }
  | { readonly do: "Settle"; readonly back: number; readonly outcome: Outcome.Outcome }
  | { readonly do: "Wait"; readonly millis: number }
  | { readonly do: "Edge"; readonly offset: number }
  | { readonly do: "Back"; readonly millis: number }
  | { readonly do: "Command"; readonly order: Circuit.Command }

export const anyOrder: fc.Arbitrary<Circuit.Command> = fc.oneof(
  fc.constant<Circuit.Command>({ _tag: "Isolate", note: "by hand" }),
  fc.constantFrom(0, 100, 1000).map((millis): Circuit.Command => ({ _tag: "Isolate", for: millis, by: "ada" })),
  fc.constant<Circuit.Command>({ _tag: "Release" }),
  fc.constant<Circuit.Command>({ _tag: "Release" }),
  fc.constant<Circuit.Command>({ _tag: "Reset" }),
  fc.constant<Circuit.Command>({ _tag: "Pass" }),
  fc.record({ _tag: fc.constant("Trip" as const), openFor: fc.option(millis, { nil: undefined }) })
)

export const ofMode = (mode: Circuit.Mode): Circuit.Command => ({ _tag: "SetMode", mode })
const anySetMode = fc.constantFrom<Circuit.Mode>("enforce", "enforce", "observe", "off").map(ofMode)

const ask: fc.Arbitrary<Step> = fc.constant({ do: "Ask" })
const settleOne: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("Settle" as const),
  back: fc.nat({ max: 7 }),
  outcome: anyOutcome
})
const wait: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("Wait" as const),
  millis: fc.constantFrom(1, 10, 99, 100, 101, 199, 200, 250, 500, 1000, 1001, 100_000)
})
const edge: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("Edge" as const),
  offset: fc.constantFrom(-1, 0, 0, 0, 1)
})
const stepBack: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("Back" as const),
  millis: fc.constantFrom(1, 100, 10_000)
})
const order = (orders: fc.Arbitrary<Circuit.Command>): fc.Arbitrary<Step> =>
  fc.record({ do: fc.constant("Command" as const), order: orders })

interface Kinds {
  readonly edges?: boolean
  readonly modes?: boolean
  readonly back?: boolean
}

export const anySteps = (
  { back = false, edges = true, modes = false }: Kinds = {}
): fc.Arbitrary<ReadonlyArray<Step>> =>
  fc.array(
    fc.oneof(
      { weight: 10, arbitrary: ask },
      { weight: 10, arbitrary: settleOne },
      { weight: 4, arbitrary: wait },
      { weight: edges ? 3 : 0, arbitrary: edge },
      { weight: 1, arbitrary: order(anyOrder) },
      ...(modes ? [{ weight: 1, arbitrary: order(anySetMode) }] : []),
      ...(back ? [{ weight: 1, arbitrary: stepBack }] : [])
    ),
    { maxLength: 120, size: "max" }
  )
