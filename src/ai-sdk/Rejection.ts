/**
 * The way back from what the AI SDK throws to the refusal behind it.
 *
 * @since 0.1.0
 */
import { CircuitRejected } from "../CircuitRejected.ts"
import * as Untrusted from "../llm/Untrusted.ts"

/**
 * The `CircuitRejected` behind an error of the AI SDK, or `undefined` where no circuit refused the call.
 *
 * **Details**
 *
 * A refusal reaches the program as it is: the AI SDK does not retry it. One that ends a row of retries is the last error in
 * the AI SDK's `RetryError`, and is found there; and so it is behind any `cause`.
 *
 * @category accessors
 * @since 0.1.0
 */
export const rejectionOf = (error: unknown): CircuitRejected | undefined => {
  let link = error
  for (let depth = 0; depth < 8 && Untrusted.isObject(link); depth++) {
    if (link instanceof CircuitRejected) return link
    link = Untrusted.get(link, "lastError") ?? Untrusted.get(link, "cause")
  }
  return undefined
}
