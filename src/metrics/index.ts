/**
 * @since 0.1.0
 */
export * as BreakerMetrics from "./BreakerMetrics.ts"
