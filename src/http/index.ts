export * as BreakerHttpClient from "./BreakerHttpClient.ts"
export * as GuardedFetch from "./GuardedFetch.ts"
export * as Outgoing from "./Outgoing.ts"
export * as SdkFetch from "./SdkFetch.ts"
