import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Breaker, Outcome, TripPolicy } from "effect-breaker"
import { FetchHttpClient } from "effect/http"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: string | number }
}
interface Span {
  readonly name: string
  readonly attributes: ReadonlyArray<Attribute>
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: ReadonlyArray<Attribute> }>
}

/** A receiver of spans, as a collector is one. */
const receiver = Effect.acquireRelease(
  Effect.promise(async () => {
    const spans: Array<Span> = []
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        for (const { scopeSpans } of JSON.parse(body).resourceSpans) {
          for (const scope of scopeSpans) spans.push(...scope.spans)
        }
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    return { server, spans, url: `http://127.0.0.1:${port}/v1/traces` }
  }),
  ({ server }) => Effect.promise(() => new Promise<unknown>((resolve) => server.close(resolve)))
)

const said = (attributes: ReadonlyArray<Attribute>) =>
  Object.fromEntries(
    attributes.filter(({ key }) => key.startsWith("circuit.")).map(({ key, value }) => [
      key,
      value.stringValue ?? Number(value.intValue)
    ])
  )

it.live("Trace arrives at a receiver of OTLP: the attributes of a failed call, and the event of a refusal", () =>
  Effect.gen(function*() {
    const { spans, url } = yield* receiver
    const program = Effect.gen(function*() {
      const breaker = yield* Breaker.make({
        name: "openai",
        tripPolicy: TripPolicy.consecutive(1),
        openDuration: "1 hour",
        classify: () => Outcome.failure({ kind: "overloaded" })
      })
      yield* Effect.exit(Effect.withSpan(breaker.execute(Effect.fail("down")), "failed"))
      yield* Effect.exit(Effect.withSpan(breaker.execute(Effect.void), "refused"))
      yield* breaker.isolate("bad deploy")
      yield* Effect.exit(Effect.withSpan(breaker.execute(Effect.void), "isolated"))
    })
    // The spans leave when the tracer's layer is closed.
    yield* Effect.provide(
      program,
      OtlpTracer.layer({ url, resource: { serviceName: "test" } }).pipe(
        Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson])
      )
    )

    assert.deepStrictEqual(spans.map(({ name }) => name), ["failed", "refused", "isolated"])
    const [failed, refused, isolated] = spans.map(({ attributes, events }) => ({
      attributes: said(attributes),
      events: events.filter(({ name }) => name.startsWith("circuit.")).map((event) => said(event.attributes))
    }))
    assert.deepStrictEqual(failed, {
      attributes: {
        "circuit.name": "openai",
        "circuit.state": "Closed",
        "circuit.outcome": "Failure",
        "circuit.kind": "overloaded"
      },
      events: []
    })
    assert.deepStrictEqual(refused!.attributes, {
      "circuit.name": "openai",
      "circuit.state": "Open",
      "circuit.outcome": "Rejected"
    })
    const { "circuit.retry_after_ms": wait, ...event } = refused!.events[0]!
    assert.deepStrictEqual(event, {
      "circuit.name": "openai",
      "circuit.reason": "Open",
      "circuit.rule": "consecutive"
    })
    assert.isTrue(wait as number > 0 && wait as number <= 3_600_000)
    assert.deepStrictEqual(isolated!.events, [{
      "circuit.name": "openai",
      "circuit.reason": "Isolated",
      "circuit.rule": "isolated"
    }])
  }))
