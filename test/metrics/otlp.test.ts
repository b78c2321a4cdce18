import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpExporter, type OtlpMetrics } from "effect/observability"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import { everything, isolated, metered, outage, secret } from "./scenes.ts"

interface Point {
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: { readonly stringValue: string } }>
  readonly asDouble?: number
  readonly count?: number
  readonly sum?: number
  readonly bucketCounts?: ReadonlyArray<number>
  readonly explicitBounds?: ReadonlyArray<number>
}
interface Told {
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly sum?: {
    readonly isMonotonic: boolean
    readonly aggregationTemporality: number
    readonly dataPoints: ReadonlyArray<Point>
  }
  readonly gauge?: { readonly dataPoints: ReadonlyArray<Point> }
  readonly histogram?: { readonly aggregationTemporality: number; readonly dataPoints: ReadonlyArray<Point> }
}

const DELTA = 1
const CUMULATIVE = 2

/** What a collector is sent, one text for each export. */
const collector = Effect.acquireRelease(
  Effect.promise(async () => {
    const bodies: Array<string> = []
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        if (request.url === "/v1/metrics") bodies.push(body)
        response.writeHead(200, { "content-type": "application/json" }).end("{}")
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const last = (): ReadonlyArray<Told> => JSON.parse(bodies.at(-1)!).resourceMetrics[0].scopeMetrics[0].metrics
    return { server, bodies, last, baseUrl: `http://127.0.0.1:${port}` }
  }),
  ({ server }) =>
    Effect.promise(() => {
      server.closeAllConnections()
      return new Promise<unknown>((resolve) => server.close(resolve))
    })
)

/** Counts, and gives what sends the metrics off now. */
const exporting = (baseUrl: string, metricsTemporality?: OtlpMetrics.AggregationTemporality) =>
  Effect.gen(function*() {
    yield* metered()
    const context = yield* Layer.build(
      Otlp.layerJson({
        baseUrl,
        metricsTemporality,
        metricsExportInterval: "1 hour",
        resource: { serviceName: "test" }
      })
        .pipe(Layer.provide(FetchHttpClient.layer))
    )
    const flusher = yield* OtlpExporter.Flusher.pipe(Effect.provide(context))
    return flusher.flush
  })

const labelsOf = ({ attributes }: Point): Readonly<Record<string, string>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue]))

const pointsOf = ({ gauge, histogram, sum }: Told): ReadonlyArray<Point> => (sum ?? gauge ?? histogram)!.dataPoints

const find = (told: ReadonlyArray<Told>, name: string, labels: Readonly<Record<string, string>>) => {
  const metric = told.find((one) => one.name === name)!
  const points = pointsOf(metric).filter((point) =>
    Object.entries(labels).every(([key, value]) => labelsOf(point)[key] === value)
  )
  assert.strictEqual(points.length, 1, `${name} ${JSON.stringify(labels)}`)
  return { metric, point: points[0]! }
}

const openai = { circuit: "openai" }

describe("BreakerMetrics, for OpenTelemetry", () => {
  it.live("tells a collector names, values, units and attributes of an outage", () =>
    isolated(Effect.scoped(Effect.gen(function*() {
      const { baseUrl, last } = yield* collector
      const flush = yield* exporting(baseUrl)
      yield* outage
      yield* flush
      const told = last()

      const refusals = find(told, "effect_breaker_refusals_total", { ...openai, reason: "open" })
      assert.strictEqual(refusals.point.asDouble, 4)
      assert.deepStrictEqual(labelsOf(refusals.point), { ...openai, reason: "open" })
      assert.strictEqual(refusals.metric.sum!.isMonotonic, true)
      assert.strictEqual(refusals.metric.sum!.aggregationTemporality, CUMULATIVE)
      assert.strictEqual(refusals.metric.unit, "1")
      assert.strictEqual(find(told, "effect_breaker_state", openai).point.asDouble, 2)

      const duration = find(told, "effect_breaker_call_duration_seconds", openai)
      assert.strictEqual(duration.metric.unit, "s")
      assert.strictEqual(duration.point.count, 5)
      assert.strictEqual(duration.point.bucketCounts!.reduce((sum, count) => sum + count), 5)
      assert.strictEqual(duration.point.bucketCounts!.length, duration.point.explicitBounds!.length + 1)
      assert.deepStrictEqual([duration.point.explicitBounds![0], duration.point.explicitBounds!.at(-1)], [0.005, 120])

      const first = find(told, "gen_ai.client.operation.time_to_first_chunk", openai)
      assert.strictEqual(first.metric.unit, "s")
      assert.strictEqual(first.point.count, 3)
      assert.strictEqual(labelsOf(first.point)["gen_ai.operation.name"], "chat")
      // The bounds that the semantic conventions ask for.
      const doubling = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
      assert.deepStrictEqual(first.point.explicitBounds, doubling)
      const tokens = find(told, "gen_ai.client.token.usage", { ...openai, "gen_ai.token.type": "output" })
      assert.strictEqual(tokens.metric.unit, "{token}")
      assert.strictEqual(tokens.point.count, 3)
      assert.deepStrictEqual(tokens.point.explicitBounds!.slice(0, 5), [1, 4, 16, 64, 256])
      assert.strictEqual(tokens.point.explicitBounds!.at(-1), 67_108_864)
    }))))

  it.live("sends numbers only, a description of each, and nothing of what was said", () =>
    isolated(Effect.scoped(Effect.gen(function*() {
      const { baseUrl, bodies, last } = yield* collector
      const flush = yield* exporting(baseUrl)
      yield* outage
      const end = yield* everything
      yield* flush
      yield* end

      assert.isTrue(bodies.every((body) => !body.includes(secret)))
      for (const metric of last()) {
        assert.isNotEmpty(metric.description, metric.name)
        for (const { asDouble, sum } of pointsOf(metric)) assert.isTrue(Number.isFinite(asDouble ?? sum), metric.name)
        if (metric.name.endsWith("_total")) assert.isTrue(metric.sum!.isMonotonic, metric.name)
      }
    }))))

  it.live("tells what was added since the last time, where that is asked for", () =>
    isolated(Effect.scoped(Effect.gen(function*() {
      const { baseUrl, last } = yield* collector
      const flush = yield* exporting(baseUrl, "delta")
      const breaker = yield* outage
      yield* flush
      yield* Effect.exit(breaker.execute(Effect.void))
      yield* flush
      const told = last()

      const refusals = find(told, "effect_breaker_refusals_total", { ...openai, reason: "open" })
      assert.strictEqual(refusals.metric.sum!.aggregationTemporality, DELTA)
      assert.strictEqual(refusals.point.asDouble, 1)
      const duration = find(told, "effect_breaker_call_duration_seconds", openai)
      assert.strictEqual(duration.metric.histogram!.aggregationTemporality, DELTA)
      assert.strictEqual(duration.point.count, 0)
    }))))
})
