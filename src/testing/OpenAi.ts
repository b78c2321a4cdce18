/**
 * What all endpoints of OpenAI share: the shape of an error, the headers of every answer, and the list of models.
 *
 * @since 0.1.0
 */
import type * as Speech from "./Speech.ts"
import type * as WireFormat from "./WireFormat.ts"

/** An error as OpenAI writes it, without what surrounds it. */
export const errorObject = (
  error: WireFormat.ApiError,
  status = 500
): Readonly<Record<string, unknown>> => ({
  message: error.message,
  type: error.type ?? typeOf(status),
  param: error.param ?? null,
  code: error.code ?? null,
  ...error.fields
})

/** One server-sent event without a name. */
export const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

/** How OpenAI speaks. */
export const dialect: WireFormat.Dialect = {
  // The limits are those of an account far from them.
  headers: (identity, processing) => ({
    "x-request-id": `req_${identity.id}`,
    "openai-processing-ms": String(Math.round(processing)),
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999900",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "3ms"
  }),
  error: (error, status) => JSON.stringify({ error: errorObject(error, status) }),
  keepAlive: ": keep-alive\n\n"
}

/** The answer to a request that is the caller's mistake. */
export const refused = (
  status: number,
  message: string,
  told?: { readonly param?: string; readonly code?: string }
): WireFormat.Refused => ({ _tag: "Refused", status, error: { message, type: "invalid_request_error", ...told } })

/** What is wrong with the fields that every endpoint has, if anything. */
export const refusedFields = (model: unknown, stream: unknown): WireFormat.Refused | undefined => {
  if (typeof model !== "string") {
    return refused(400, "Invalid type for 'model': expected a string.", { param: "model" })
  }
  if (typeof stream !== "boolean" && stream !== null) {
    return refused(400, "Invalid type for 'stream': expected a boolean.", { param: "stream" })
  }
  return undefined
}

/** The answer to a body that is no JSON object. */
export const notJson = refused(400, "We could not parse the JSON body of your request.")

/** The tool that a request insists on, from its tools as `{ name, parameters }` and the name it forces. */
export const forcedTool = (
  tools: ReadonlyArray<Readonly<Record<string, unknown>>>,
  choice: unknown,
  chosen: unknown
): Speech.Wanted["tool"] => {
  const tool = tools.find(({ name }) => choice === "required" || (chosen !== undefined && name === chosen))
  return typeof tool?.["name"] === "string" ? { name: tool["name"], schema: tool["parameters"] } : undefined
}

/** `GET /v1/models`. */
export const models: WireFormat.WireFormat = {
  ...dialect,
  name: "models",
  method: "GET",
  path: "/v1/models",
  read: (_body, { createdAt, models }) => ({
    _tag: "Accepted",
    model: undefined,
    stream: false,
    wants: {},
    body: () => ({
      opening: `{"object":"list","data":`,
      tokens: [],
      closing: `${
        JSON.stringify(models.map((id) => ({ id, object: "model", created: createdAt, owned_by: "effect-breaker" })))
      }}`,
      failing: (error) => event({ error: errorObject(error) })
    })
  })
}

const typeOf = (status: number): string => {
  if (status === 429) return "requests"
  if (status === 503) return "service_unavailable_error"
  if (status === 529) return "overloaded_error"
  return status >= 500 ? "server_error" : "invalid_request_error"
}
