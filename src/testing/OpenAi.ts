/**
 * What all endpoints of OpenAI share: the shape of an error, the headers of every answer, and the list of models.
 *
 * @since 0.1.0
 */
import type * as WireFormat from "./WireFormat.ts"

/** The whole body of an error. */
export const error = (error: WireFormat.ApiError): string =>
  JSON.stringify({ error: { message: error.message, type: error.type, param: error.param, code: error.code } })

/** One server-sent event. */
export const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

/** An error inside a stream. */
export const errorEvent = (failure: WireFormat.ApiError): string => `data: ${error(failure)}\n\n`

/** The headers of every answer; the limits are those of an account far from them. */
export const headers = (identity: WireFormat.Identity, processing: number): Readonly<Record<string, string>> => ({
  "x-request-id": `req_${identity.id}`,
  "openai-processing-ms": String(Math.round(processing)),
  "x-ratelimit-limit-requests": "10000",
  "x-ratelimit-limit-tokens": "2000000",
  "x-ratelimit-remaining-requests": "9999",
  "x-ratelimit-remaining-tokens": "1999900",
  "x-ratelimit-reset-requests": "6ms",
  "x-ratelimit-reset-tokens": "3ms"
})

/** The answer to a request that is the caller's mistake. */
export const refused = (
  status: number,
  message: string,
  told?: { readonly param?: string; readonly code?: string }
): WireFormat.Refused => ({
  _tag: "Refused",
  status,
  error: { message, type: "invalid_request_error", code: told?.code ?? null, param: told?.param ?? null }
})

/** `GET /v1/models`, which lists the one model of the fake provider. */
export const models: WireFormat.WireFormat = {
  method: "GET",
  path: "/v1/models",
  headers,
  error,
  errorEvent,
  read: (_body, { createdAt, model }) => ({
    _tag: "Accepted",
    model: undefined,
    stream: false,
    body: () => ({
      opening: `{"object":"list","data":`,
      tokens: [],
      closing: `${JSON.stringify([{ id: model, object: "model", created: createdAt, owned_by: "effect-breaker" }])}}`
    })
  })
}
