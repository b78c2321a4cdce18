export { CircuitRejected } from "../CircuitRejected.ts"
export { StreamBroken } from "../llm/StreamBroken.ts"
export {
  type BreakerMiddleware,
  breakerMiddleware,
  breakerMiddlewareEffect,
  type Options
} from "./BreakerMiddleware.ts"
export type { Candidate, Fallback, Question, Text } from "./Fallback.ts"
export type { Event, Snapshot } from "./Happening.ts"
export type { Call, Given, Scoping } from "./ModelScopes.ts"
export { type Passed, type Provenance, provenanceOf, type Rejected } from "./Provenance.ts"
export { rejectionOf } from "./Rejection.ts"
export type { LanguageModel, Params, Streamed, Urls, Wrapped } from "./Sdk.ts"
