/**
 * A span of OpenTelemetry as a flat object: its own fields, and its attributes by their names.
 *
 * @since 0.1.0
 */

/** The fields of a span that may be columns. */
export const rowOfSpan = (span: object): Record<string, unknown> => {
  const { attributes, endTimeUnixNano, name, spanId, startTimeUnixNano, status, traceId } = span as Record<
    string,
    unknown
  >
  const row = Object.create(null) as Record<string, unknown>
  for (const attribute of Array.isArray(attributes) ? attributes : []) {
    const { key, value } = Object(attribute) as Record<string, unknown>
    if (typeof key === "string") row[key] = valueOf(value)
  }
  row.startTimeUnixNano = startTimeUnixNano
  row.endTimeUnixNano = endTimeUnixNano
  row["span.name"] = name
  // Spans of the same call that are sent twice have both.
  if (typeof spanId === "string") row["span.id"] = `${String(traceId)}/${spanId}`
  const outcome = row["circuit.outcome"]
  const { code, message } = Object(status) as Record<string, unknown>
  const isError = code === 2 || code === "STATUS_CODE_ERROR"
  // What was said of itself first, then the status of HTTP, and only then that of the span.
  if (outcome === "Rejected") row["circuit.outcome"] = "refused"
  else if (outcome === "Failure" && typeof row["circuit.kind"] === "string") {
    row["circuit.outcome"] = { _tag: "Failure", kind: row["circuit.kind"] }
  } else if (outcome === "") delete row["circuit.outcome"]
  if (isError && row["error.type"] === undefined && typeof message === "string" && message !== "") {
    row["error.message"] ??= message
  }
  row.ok = !isError
  return row
}

/** Tells whether a span is one call to a model: not that of an agent, a tool, or a server. */
export const isModelCall = (row: Readonly<Record<string, unknown>>): boolean => {
  const operation = row["gen_ai.operation.name"]
  if (typeof operation === "string") return !notCalls.includes(operation)
  return ["gen_ai.request.model", "gen_ai.provider.name", "gen_ai.system"].some((name) => row[name] !== undefined)
}

// ---------------------------------------------------------------------------------------------------------------------

const notCalls = ["execute_tool", "invoke_agent", "create_agent", "invoke_workflow"]

const valueOf = (value: unknown): unknown => {
  const { boolValue, doubleValue, intValue, stringValue } = Object(value) as Record<string, unknown>
  // Whole numbers of 64 bits come as text.
  return stringValue ?? (intValue === undefined ? doubleValue ?? boolValue : Number(intValue))
}
