export * as CircuitBreaker from "./CircuitBreaker.ts"
