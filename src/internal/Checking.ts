/**
 * When a check of a circuit's provider is due, and how far it is believed. Pure: who runs checks is not known here.
 */
import type { Circuit } from "../State.ts"

/** The checks of one circuit, each some time after the one before. */
export class Checking {
  /** How many looks to let pass after a check that was wrong, and how many of them are left. */
  private wait = 0
  private rest = 0
  /** Whether a check passed since the circuit last opened. */
  private passed = false

  /** It is time for one: tells whether it shall be made. */
  isDue({ cell: { current } }: Circuit, now: number): boolean {
    if (current._tag === "Closed") {
      this.wait = this.rest = 0
      this.passed = false
    }
    const isOpen = current._tag === "Open"
    if (isOpen ? now < current.firm : !("running" in current)) return false
    if (isOpen && this.passed) {
      this.rest = this.wait = 2 * this.wait + 1
      this.passed = false
    }
    if (this.rest === 0) return true
    this.rest--
    return false
  }

  /** It passed: if the circuit opens again after it, it was wrong. */
  pass(): void {
    this.passed = true
  }
}
