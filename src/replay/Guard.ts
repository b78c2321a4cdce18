/**
 * What stands between the clients and the provider of a simulation: nothing, a circuit, or somebody else's breaker.
 *
 * @since 0.1.0
 */
import * as Circuit from "../Circuit.ts"
import { Checking } from "../internal/Checking.ts"
import type * as Outcome from "../Outcome.ts"
import type { Agenda } from "./Agenda.ts"
import * as Policy from "./Policy.ts"

/**
 * The leave to make one call: told when its first content came, and once what came of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pass {
  /** It was given to find out whether the provider is back. */
  readonly probe?: boolean | undefined
  answer(now: number): void
  settle(outcome: Outcome.Outcome, now: number): void
}

/**
 * No leave, and how many milliseconds later it may be worth asking again.
 *
 * @category models
 * @since 0.1.0
 */
export interface Refusal {
  readonly retryAfter: number
}

/**
 * An answer that is given later: by a breaker that is asynchronous, or that lets calls wait.
 *
 * @category models
 * @since 0.1.0
 */
export class Later {
  private answer: Pass | Refusal | undefined = undefined
  private listener: ((answer: Pass | Refusal) => void) | undefined = undefined

  decide(answer: Pass | Refusal): void {
    if (this.answer !== undefined) return
    this.answer = answer
    this.listener?.(answer)
  }

  /** @internal */
  listen(listener: (answer: Pass | Refusal) => void): void {
    if (this.answer === undefined) this.listener = listener
    else listener(this.answer)
  }
}

/**
 * What is asked before each call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guard {
  ask(now: number): Pass | Refusal | Later
}

/**
 * What a guard gets to work with: its number and name, a source of chance, whom to tell of its transitions, and the agenda of
 * the run, whose time is the time and on which timers wait. `check` asks the provider for next to nothing, as a health check does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Host {
  readonly number: number
  readonly name: string
  readonly random: () => number
  readonly notify: (transition: Circuit.Transition) => void
  readonly agenda: Agenda
  readonly check: (done: (isWell: boolean) => void) => void
}

/**
 * Makes a guard for each client, or for all of them.
 *
 * @category models
 * @since 0.1.0
 */
export type Make = (host: Host) => Guard

/**
 * Lets every call pass.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Make = () => open

/**
 * Makes circuits under a policy: the pure machine, without the service around it.
 *
 * **Details**
 *
 * `checkEvery` has a health check look after them, as `HealthCheck` of `effect-breaker/control` does it in a program: every so many
 * milliseconds while they are open or probe.
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy = (
  policy: Policy.Policy,
  { checkEvery }: { readonly checkEvery?: number | undefined } = {}
): Make =>
(host) => {
  const guard = new CircuitGuard((notify) => Policy.circuit(policy, 0, { random: host.random, notify }), host.notify)
  if (checkEvery !== undefined) guard.keepChecking(host, checkEvery)
  return guard
}

/**
 * Makes circuits from what makes one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const circuit =
  (make: (host: { readonly notify: Host["notify"]; readonly random: Host["random"] }) => Circuit.Circuit): Make =>
  (host) => new CircuitGuard((notify) => make({ notify, random: host.random }), host.notify)

/**
 * Tells a refusal from a pass.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRefusal = (answer: Pass | Refusal): answer is Refusal => "retryAfter" in answer

// ---------------------------------------------------------------------------------------------------------------------

const pass: Pass = { answer: () => {}, settle: () => {} }

const open: Guard = { ask: () => pass }

class CircuitPass extends Circuit.Permit implements Pass {
  probe = false
  private readonly circuit: Circuit.Circuit
  constructor(circuit: Circuit.Circuit) {
    super()
    this.circuit = circuit
  }
  answer(now: number): void {
    Circuit.answer(this.circuit, this, now)
  }
  settle(outcome: Outcome.Outcome, now: number): void {
    Circuit.settle(this.circuit, this, outcome, now)
  }
}

class CircuitGuard implements Guard, Circuit.Maker {
  private readonly circuit: Circuit.Circuit
  constructor(make: (notify: Host["notify"]) => Circuit.Circuit, notify: Host["notify"]) {
    this.circuit = make(notify)
  }
  keepChecking({ agenda, check }: Host, every: number): void {
    const { circuit } = this
    const checking = new Checking()
    const look = {
      due: (now: number) => {
        agenda.add(now + every, look)
        if (!checking.isDue(circuit, now)) return
        check((isWell) => {
          if (!isWell || agenda.now >= now + every) return
          checking.pass()
          Circuit.command(circuit, { _tag: "Pass" }, agenda.now)
        })
      }
    }
    agenda.add(every, look)
  }
  permit(): CircuitPass {
    return new CircuitPass(this.circuit)
  }
  ask(now: number): Pass | Refusal {
    const answer = Circuit.admit(this.circuit, now, this)
    // In whole milliseconds, as the service tells its callers.
    if (answer instanceof Circuit.Refusal) return { retryAfter: Math.ceil(answer.retryAfter) }
    const state = this.circuit.cell.current
    if (state._tag === "HalfOpen" && state.stage === "Probing") (answer as CircuitPass).probe = true
    return answer as CircuitPass
  }
}
