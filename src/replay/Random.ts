/**
 * Chance from a seed: the same numbers on every machine, and streams of them that do not disturb each other.
 *
 * A source is a key and a count: its n-th number is a mix of the two. A fork has a key of its own, made from its parent's and a
 * label, so who draws first, or more often, changes nothing for the others. Two policies in the same simulation so meet
 * the same calls with the same fates.
 *
 * @since 0.1.0
 */
import * as Arithmetic from "./Arithmetic.ts"

/**
 * A source of chance.
 *
 * @category models
 * @since 0.1.0
 */
export class Random {
  private readonly first: number
  private readonly second: number
  private count = 0

  /** @internal */
  constructor(first: number, second: number) {
    this.first = first
    this.second = second
  }

  /** A number between 0 and 1, neither of the two. */
  next(): number {
    this.count = (this.count + 0x9e3779b9) | 0
    return ((mix(mix(this.count ^ this.first) ^ this.second) >>> 0) + 0.5) / 4_294_967_296
  }

  /** A number from a normal distribution of mean 0 and deviation 1. */
  normal(): number {
    return Arithmetic.normalQuantile(this.next())
  }

  /** A number from an exponential distribution of mean 1. */
  exponential(): number {
    return -Arithmetic.log(this.next())
  }

  /** A source of its own, whatever is drawn here: the same label gives the same one. */
  fork(label: number | string): Random {
    const number = typeof label === "number" ? label : hash(label)
    const first = mix(this.first ^ mix(number + 0x7f4a7c15))
    return new Random(first, mix(this.second + first ^ Math.imul(number, 0x85ebca6b)))
  }
}

/**
 * Makes a source of chance.
 *
 * **Example** (The same seed, the same numbers)
 *
 * ```ts
 * import { Random } from "effect-breaker/replay"
 *
 * const rolls = (seed: number) => {
 *   const random = Random.make(seed)
 *   return [random.next(), random.next()].map((number) => 1 + Math.floor(6 * number))
 * }
 *
 * console.log(rolls(1).join() === rolls(1).join()) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (seed: number | string): Random => new Random(0x2545f491, 0x9e3779b9).fork(seed)

// ---------------------------------------------------------------------------------------------------------------------

/** The finishing step of MurmurHash3: each bit of the number changes half of the result's. */
const mix = (number: number): number => {
  let mixed = Math.imul(number ^ (number >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

const hash = (label: string): number => {
  let hashed = 0x811c9dc5
  for (let i = 0; i < label.length; i++) hashed = mix(hashed ^ label.charCodeAt(i))
  return hashed
}
