/**
 * Tools that a person has approved since the last answer: a streamed call runs them before the model is asked.
 *
 * @since 0.1.0
 */
import * as Prompt from "effect/ai/Prompt"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Permit } from "./LlmPermit.ts"
import type { Asked } from "./ToolWatch.ts"

/** Whether tools are to run before the model is asked. */
export const areDue = ({ prompt, toolkit }: Asked): boolean => {
  if (toolkit === undefined) return false
  const calls = new Set<string>()
  const asked = new Map<string, string>()
  const decided: Array<string> = []
  const done = new Set<string>()
  for (const { content, role } of Prompt.make(prompt).content) {
    if (role === "assistant") {
      for (const part of content) {
        if (part.type === "tool-call") calls.add(part.id)
        if (part.type === "tool-approval-request") asked.set(part.approvalId, part.toolCallId)
      }
    }
    if (role === "tool") {
      for (const part of content) {
        if (part.type === "tool-approval-response") decided.push(part.approvalId)
        else done.add(part.id)
      }
    }
  }
  return decided.some((id) => {
    const call = asked.get(id)
    return call !== undefined && calls.has(call) && !done.has(call)
  })
}

/**
 * Runs a stream as far as its tools have run, which are its first parts, and gives the stream as it goes on.
 *
 * Their time is not the model's. So the permit under which they run is given back afterwards, and the model is asked under
 * another: but without a permit at all a tool would have acted for a call that is refused.
 */
export const ahead = <A, E, R, E2>(
  self: Stream.Stream<A, E, R>,
  admit: Effect.Effect<Permit, E2>
): Effect.Effect<Stream.Stream<A, E, R>, E | E2, R | Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const giveBack = (permit: Permit): Effect.Effect<void> =>
      permit.settle({ _tag: "Ignored", kind: "unknown", scope: "request" })
    const permit = yield* Effect.acquireRelease(admit, giveBack)
    const pull = yield* Channel.toPullScoped(self.channel, scope)
    let first = yield* Pull.catchDone(pull, () => Effect.undefined)
    yield* giveBack(permit)
    if (first === undefined) return Stream.empty
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => {
      if (first === undefined) return pull
      const parts = first
      first = undefined
      return Effect.succeed(parts)
    })))
  })
