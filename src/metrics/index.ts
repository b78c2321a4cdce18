export * as BreakerLog from "./BreakerLog.ts"
