import { type Cause, Context } from "effect"
import type { BreakerMap, CircuitRejected } from "effect-breaker"
import type { SdkFetch } from "effect-breaker/http"
import { BreakerHttpClient, GuardedFetch, Outgoing } from "effect-breaker/http"
import type { LlmBreaker } from "effect-breaker/llm"
import type { HttpClient, HttpClientError } from "effect/http"
import { fails, type HasAny, same } from "./Assert.ts"

class Tenant extends Context.Service<Tenant, string>()("typetest/BreakerHttpClient/Tenant") {}

type Error = HttpClientError.HttpClientError
declare const plain: HttpClient.HttpClient
declare const timed: HttpClient.HttpClient.With<Error | Cause.TimeoutError, Tenant>
declare const breakers: BreakerMap.BreakerMap
declare const llm: LlmBreaker.LlmBreaker

// The error channel gains the refusal and nothing else; the map comes from the context unless it is given.
export const first = BreakerHttpClient.withBreaker(plain)
export const firstOptions = BreakerHttpClient.withBreaker(timed, { key: Outgoing.origin, idle: "10 seconds" })
export const firstGiven = BreakerHttpClient.withBreaker(timed, { breakers })
export const byCall = plain.pipe(BreakerHttpClient.withBreaker())
export const byOptions = timed.pipe(BreakerHttpClient.withBreaker({ key: ({ method }) => method }))
export const byGiven = plain.pipe(BreakerHttpClient.withBreaker({ breakers, key: ({ url }) => url }))
export const byModels = timed.pipe(BreakerHttpClient.withBreaker({ llm, scopes: () => ({ provider: "openai" }) }))

type Client<E, R = never> = HttpClient.HttpClient.With<E | CircuitRejected, R>
same<typeof first, Client<Error, BreakerMap.BreakerMap>>()
same<typeof firstOptions, Client<Error | Cause.TimeoutError, Tenant | BreakerMap.BreakerMap>>()
same<typeof firstGiven, Client<Error | Cause.TimeoutError, Tenant>>()
same<typeof byCall, Client<Error, BreakerMap.BreakerMap>>()
same<typeof byOptions, Client<Error | Cause.TimeoutError, Tenant | BreakerMap.BreakerMap>>()
same<typeof byGiven, Client<Error>>()
same<typeof byModels, Client<Error | Cause.TimeoutError, Tenant>>()

// Keys are for maps, scopes for models.
// @ts-expect-error
BreakerHttpClient.withBreaker({ llm, breakers })

// A guarded fetch is a fetch.
export const fetch: typeof globalThis.fetch = GuardedFetch.make({ breakers })
same<ReturnType<typeof SdkFetch.rejectionOf>, CircuitRejected | undefined>()
// @ts-expect-error
GuardedFetch.make({ breakers: { tripPolicy: "often" } })

// What is ours has no `any`; the types of the platform and of Effect's client do.
fails<HasAny<typeof Outgoing.origin>>()
fails<HasAny<typeof SdkFetch.rejectionOf>>()
fails<HasAny<Parameters<NonNullable<GuardedFetch.Options["key"]>>>>()
fails<HasAny<SdkFetch.Options["llm"]>>()
