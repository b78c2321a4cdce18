export * as Chaos from "./Chaos.ts"
