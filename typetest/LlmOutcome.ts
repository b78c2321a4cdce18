import type { Duration, Exit } from "effect"
import type { Breaker, Outcome } from "effect-breaker"
import type { LlmOutcome, RetryHint, Signal } from "effect-breaker/llm"
import { fails, type HasAny, holds, same } from "./Assert.ts"

// It is an outcome, and its functions are what a breaker takes.
holds<LlmOutcome.LlmOutcome extends Outcome.Outcome ? true : false>()
holds<typeof LlmOutcome.classify extends Breaker.Classify ? true : false>()
holds<ReturnType<typeof LlmOutcome.classifyWith> extends Breaker.Classify ? true : false>()
holds<typeof LlmOutcome.classify extends (exit: Exit.Exit<string, Error>) => Outcome.Outcome ? true : false>()

// Its kind and scope are words from a list, and a tag tells which hint there is.
same<LlmOutcome.LlmOutcome["kind"], LlmOutcome.Kind | undefined>()
same<LlmOutcome.LlmOutcome["scope"], "request" | "model" | "key" | "provider">()
same<Extract<LlmOutcome.LlmOutcome, { readonly _tag: "Trip" }>["openFor"], Duration.Duration | undefined>()
same<Extract<LlmOutcome.LlmOutcome, { readonly _tag: "Throttled" }>["retryAfter"], Duration.Duration | undefined>()
fails<
  { readonly _tag: "Failure"; readonly kind: "odd"; readonly scope: "model" } extends LlmOutcome.LlmOutcome ? true
    : false
>()
fails<{ readonly _tag: "Failure"; readonly kind: "server" } extends LlmOutcome.LlmOutcome ? true : false>()

// Headers of every client fit, and a number or a lone text does not.
type Headers_ = NonNullable<RetryHint.Source["headers"]>
holds<Headers extends Headers_ ? true : false>()
holds<ReadonlyMap<string, string> extends Headers_ ? true : false>()
holds<{ readonly "retry-after": string } extends Headers_ ? true : false>()
holds<ReadonlyArray<[string, string]> extends Headers_ ? true : false>()
fails<number extends Headers_ ? true : false>()

// No exported function takes or gives `any`.
fails<HasAny<typeof LlmOutcome.fromHttp>>()
fails<HasAny<typeof LlmOutcome.fromError>>()
fails<HasAny<typeof LlmOutcome.fromFinishReason>>()
fails<HasAny<typeof LlmOutcome.classify>>()
fails<HasAny<typeof LlmOutcome.classifyWith>>()
fails<HasAny<typeof RetryHint.parse>>()
fails<HasAny<typeof Signal.fromHttp>>()
fails<HasAny<typeof Signal.fromError>>()
