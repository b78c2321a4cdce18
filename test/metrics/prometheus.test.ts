import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, Schedule, type Scope } from "effect"
import { Breaker } from "effect-breaker"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { spawn, spawnSync } from "node:child_process"
import fs from "node:fs"
import { createServer } from "node:http"
import net, { type AddressInfo } from "node:net"
import os from "node:os"
import path from "node:path"
import { everything, isolated, isThere, metered, outage, secret } from "./scenes.ts"

const grafana = path.join(import.meta.dirname, "../../docs/grafana")
const fileOf = (name: string): string => fs.readFileSync(path.join(grafana, name), "utf8")

/** Quotes, a backslash, line breaks of both kinds, half a character, one beyond the first plane. */
const hostile = "a\"b\\c\nd\re\ud800f{g=\"h\"} # 🦊"

/** The page that Prometheus scrapes, and where it is served. */
const served = Effect.gen(function*() {
  const context = yield* Layer.build(
    HttpRouter.serve(PrometheusMetrics.layerHttp(), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
    )
  )
  const { address } = yield* HttpServer.HttpServer.pipe(Effect.provide(context))
  if (address._tag !== "InetAddressV4") throw new Error("the server has no port")
  const target = `127.0.0.1:${address.port}`
  const page = Effect.promise(async () => (await fetch(`http://${target}/metrics`)).text())
  return { target, page }
})

const withPromtool = isThere("promtool", "the series and the alerts are not checked by it")
const withPrometheus = isThere("prometheus", "no real scrape, and the queries of the dashboard are not run")

const promtool = (args: ReadonlyArray<string>, input?: string) => {
  const { status, stderr, stdout } = spawnSync("promtool", args, { encoding: "utf8", input })
  return { status, said: `${stdout}${stderr}` }
}

/** As Prometheus has it. */
const nameOf = (id: string): string => id.replaceAll(".", "_")

/** Every name in a text that one of our series could have. */
const namesIn = (text: string): ReadonlyArray<string> => [
  ...new Set([...text.matchAll(/\b(?:effect_breaker|gen_ai.client).\w+(?:\.\w+)*/g)].map(([name]) => nameOf(name)))
]

const freePort = Effect.promise(() =>
  new Promise<number>((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
)

type Result = ReadonlyArray<{ readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }>

/** A Prometheus that scrapes a target and knows our alerts; ended with the scope, whatever happens. */
const prometheus = (target: string): Effect.Effect<Prometheus, never, Scope.Scope> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "effect-breaker-prometheus-"))),
      (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    fs.copyFileSync(path.join(grafana, "alerts.yml"), path.join(folder, "alerts.yml"))
    fs.writeFileSync(
      path.join(folder, "prometheus.yml"),
      [
        "global: { scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }",
        "rule_files: [alerts.yml]",
        `scrape_configs: [{ job_name: program, static_configs: [{ targets: ["${target}"] }] }]`
      ].join("\n")
    )
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn("prometheus", [
          `--config.file=${folder}/prometheus.yml`,
          `--storage.tsdb.path=${folder}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
          "--log.level=error"
        ], { stdio: "ignore" })
      ),
      (child) =>
        Effect.promise(() =>
          new Promise<unknown>((resolve) => {
            if (child.exitCode !== null) return resolve(undefined)
            child.once("exit", resolve)
            child.kill("SIGKILL")
          })
        )
    )
    const get = (at: string) =>
      Effect.tryPromise(async () => {
        const response = await fetch(`http://127.0.0.1:${port}${at}`)
        const body = await response.json() as { readonly status: string; readonly data: never; readonly error?: string }
        if (body.status !== "success") throw new Error(`${at}: ${body.error}`)
        return body.data
      })
    const query = (text: string) =>
      Effect.map(
        get(`/api/v1/query?query=${encodeURIComponent(text)}`),
        ({ result }: { readonly result: Result }) => result
      )
    return { get, query }
  })

interface Prometheus {
  readonly get: (at: string) => Effect.Effect<never, unknown>
  readonly query: (text: string) => Effect.Effect<Result, unknown>
}

/** Asks until the answer is there: a scrape or two may have to pass. */
const until = <A, E>(self: Effect.Effect<A, E>, holds: (value: A) => boolean) =>
  Effect.retry(
    Effect.flatMap(self, (value) => holds(value) ? Effect.succeed(value) : Effect.fail(new Error("not yet"))),
    { schedule: Schedule.spaced("100 millis"), times: 300 }
  )

