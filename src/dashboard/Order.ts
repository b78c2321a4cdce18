/**
 * Orders from the page: who may give one, what one looks like, and carrying it out.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as Schema from "effect/Schema"
import type * as CircuitControl from "../control/CircuitControl.ts"
import * as Setting from "../internal/Setting.ts"
import type { OrderView } from "./View.ts"

/** How many bytes an order may have. */
export const MOST_BYTES = 64 * 1024

/** How long its note may be. */
const LONGEST_NOTE = 500

/**
 * Why a request is not taken for one of the page's own, in words.
 *
 * A page of another site can make a browser post with the operator's own cookies. It cannot set the header without the
 * browser asking first, and nobody answers that.
 */
export const foreign = (headers: Headers.Headers): string | undefined => {
  const { "content-type": type = "", host, origin, "sec-fetch-site": site } = headers
  return headers["x-effect-breaker"] !== "control"
    ? "An order needs the header \"x-effect-breaker: control\"."
    : type.split(";")[0]!.trim().toLowerCase() !== "application/json"
    ? "An order needs the header \"content-type: application/json\"."
    : site !== undefined && site !== "same-origin" && site !== "none"
    ? "An order must come from the page itself, not from another site."
    : origin !== undefined && (host === undefined || !isOf(origin, host))
    ? "An order must come from the page itself: its Origin is not this Host. A proxy in between has to pass Host on."
    : undefined
}

/** Reads an order, or tells what is wrong with it. */
export const decode = (body: string): Effect.Effect<OrderView, string> =>
  Effect.try({ try: () => JSON.parse(body) as unknown, catch: () => "An order is JSON." }).pipe(
    Effect.flatMap((given): Effect.Effect<OrderView, string> => {
      // By hand, so that what is wrong is told of the one that was meant, and not of each that there is.
      const order = typeof given === "object" && given !== null && "order" in given ? given.order : undefined
      const decoder = decoders.get(order)
      return decoder === undefined
        ? Effect.fail(`order ${Setting.wrong(`one of ${[...decoders.keys()].join(", ")}`, order)}`)
        : Effect.mapError(decoder(given), ({ message }) => message.replaceAll(/\s*\n\s*/g, " "))
    })
  )

/** Carries an order out, and tells how many circuits it reached. */
export const carryOut = (
  order: OrderView,
  by: string,
  control: CircuitControl.CircuitControl
): Effect.Effect<number> => {
  const which = { ids: order.ids }
  const reason = { note: order.note, by }
  switch (order.order) {
    case "isolate":
      return control.isolate(which, { ...reason, for: order.for })
    case "release":
      return control.release(which, reason)
    case "reset":
      return control.reset(which, reason)
    case "mode":
      return control.setMode(which, order.mode, reason)
  }
}

// ---------------------------------------------------------------------------------------------------------------------

const isOf = (origin: string, host: string): boolean => {
  if (!URL.canParse(origin)) return false
  const { host: from, protocol } = new URL(origin)
  // The port that a scheme implies may be named or not.
  const here = `${protocol}//${host}`
  return from !== "" && URL.canParse(here) && new URL(here).host === from
}

const all = {
  instance: /*#__PURE__*/ Schema.optional(Schema.String),
  ids: /*#__PURE__*/ Schema.Array(Schema.String).check(/*#__PURE__*/ Schema.isMinLength(1)),
  note: /*#__PURE__*/ Schema.optional(/*#__PURE__*/ Schema.String.check(/*#__PURE__*/ Schema.isMaxLength(LONGEST_NOTE)))
}

const decoderOf = <A extends OrderView>(schema: Schema.Codec<A, unknown>) =>
  Schema.decodeUnknownEffect(schema, { onExcessProperty: "error" })

const decoders = /*#__PURE__*/ new Map<unknown, (given: unknown) => Effect.Effect<OrderView, Schema.SchemaError>>([
  [
    "isolate",
    decoderOf(Schema.Struct({
      ...all,
      order: Schema.Literal("isolate"),
      for: Schema.optional(Setting.positiveMillis)
    }))
  ],
  ["release", decoderOf(Schema.Struct({ ...all, order: Schema.Literal("release") }))],
  ["reset", decoderOf(Schema.Struct({ ...all, order: Schema.Literal("reset") }))],
  [
    "mode",
    decoderOf(Schema.Struct({
      ...all,
      order: Schema.Literal("mode"),
      mode: Schema.Literals(["enforce", "observe"])
    }))
  ]
])
