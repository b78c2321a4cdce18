/**
 * An async iterable under a breaker: the call is the whole iteration, and it votes when that ends.
 *
 * @since 0.1.0
 */
import * as Outcome from "../Outcome.ts"
import type { Call, Running } from "./Call.ts"

/** @internal It asks with the first `next`, so one that nobody reads is no call. */
export class GuardedIterable<A> implements AsyncIterableIterator<A, unknown, undefined> {
  private call: Running | undefined
  private opened: Promise<AsyncIterator<A>> | undefined
  private flowed = false
  private ended = false
  private readonly ask: () => Running
  private readonly open: (call: Call) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>

  constructor(ask: () => Running, open: (call: Call) => AsyncIterable<A> | PromiseLike<AsyncIterable<A>>) {
    this.ask = ask
    this.open = open
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<A, unknown>> {
    if (this.ended) return finished(undefined)
    try {
      const result = await (await (this.opened ??= this.begin())).next()
      if (result.done === true) {
        this.ended = true
        this.call!.succeeded(undefined)
      } else if (!this.flowed) {
        this.flowed = true
        this.call!.answered()
      }
      return result
    } catch (error) {
      this.ended = true
      this.call?.failed(error)
      throw error
    }
  }

  /** The reader has had enough. */
  async return(value?: unknown): Promise<IteratorResult<A, unknown>> {
    const inner = await this.stop()
    if (inner?.return === undefined) return finished(await value)
    return this.last(inner.return(value))
  }

  async throw(error?: unknown): Promise<IteratorResult<A, unknown>> {
    const inner = await this.stop()
    if (inner?.throw !== undefined) return this.last(inner.throw(error))
    await inner?.return?.()
    throw error
  }

  private async begin(): Promise<AsyncIterator<A>> {
    this.call = this.ask()
    return (await this.open(this.call))[Symbol.asyncIterator]()
  }

  // What a reader does that stops is no word about the provider: an element that came is.
  private async stop(): Promise<AsyncIterator<A> | undefined> {
    const { ended, opened } = this
    this.ended = true
    this.call?.stopped(this.flowed ? Outcome.success : Outcome.ignored)
    return ended ? undefined : opened
  }

  // A generator may go on all the same.
  private async last(result: Promise<IteratorResult<A, unknown>>): Promise<IteratorResult<A, unknown>> {
    this.ended = (await result).done === true
    return result
  }
}

const finished = <T>(value: T): IteratorReturnResult<T> => ({ done: true, value })
