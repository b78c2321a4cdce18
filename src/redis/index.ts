export * as ReconnectingRedis from "./ReconnectingRedis.ts"
export * as SharedBreaker from "./SharedBreaker.ts"
