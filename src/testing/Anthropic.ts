/**
 * What all endpoints of Anthropic share: the shape of an error, the headers of every answer, and the list of models.
 *
 * @since 0.1.0
 */
import type * as WireFormat from "./WireFormat.ts"

/** An error as Anthropic writes it, without what surrounds it. Its errors have a type, and neither code nor param. */
export const errorObject = (error: WireFormat.ApiError, status = 500): Readonly<Record<string, unknown>> => ({
  type: error.type ?? types[status] ?? (status >= 500 ? "api_error" : "invalid_request_error"),
  message: error.message,
  ...error.fields
})

/** One server-sent event, named after its type. */
export const event = (type: string, data: Readonly<Record<string, unknown>>): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`

/** How Anthropic speaks. */
export const dialect: WireFormat.Dialect = {
  headers: (identity) => {
    const limits = { requests: 4000, tokens: 480_000, "input-tokens": 400_000, "output-tokens": 80_000 }
    const reset = new Date((identity.createdAt + 1) * 1000).toISOString().replace(".000Z", "Z")
    return {
      "request-id": `req_${identity.id}`,
      "anthropic-organization-id": "org_effect_breaker",
      ...Object.fromEntries(
        Object.entries(limits).flatMap(([name, limit]) => [
          [`anthropic-ratelimit-${name}-limit`, String(limit)],
          [`anthropic-ratelimit-${name}-remaining`, String(limit - 1)],
          [`anthropic-ratelimit-${name}-reset`, reset]
        ])
      )
    }
  },
  error: (error, status, identity) =>
    JSON.stringify({ type: "error", error: errorObject(error, status), request_id: `req_${identity.id}` }),
  keepAlive: event("ping", {})
}

/** The answer to a request that is the caller's mistake. */
export const refused = (status: number, message: string): WireFormat.Refused => ({
  _tag: "Refused",
  status,
  error: { message }
})

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
    body: () => {
      const created_at = new Date(createdAt * 1000).toISOString().replace(".000Z", "Z")
      const data = models.map((id) => ({ type: "model", id, display_name: id, created_at }))
      const page = { has_more: false, first_id: models[0], last_id: models.at(-1) }
      return {
        opening: `{"data":`,
        tokens: [],
        closing: `${JSON.stringify(data)},${JSON.stringify(page).slice(1)}`,
        failing: (error) => event("error", { error: errorObject(error) })
      }
    }
  })
}

const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error"
}
