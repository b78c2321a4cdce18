import { type Cause, type Effect } from "effect"
import {
  type Breaker,
  type BreakerMap,
  type BreakerStream,
  type CallWindow,
  type Circuit,
  type CircuitRejected,
  type Fallback,
  type Outcome,
  type TripPolicy,
  type withBreaker
} from "effect-breaker"
import { type BreakerLog } from "effect-breaker/metrics"
import { type CircuitBreaker } from "effect-breaker/persistence"
import {
  type Breaker as PromiseBreaker,
  type BreakerMap as PromiseBreakerMap,
  type Fallback as PromiseFallback
} from "effect-breaker/promise"
import { fails, type HasAny, holds, type IsAny } from "./Assert.ts"

// The helpers see what they are for.
type Any = ReturnType<typeof JSON.parse>
holds<IsAny<Any>>()
fails<IsAny<unknown>>()
fails<IsAny<never>>()
holds<HasAny<(a: Any) => void>>()
holds<HasAny<(a: string) => ReadonlyArray<Any>>>()
holds<HasAny<{ readonly a: { readonly b: Any } }>>()
fails<HasAny<(a: unknown) => { readonly b: string }>>()

// No exported function takes or gives `any`.
fails<HasAny<typeof withBreaker>>()
fails<HasAny<typeof Breaker.make>>()
fails<HasAny<Parameters<typeof Breaker.layer>>>()
fails<HasAny<Parameters<typeof Breaker.layerConfig>>>()
fails<HasAny<Parameters<typeof BreakerMap.make>>>()
fails<HasAny<Parameters<typeof BreakerMap.layer>>>()
fails<HasAny<Parameters<typeof BreakerStream.withBreaker>>>()
fails<HasAny<typeof CallWindow.lastCalls>>()
fails<HasAny<typeof CallWindow.lastDuration>>()
fails<HasAny<typeof TripPolicy.consecutive>>()
fails<HasAny<typeof TripPolicy.failureRate>>()
fails<HasAny<typeof TripPolicy.slowRate>>()
fails<HasAny<typeof TripPolicy.failureCount>>()
fails<HasAny<typeof TripPolicy.anyOf>>()
fails<HasAny<typeof TripPolicy.never>>()
fails<HasAny<typeof Outcome.success>>()
fails<HasAny<typeof Outcome.ignored>>()
fails<HasAny<typeof Outcome.failure>>()
fails<HasAny<typeof Outcome.throttled>>()
fails<HasAny<typeof Outcome.trip>>()
fails<HasAny<typeof Circuit.make>>()
fails<HasAny<typeof Circuit.admit>>()
fails<HasAny<typeof Circuit.settle>>()
fails<HasAny<typeof Circuit.command>>()
fails<HasAny<typeof Circuit.snapshot>>()
fails<HasAny<typeof Fallback.value>>()
fails<HasAny<Parameters<typeof Fallback.effect>>>()
fails<HasAny<typeof Fallback.cached>>()
fails<HasAny<Parameters<typeof Fallback.withFallback>>>()
fails<HasAny<typeof Fallback.valueOf>>()
fails<HasAny<Parameters<typeof BreakerLog.layer>>>()
fails<HasAny<Parameters<typeof PromiseBreaker.make>>>()
fails<HasAny<Parameters<typeof PromiseBreaker.makeEffect>>>()
fails<HasAny<typeof PromiseBreaker.retryAfterOf>>()
fails<HasAny<Parameters<typeof PromiseBreakerMap.make>>>()
fails<HasAny<PromiseFallback.Served<string>>>()
fails<HasAny<Parameters<typeof CircuitBreaker.make>>>()
fails<HasAny<Parameters<typeof CircuitBreaker.layer>>>()
fails<HasAny<typeof CircuitBreaker.layerStoreMemory>>()

// Nor does anything that they give.
fails<HasAny<Breaker.Options>>()
fails<HasAny<Breaker.State>>()
fails<HasAny<Breaker.Event>>()
fails<HasAny<Breaker.Permit>>()
// `AbortSignal`, the platform's own, has some: so not of what holds one.
fails<HasAny<PromiseBreaker.Classify>>()
fails<HasAny<PromiseBreaker.Event>>()
fails<HasAny<PromiseBreaker.Snapshot>>()
fails<HasAny<Breaker.Classify>>()
fails<HasAny<BreakerMap.Options>>()
fails<HasAny<Fallback.Served<string>>>()
fails<HasAny<BreakerLog.Options>>()
fails<
  HasAny<
    Pick<CircuitRejected, "_tag" | "circuit" | "reason" | "retryAfter" | "since" | "cause" | "generation" | "message">
  >
>()
fails<HasAny<Pick<Breaker.Snapshot, keyof Breaker.Snapshot>>>()
type Members = { [K in keyof Breaker.Breaker]: IsAny<Breaker.Breaker[K]> }[keyof Breaker.Breaker]
fails<Members>()
fails<IsAny<Effect.Error<ReturnType<typeof Breaker.make>>>>()
fails<IsAny<Cause.TimeoutError>>()