describe("BreakerMetrics, for Prometheus", () => {
  it.live.skipIf(!withPromtool)(
    "gives its checker nothing to complain about, whatever a circuit is called",
    () =>
      isolated(Effect.scoped(Effect.gen(function*() {
        yield* metered()
        const { page } = yield* served
        yield* outage
        const end = yield* everything
        yield* (yield* Breaker.make({ name: hostile })).execute(Effect.void)
        const text = yield* page

        assert.deepStrictEqual(promtool(["check", "metrics"], text), { status: 0, said: "" })
        assert.notInclude(text, secret)
        yield* end
      })))
  )

  it.live.skipIf(!withPrometheus)(
    "tells a real Prometheus of a real outage",
    () =>
      isolated(Effect.scoped(Effect.gen(function*() {
        yield* metered()
        const { target } = yield* served
        const { get, query } = yield* prometheus(target)
        yield* outage
        yield* (yield* Breaker.make({ name: hostile })).execute(Effect.void)
        const refused = `effect_breaker_refusals_total{circuit="openai",reason="open"}`
        yield* until(query(refused), ([found]) => found?.value[1] === "4")

        const value = (text: string) => Effect.map(query(text), ([found]) => Number(found?.value[1]))
        assert.strictEqual(yield* value(`up{job="program"}`), 1)
        assert.strictEqual(yield* value(`effect_breaker_state{circuit="openai"}`), 2)
        assert.strictEqual(yield* value(`effect_breaker_calls_total{circuit="openai",outcome="success"}`), 3)
        assert.strictEqual(yield* value(`effect_breaker_calls_total{circuit="openai",outcome="failure"}`), 2)
        assert.strictEqual(yield* value(`effect_breaker_call_duration_seconds_count{circuit="openai"}`), 5)
        const tokens = yield* value(`sum(gen_ai_client_token_usage_sum{circuit="openai"})`)
        assert.isAbove(tokens, 0)
        assert.strictEqual(yield* value(`effect_breaker_saved_tokens_total`), Math.round(tokens / 3 * 4))
        const firstChunk = `sum by (le) (gen_ai_client_operation_time_to_first_chunk_bucket{circuit="openai"})`
        assert.isAbove(yield* value(`histogram_quantile(0.9, ${firstChunk})`), 0)
        const open = yield* value(`effect_breaker_open_seconds_total{circuit="openai"}`)
        yield* until(value(`effect_breaker_open_seconds_total{circuit="openai"}`), (later) => later > open)

        const circuits = Effect.map(query("effect_breaker_state"), (all) => all.map(({ metric }) => metric["circuit"]))
        assert.sameMembers(yield* circuits, ["openai", hostile.replace("\ud800", "\ufffd")])

        const rules = (yield* get("/api/v1/rules")) as {
          readonly groups: ReadonlyArray<{ readonly rules: ReadonlyArray<{ readonly health: string }> }>
        }
        yield* until(
          get("/api/v1/rules"),
          (said: typeof rules) => said.groups.flatMap(({ rules }) => rules).every(({ health }) => health === "ok")
        )
        assert.strictEqual(rules.groups.flatMap(({ rules }) => rules).length, 6)

        // Every query of the dashboard is one that Prometheus understands.
        const dashboard = JSON.parse(fileOf("dashboard.json")) as {
          readonly panels: ReadonlyArray<{ readonly targets: ReadonlyArray<{ readonly expr: string }> }>
        }
        const asked = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
        assert.isAbove(asked.length, 20)
        for (const expr of asked) {
          yield* query(expr.replaceAll("$circuit", ".*").replaceAll(/\$__\w+/g, "5m"))
        }
      })))
  )
})

describe("docs/grafana", () => {
  it.live("names only series that the library has", () =>
    isolated(Effect.scoped(Effect.gen(function*() {
      yield* metered()
      yield* outage
      const end = yield* everything
      const known = new Set(
        (yield* Metric.snapshot).flatMap(({ id, type }) => {
          const name = nameOf(id)
          return type === "Histogram" ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
        })
      )
      yield* end

      for (const file of ["dashboard.json", "alerts.yml", "alerts.test.yml", "../metrics.md"]) {
        assert.deepStrictEqual(namesIn(fileOf(file)).filter((name) => !known.has(name)), [], file)
      }
      // And none of them is left out of the page that explains them.
      const page = fileOf("../metrics.md")
      const ids = new Set((yield* Metric.snapshot).map(({ id }) => id))
      assert.deepStrictEqual([...ids].filter((id) => !page.includes(`\`${id}\``)), [])
    }))))

  it.skipIf(!withPromtool)("has alerts that promtool accepts, and that do in its own tests what they say", () => {
    assert.strictEqual(promtool(["check", "rules", path.join(grafana, "alerts.yml")]).status, 0)
    const tested = promtool(["test", "rules", path.join(grafana, "alerts.test.yml")])
    assert.strictEqual(tested.status, 0, tested.said)
  })
})
