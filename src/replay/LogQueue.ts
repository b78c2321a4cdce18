/**
 * Records that wait in the order in which they came, as columns of numbers.
 *
 * Hundreds of thousands may wait. As objects they would all grow old, and the collector of garbage would carry each of them
 * along twice; a quarter of a reading went into that.
 *
 * @since 0.1.0
 */
import { Call } from "./LogCall.ts"

/** First come, first gone. */
export class Queue {
  private size = 1024
  private from = 0
  private to = 0
  private numbers = new Float64Array(this.size * WIDTH)
  private texts: Array<Call["outcome"] | string | undefined> = []

  get length(): number {
    return this.to - this.from
  }

  /** When the first was asked for, and the last; infinite where there is none. */
  get firstAt(): number {
    return this.from === this.to ? Infinity : this.numbers[this.from % this.size * WIDTH]!
  }

  get lastAt(): number {
    return this.from === this.to ? -Infinity : this.numbers[(this.to - 1) % this.size * WIDTH]!
  }

  /** The line of the first. */
  get firstLine(): number {
    return this.numbers[this.from % this.size * WIDTH + 5]!
  }

  add(record: Call): void {
    if (this.to - this.from === this.size) this.grow()
    const { numbers, texts } = this
    const place = this.to++ % this.size
    const { id } = record
    let at = place * WIDTH
    numbers[at++] = record.at
    numbers[at++] = record.took
    numbers[at++] = record.firstContent ?? NaN
    numbers[at++] = record.inputTokens ?? NaN
    numbers[at++] = record.outputTokens ?? NaN
    numbers[at++] = record.line
    numbers[at] = typeof id === "number" ? id : NaN
    texts[place * TEXTS] = record.outcome
    texts[place * TEXTS + 1] = record.circuit
    texts[place * TEXTS + 2] = typeof id === "string" ? id : undefined
  }

  take(): Call {
    const { numbers, texts } = this
    const place = this.from++ % this.size
    const at = place * WIDTH
    const record = new Call(
      numbers[at]!,
      numbers[at + 1]!,
      texts[place * TEXTS] as Call["outcome"],
      texts[place * TEXTS + 1] as string,
      known(numbers[at + 2]!),
      known(numbers[at + 3]!),
      known(numbers[at + 4]!)
    )
    record.line = numbers[at + 5]!
    record.id = (texts[place * TEXTS + 2] as string | undefined) ?? numbers[at + 6]!
    texts[place * TEXTS + 2] = undefined
    return record
  }

  private grow(): void {
    const { from, numbers, size, texts, to } = this
    this.size = 2 * size
    this.numbers = new Float64Array(this.size * WIDTH)
    this.texts = Array.from({ length: this.size * TEXTS }, () => undefined)
    for (let next = from; next < to; next++) {
      const [old, place] = [next % size, next % this.size]
      this.numbers.set(numbers.subarray(old * WIDTH, (old + 1) * WIDTH), place * WIDTH)
      for (let i = 0; i < TEXTS; i++) this.texts[place * TEXTS + i] = texts[old * TEXTS + i]
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const WIDTH = 7
const TEXTS = 3

const known = (value: number): number | undefined => Number.isNaN(value) ? undefined : value
