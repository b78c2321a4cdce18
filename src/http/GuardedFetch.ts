/**
 * A `fetch` under circuits, for programs without Effect, and for clients that take a `fetch`.
 *
 * One circuit for each origin, or each key of one's own. A refused request rejects with `CircuitRejected`. For the clients of
 * `openai` and `@anthropic-ai/sdk` there is `SdkFetch`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as BreakerMap from "../BreakerMap.ts"
import { type ByKey, byKey } from "./Circuits.ts"
import { type Common, type Fetch, guard } from "./FetchCall.ts"

export type { Common, Fetch } from "./FetchCall.ts"

/**
 * How `make` guards: the circuits, as a map that is there already or as the settings of one; and which circuit a request
 * goes through, that of its origin unless `key` says otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Common, ByKey {
  readonly breakers?: BreakerMap.BreakerMap | BreakerMap.Options | undefined
}

/**
 * Puts a `fetch` under circuits, one for each origin.
 *
 * **Details**
 *
 * A request asks the circuit of its origin. A refused one is never made, and rejects with `CircuitRejected`, an `Error`
 * whose `name` and `_tag` say so, with the reason and `retryAfter`. Everything else passes unchanged: the response, the
 * error, the abort.
 *
 * | the answer                                        | votes                                                        |
 * | ------------------------------------------------- | ------------------------------------------------------------ |
 * | no connection, broken off, a deadline passed      | `Failure`                                                    |
 * | aborted by the caller                             | `Ignored`; `AbortSignal.timeout` is a `Failure`              |
 * | 5xx, 408                                          | `Failure`, with the hint when to come back                   |
 * | 429                                               | `Throttled`; `Trip` where the body says that a quota is spent |
 * | 401, 403, 404, 407, 410, other 4xx                | `Ignored`: it speaks of this request                         |
 * | 2xx, 3xx                                          | by its body                                                  |
 * | JSON that is none, or is an error                 | `Failure`, or what the error says                            |
 * | events of a language model                        | what the answer says at its end: errors inside, cut off      |
 * | any other body                                    | `Success` at its end, or when the caller stops reading       |
 *
 * The vote of an error is cast before its response is handed out. Another body is read ahead by up to 64 KiB, so that a
 * call whose body nobody reads ends all the same; a longer one that nobody has begun by then is a `Success`, and one that
 * the caller drops midway ends when it is collected as garbage.
 *
 * **Gotchas**
 *
 * A response of another kind than the platform's, whose body is no web stream, votes by its status. The body of a guarded
 * response is no byte stream: read it without `mode: "byob"`. The `classify` of a map that is given is not asked.
 *
 * Throws a `RangeError` at once for a bad setting. A `key` that throws rejects the request.
 *
 * **Example** (A host that is down is asked five times)
 *
 * ```ts
 * import { GuardedFetch } from "effect-breaker/http"
 *
 * const guarded = GuardedFetch.make({ breakers: { openDuration: "30 seconds" } })
 * const attempt = () => guarded("http://127.0.0.1:1/").then(() => "answered", (error: Error) => error.name)
 *
 * const said: Array<string> = []
 * for (let i = 0; i < 6; i++) said.push(await attempt())
 * console.log(said.slice(4)) // => ["TypeError", "CircuitRejected"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Fetch => {
  const where = "GuardedFetch.make"
  const { breakers = {}, services = Context.empty() } = options
  const map = "execute" in breakers ? breakers : Effect.runSyncWith(services)(BreakerMap.make(breakers))
  return guard(where, byKey(where, Effect.succeed(map), options), options)
}
