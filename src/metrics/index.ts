export * as BreakerLog from "./BreakerLog.ts"
export * as BreakerMetrics from "./BreakerMetrics.ts"
