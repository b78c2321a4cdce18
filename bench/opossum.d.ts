declare module "opossum" {
  export default class CircuitBreaker<A> {
    constructor(action: () => Promise<A>, options?: {
      readonly timeout?: number | false
      readonly resetTimeout?: number
      readonly errorThresholdPercentage?: number
      readonly volumeThreshold?: number
      readonly rollingPercentilesEnabled?: boolean
      readonly enableSnapshots?: boolean
    })
    readonly opened: boolean
    readonly closed: boolean
    fire(): Promise<A>
    shutdown(): void
  }
}
