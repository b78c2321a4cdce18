declare module "opossum" {
  export default class CircuitBreaker<A, Arguments extends ReadonlyArray<unknown> = []> {
    constructor(action: (...args: Arguments) => Promise<A>, options?: {
      readonly timeout?: number | false
      readonly resetTimeout?: number
      readonly errorThresholdPercentage?: number
      readonly volumeThreshold?: number
      readonly rollingCountTimeout?: number
      readonly rollingCountBuckets?: number
      readonly rollingPercentilesEnabled?: boolean
      readonly enableSnapshots?: boolean
      readonly errorFilter?: (error: unknown) => boolean
    })
    readonly opened: boolean
    readonly closed: boolean
    fallback(answer: (...args: Arguments) => unknown): this
    fire(...args: Arguments): Promise<A>
    on(event: "open" | "halfOpen" | "close", listener: () => void): this
    shutdown(): void
  }
}
