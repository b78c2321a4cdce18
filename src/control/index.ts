export * as Registry from "../Registry.ts"
export * as CircuitControl from "./CircuitControl.ts"
export * as CircuitReader from "./CircuitReader.ts"
export * as HealthCheck from "./HealthCheck.ts"
