export * as LlmFallback from "./LlmFallback.ts"
export * as LlmOutcome from "./LlmOutcome.ts"
export * as RetryHint from "./RetryHint.ts"
export * as Signal from "./Signal.ts"
