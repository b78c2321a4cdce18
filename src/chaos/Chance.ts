/**
 * Chance without a source of it: the same numbers give the same chance, on every machine and in any order.
 *
 * @since 0.1.0
 */

/** A number from 0 up to 1 that depends on the whole numbers only, and on each of their bits. */
export const uniform = (seed: number, ...rest: ReadonlyArray<number>): number => {
  const parts = [seed, Math.floor(seed / 2 ** 32), ...rest]
  return (parts.reduce((hash, part) => scramble((hash ^ part) + 0x9e3779b9), 0) >>> 0) / 2 ** 32
}

/** A whole number that stands for a text. */
export const ofText = (text: string): number => {
  let hash = text.length
  for (let at = 0; at < text.length; at++) hash = scramble((hash ^ text.charCodeAt(at)) + 0x9e3779b9)
  return hash >>> 0
}

const scramble = (value: number): number => {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35)
  return second ^ (second >>> 16)
}
