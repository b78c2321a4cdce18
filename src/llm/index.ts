export * as LlmOutcome from "./LlmOutcome.ts"
export * as LlmStream from "./LlmStream.ts"
export * as PartReader from "./PartReader.ts"
export { StreamBroken } from "./StreamBroken.ts"
