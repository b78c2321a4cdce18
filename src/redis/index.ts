export * as SharedBreaker from "./SharedBreaker.ts"
