/**
 * Which circuits a request asks, and how the answer of one that was admitted is followed to its vote.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Breaker from "../Breaker.ts"
import type * as BreakerMap from "../BreakerMap.ts"
import type { CircuitRejected } from "../CircuitRejected.ts"
import * as Setting from "../internal/Setting.ts"
import type { Admission } from "../llm/GuardedCall.ts"
import type { LlmBreaker } from "../llm/LlmBreaker.ts"
import * as LlmOutcome from "../llm/LlmOutcome.ts"
import type { Scopes } from "../llm/Scopes.ts"
import { givenUp } from "../llm/StreamEnd.ts"
import { Answer, type Head, type Manner } from "./Answer.ts"
import * as Outgoing from "./Outgoing.ts"
import { type Call, type Source, WatchedBody } from "./WatchedBody.ts"

/**
 * One circuit for each key: by origin, unless `key` says otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface ByKey {
  readonly key?: ((request: Outgoing.Outgoing) => string) | undefined
}

/**
 * The circuits of key, model and provider, where the requests go to language models.
 *
 * **Details**
 *
 * `scopes` is whom a request concerns. What it leaves out is read off the request: the host is the provider, the model is
 * in the body or the path, and the key is a hash of the credential.
 *
 * @category models
 * @since 0.1.0
 */
export interface ByModel {
  readonly scopes?: ((request: Outgoing.Outgoing) => Partial<Scopes>) | undefined
}

/** The circuits of one request. */
export interface Asked {
  readonly admit: Effect.Effect<Admission, CircuitRejected>
  readonly refusal: Effect.Effect<CircuitRejected | undefined>
}

/** The circuits of all requests, and how the answers are read. */
export interface Circuits {
  readonly of: (request: Outgoing.Outgoing) => Asked
  readonly isModel: boolean
  readonly errors: LlmOutcome.Options
}

export const byKey = (
  where: string,
  breakers: Effect.Effect<BreakerMap.BreakerMap>,
  { errors = {}, key = Outgoing.origin }: ByKey & { readonly errors?: LlmOutcome.Options | undefined }
): Circuits => {
  LlmOutcome.check(`${where}, errors`, errors)
  return {
    of: (request) => {
      const get: Effect.Effect<Breaker.Breaker> = Effect.flatMap(breakers, (map) => map.get(key(request)))
      return {
        admit: Effect.flatMap(get, (breaker) => breaker.admit),
        refusal: Effect.flatMap(get, (breaker) => breaker.refusal)
      }
    },
    isModel: false,
    errors: { ...errors, rules: [...errors.rules ?? [], ofTheRequest] }
  }
}

export const byModel = (
  where: string,
  llm: LlmBreaker,
  { errors = {}, scopes }: ByModel & { readonly errors?: LlmOutcome.Options | undefined }
): Circuits => {
  LlmOutcome.check(`${where}, errors`, errors)
  return {
    of: (request) => {
      const asked = Effect.sync((): Scopes => {
        const given = scopes?.(request)
        return {
          provider: given?.provider ?? Outgoing.host(request),
          model: given?.model ?? Outgoing.model(request),
          key: given?.key ?? Outgoing.credential(request),
          region: given?.region
        }
      })
      return { admit: Effect.flatMap(asked, llm.admit), refusal: Effect.flatMap(asked, llm.refusal) }
    },
    isModel: true,
    errors
  }
}

/** Lets an effect be interrupted again. */
type Restore = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** One call that was admitted, from its request to its vote. */
export class Following {
  private readonly admission: Admission
  private readonly manner: Manner
  private readonly services: Context.Context<never>
  private readonly clock: Clock.Clock
  private readonly startedAt: number

  constructor(admission: Admission, circuits: Circuits, services: Context.Context<never>, clock: Clock.Clock) {
    this.admission = admission
    this.services = services
    this.clock = clock
    this.startedAt = this.now()
    this.manner = {
      isModel: circuits.isModel,
      errors: { now: () => clock.currentTimeMillisUnsafe(), ...circuits.errors }
    }
  }

  /** Milliseconds since the request was made. */
  get elapsed(): number {
    return this.now() - this.startedAt
  }

  settle(outcome: LlmOutcome.LlmOutcome): Effect.Effect<void> {
    return this.admission.settle(outcome)
  }

  /** There is no answer: the outcome of the error. */
  failed(error: unknown): LlmOutcome.LlmOutcome {
    return LlmOutcome.fromError(error, this.manner.errors)
  }

  /** An answer without a body, or with one that cannot be read along. */
  bodiless(head: Head): Effect.Effect<void> {
    const outcome = LlmOutcome.fromHttp(head, this.manner.errors)
    return Effect.andThen(this.admission.answered ?? Effect.void, this.settle(outcome))
  }

  /**
   * Follows the body. An error is read to its end before anybody sees it, so that the circuit knows of it first; but not
   * for longer than a moment: the caller is to get the status.
   */
  follow(head: Head, source: Source, restore: Restore = (self) => self): Effect.Effect<WatchedBody> {
    return Effect.suspend(() => {
      const call = this.callOf(head)
      const body = new WatchedBody(source, call)
      if (!call.answer.isError) return Effect.succeed(body)
      const known = restore(Effect.timeoutOption(Effect.promise(() => body.known), moment))
      return Effect.as(
        Effect.onExit(known, (exit) => Effect.sync(() => Exit.isSuccess(exit) ? body.judge() : body.leave(givenUp))),
        body
      )
    })
  }

  /** What a promise gives in time; the error otherwise. */
  within<A>(promise: () => Promise<A>, limit: number, error: unknown): Promise<A> {
    return Effect.runPromiseWith(this.services)(
      Effect.timeoutOrElse(Effect.tryPromise({ try: promise, catch: (failure) => failure }), {
        duration: limit,
        orElse: () => Effect.fail(error)
      })
    )
  }

  // Apart: a function made where a body is holds the body, and the call of one that nobody reads must let it go.
  private callOf(head: Head): Call {
    const answer = new Answer(head, this.manner, () => this.elapsed)
    return {
      answer,
      answered: () => this.run(this.admission.answered ?? Effect.void),
      vote: (outcome) => {
        const { progress } = answer
        if (progress !== undefined) this.admission.measured?.(progress.figures)
        this.run(this.settle(outcome))
      }
    }
  }

  private now(): number {
    return Number(this.clock.monotonicTimeNanosUnsafe()) / 1_000_000
  }

  // Begins at once, and neither of the two waits for anything.
  private run(effect: Effect.Effect<void>): void {
    Effect.runForkWith(this.services)(effect)
  }
}

/** How long the rest of an error is waited for, in milliseconds. */
const moment = 1000

// A revoked token or a page that is not there speaks of one caller: a circuit for all of them must not open by it.
const ofTheRequest: LlmOutcome.OwnRule = ({ status }) =>
  status !== undefined && [401, 403, 404, 407, 410].includes(status)
    ? { _tag: "Ignored", kind: status === 404 || status === 410 ? "invalid-request" : "auth", scope: "request" }
    : undefined

/** The milliseconds of a deadline, or a `RangeError` that names it. */
export const deadline = (where: string, name: string, given: Duration.Input | undefined): number | undefined =>
  given === undefined ? undefined : Setting.toMillis(Setting.option(where, name, Setting.positiveDuration, given))
