export * as LlmOutcome from "./LlmOutcome.ts"
