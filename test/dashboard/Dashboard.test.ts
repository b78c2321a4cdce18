import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Effect, Exit, Layer, Scope } from "effect"
import { Breaker, BreakerMap, TripPolicy } from "effect-breaker"
import { CircuitReader } from "effect-breaker/control"
import { Dashboard } from "effect-breaker/dashboard"
import { HttpRouter, HttpServerRequest, HttpServerRespondable, HttpServerResponse } from "effect/http"
import { connect } from "node:net"
import { alone, ask, order, orderHeaders, serve, watch, whole } from "./serving.ts"

const every = "20 millis"
const tripPolicy = TripPolicy.consecutive(1)
const succeed = Effect.succeed("an answer")
const failing = (breaker: Breaker.Breaker, error: unknown = "529 Overloaded") =>
  Effect.ignore(breaker.execute(Effect.fail(error)))

/** The page on a server of this machine, where it stands by default. */
const show = (options: Dashboard.Options = {}) =>
  Effect.map(serve(Dashboard.layer({ every, ...options })), (url) => `${url}/breakers`)

/** The whole, once it is like this. */
const wholeOnce = (url: string, is: (page: Dashboard.PageView) => boolean) =>
  Effect.gen(function*() {
    const watching = yield* watch(url)
    let page = yield* whole(url)
    while (!is(page)) {
      yield* watching.beat(() => true)
      page = yield* whole(url)
    }
    yield* watching.leave
    return page
  }).pipe(Effect.scoped)

const ada = { guard: Effect.succeed("ada") }

describe("Dashboard.layer", () => {
  it.live("leads to the page, and serves it with a policy that lets only its own script and style run", () =>
    alone(Effect.gen(function*() {
      const url = yield* show()
      const way = yield* ask(url)
      const page = yield* ask(`${url}/`)

      assert.deepStrictEqual([way.status, way.headers["location"]], [308, "breakers/"])
      assert.strictEqual(page.status, 200)
      assert.match(page.text, /^<!doctype html>/i)
      const policy = String(page.headers["content-security-policy"]).split("; ")
      assert.deepStrictEqual(policy.filter((rule) => !/^(?:script|style)-src/.test(rule)), [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'"
      ])
      for (const kind of ["script", "style"]) {
        assert.match(policy.find((rule) => rule.startsWith(kind))!, /^(?:script|style)-src 'sha256-[\w+/]{43}='$/)
      }
      assert.deepInclude(page.headers, {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff"
      })
    })))

  it.live("answers everything with headers that keep it out of caches, and out of other sites", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ control: ada })
      const answers = yield* Effect.all([
        ask(url),
        ask(`${url}/`),
        ask(`${url}/snapshot.json`),
        order(url, {}),
        order(url, {}, { origin: "https://evil.example" })
      ])
      const { headers } = yield* watch(url)

      for (const one of [headers, ...answers.map(({ headers }) => headers)]) {
        assert.match(String(one["cache-control"]), /^no-store/)
        assert.strictEqual(one["x-content-type-options"], "nosniff")
        assert.strictEqual(one["referrer-policy"], "no-referrer")
        assert.strictEqual(one["cross-origin-resource-policy"], "same-origin")
        assert.deepStrictEqual(Object.keys(one).filter((name) => name.startsWith("access-control-")), [])
      }
      assert.strictEqual(headers["content-type"], "text/event-stream")
      assert.strictEqual(answers[2].headers["content-type"], "application/json")
    })))

  it.live("shows an outage as it is", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ title: "Answers", every: "25 millis" })
      const openai = yield* Breaker.make({ name: "openai", tripPolicy })
      yield* Breaker.make({ name: "search" })
      yield* openai.execute(succeed)
      yield* failing(openai)
      yield* Effect.ignore(openai.execute(succeed))
      const page = yield* wholeOnce(url, ({ circuits: [first] }) => first?.refused === 1)

      const [circuit, search] = page.circuits
      assert.deepStrictEqual([page.title, page.every, page.control, page.hidden], ["Answers", 25, false, 0])
      assert.deepStrictEqual([search!.name, search!.state], ["search", "Closed"])
      assert.isBelow(circuit!.retryAfter!, 60_001)
      assert.isAbove(circuit!.retryAfter!, 0)
      assert.deepInclude(circuit, {
        name: "openai",
        state: "Open",
        mode: "enforce",
        successes: 1,
        failures: 1,
        refused: 1,
        inFlight: 0,
        openings: 1
      })
      assert.deepInclude(circuit!.cause, {
        rule: "consecutive",
        value: 1,
        limit: 1,
        text: "1 failure in a row (limit 1)"
      })
      assert.deepStrictEqual(circuit!.opened, [circuit!.since])
      const { calls, failures, refused, states } = circuit!.strip
      const sum = (values: ReadonlyArray<number>) => values.reduce((all, one) => all + one, 0)
      assert.deepStrictEqual([sum(calls), sum(failures), sum(refused), states.at(-1)], [2, 1, 1, "o"])
      assert.deepStrictEqual(page.happenings.map(({ id, kind, name }) => [id, kind, name]), [
        [circuit!.id, "Transitioned", "openai"]
      ])
    })))

  it.live("sends beats that follow on each other and on the whole", () =>
    alone(Effect.gen(function*() {
      const url = yield* show()
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy })
      const { beat } = yield* watch(url)
      const { instance, sequence } = yield* whole(url)
      yield* failing(breaker)
      const opened = yield* beat(({ circuits }) => circuits.some(({ state }) => state === "Open"))
      const next = yield* beat(() => true)

      assert.deepStrictEqual([opened.instance, next.sequence], [instance, opened.sequence + 1])
      assert.isAtLeast(opened.sequence, sequence)
      assert.deepStrictEqual(opened.happenings.map(({ text }) => text), ["opened for 1m: 1 failure in a row (limit 1)"])
    })))

  it.live("isolates through an order, and tells everybody who gave it and why", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ control: ada })
      const breaker = yield* Breaker.make({ name: "openai" })
      const { beat } = yield* watch(url)
      const { circuits: [circuit] } = yield* beat(({ circuits }) => circuits.length === 1)
      const answer = yield* order(url, { ids: [circuit!.id], order: "isolate", note: "bad deploy" })

      assert.deepStrictEqual([answer.status, answer.text], [200, "{\"done\":1}"])
      const { happenings } = yield* beat(({ happenings }) => happenings.length > 0)
      assert.deepStrictEqual(happenings.map(({ by, kind, text }) => [kind, by, text]), [
        ["Transitioned", "ada", "isolated by hand (bad deploy)"],
        ["Commanded", "ada", "ordered to be isolated: bad deploy"]
      ])
      const refused = yield* Effect.flip(breaker.execute(succeed))
      assert.deepStrictEqual([refused.reason, refused.cause.note, refused.cause.by], ["Isolated", "bad deploy", "ada"])
      yield* order(url, { ids: [circuit!.id], order: "release" })
      assert.strictEqual(yield* breaker.execute(succeed), "an answer")
    })))

  it.live("refuses what does not come from the page itself, each sign by itself", () =>
    alone(Effect.gen(function*() {
      let asked = 0
      const guard = Effect.sync(() => `asked ${++asked}`)
      const url = yield* show({ control: { guard } })
      const breaker = yield* Breaker.make({ name: "openai" })
      const { circuits: [circuit] } = yield* wholeOnce(url, ({ circuits }) => circuits.length === 1)
      const { host } = new URL(url)
      const isolate = { ids: [circuit!.id], order: "isolate" }
      const { "x-effect-breaker": _, ...bare } = orderHeaders
      const foreign: ReadonlyArray<Record<string, string>> = [
        bare,
        { ...orderHeaders, "x-effect-breaker": "yes" },
        { "x-effect-breaker": "control" },
        { ...orderHeaders, "content-type": "text/plain" },
        { ...orderHeaders, "content-type": "application/x-www-form-urlencoded" },
        { ...orderHeaders, "sec-fetch-site": "cross-site" },
        { ...orderHeaders, "sec-fetch-site": "same-site" },
        { ...orderHeaders, origin: "https://evil.example" },
        { ...orderHeaders, origin: `http://evil.${host}` },
        { ...orderHeaders, origin: "http://127.0.0.1:1" },
        { ...orderHeaders, origin: "null" },
        { ...orderHeaders, origin: "" }
      ]
      for (const headers of foreign) {
        const answer = yield* ask(`${url}/control`, { method: "POST", headers, body: JSON.stringify(isolate) })
        assert.strictEqual(answer.status, 403, JSON.stringify(headers))
        assert.match(JSON.parse(answer.text).error, /^An order (?:needs|must)/)
      }
      assert.deepStrictEqual([asked, (yield* breaker.snapshot).state], [0, "Closed"])

      const own: ReadonlyArray<Record<string, string>> = [
        { "content-type": "Application/JSON; charset=utf-8" },
        { "sec-fetch-site": "same-origin", origin: `http://${host}` },
        { "sec-fetch-site": "none" },
        { host: "breakers.example", origin: "https://breakers.example" },
        { host: "breakers.example:443", origin: "https://breakers.example" }
      ]
      for (const headers of own) {
        assert.strictEqual((yield* order(url, isolate, headers)).status, 200, JSON.stringify(headers))
      }
      assert.strictEqual((yield* breaker.snapshot).cause!.by, "asked 5")
    })))

  it.live("lets the guard of orders answer, and says nothing of why it failed where it does not", () =>
    alone(Effect.gen(function*() {
      const login = HttpServerResponse.text("who are you?", { status: 401, headers: { "www-authenticate": "Basic" } })
      const guard = Effect.gen(function*() {
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        if (headers["authorization"] === undefined) return yield* Effect.fail(login)
        if (headers["authorization"] !== "ada") return yield* Effect.fail(new Error("wrong: the secret is tiger"))
        return "ada"
      })
      const url = `${yield* serve(Dashboard.layer({ every, control: { guard } }))}/breakers`
      const breaker = yield* Breaker.make({ name: "openai" })
      const { circuits: [circuit] } = yield* wholeOnce(url, ({ circuits }) => circuits.length === 1)
      const isolate = { ids: [circuit!.id], order: "isolate" }

      const nobody = yield* order(url, isolate)
      assert.deepStrictEqual(
        [nobody.status, nobody.headers["www-authenticate"], nobody.text],
        [401, "Basic", "who are you?"]
      )
      const wrong = yield* order(url, isolate, { authorization: "eve" })
      assert.strictEqual(wrong.status, 403)
      assert.notInclude(wrong.text, "tiger")
      assert.strictEqual((yield* breaker.snapshot).state, "Closed")
      assert.strictEqual((yield* order(url, isolate, { authorization: "ada" })).status, 200)
      assert.strictEqual((yield* breaker.snapshot).state, "Isolated")
    })))

  it.live("gives an error of a guard as the response that it knows to become, and says nothing of one that dies", () =>
    alone(Effect.gen(function*() {
      class Nobody extends Data.TaggedError("Nobody")<{ readonly secret: string }> {
        [HttpServerRespondable.symbol]() {
          return Effect.succeed(HttpServerResponse.text("sign in", { status: 401 }))
        }
      }
      const nobody = Effect.fail(new Nobody({ secret: "tiger" }))
      const dying = Effect.die(new Error("the secret is tiger"))
      const [first, second] = yield* Effect.all([
        serve(Dashboard.layer({ every, guard: nobody, control: { guard: nobody } })),
        serve(Dashboard.layer({ every, guard: dying, control: { guard: dying } }))
      ])
      const breaker = yield* Breaker.make({ name: "openai" })
      const reader = yield* CircuitReader.make
      const isolate = { ids: (yield* reader.circuits).map(({ id }) => id), order: "isolate" }
      const answers = (url: string) =>
        Effect.all([
          ask(`${url}/breakers/`),
          ask(`${url}/breakers/snapshot.json`),
          ask(`${url}/breakers/events`),
          order(`${url}/breakers`, isolate)
        ])

      for (const { status, text } of yield* answers(first)) assert.deepStrictEqual([status, text], [401, "sign in"])
      for (const { status, text } of yield* answers(second)) assert.deepStrictEqual([status, text], [500, ""])
      assert.strictEqual((yield* breaker.snapshot).state, "Closed")
    })))

  it.live("asks the guard of the page before it shows anything", () =>
    alone(Effect.gen(function*() {
      class Session extends Context.Service<Session, string>()("test/Session") {}
      const guard = Effect.flatMap(Session, (session) => session === "ada" ? Effect.void : Effect.fail("nobody"))
      const session = HttpRouter.middleware<{ provides: Session }>()(
        Effect.succeed((self) =>
          Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
            Effect.provideService(self, Session, headers["cookie"] ?? ""))
        )
      )
      const url = `${yield* serve(Layer.provide(Dashboard.layer({ every, guard }), session.layer))}/breakers`
      for (const path of ["", "/", "/snapshot.json", "/events"]) {
        assert.strictEqual((yield* ask(url + path)).status, 403, path)
      }
      for (const path of ["/", "/snapshot.json"]) {
        assert.strictEqual((yield* ask(url + path, { headers: { cookie: "ada" } })).status, 200, path)
      }
    })))

  it.live("takes a guard's false for a no, and an operator without a name for nobody", () =>
    alone(Effect.gen(function*() {
      const closed = yield* show({ guard: Effect.succeed(false) })
      for (const path of ["", "/", "/snapshot.json", "/events"]) {
        assert.strictEqual((yield* ask(closed + path)).status, 403, path)
      }

      const breaker = yield* Breaker.make({ name: "openai" })
      for (const by of ["", " ", false, undefined, { name: "ada" }]) {
        const url = yield* show({ control: { guard: Effect.succeed(by as string) } })
        const { circuits: [circuit] } = yield* wholeOnce(url, ({ circuits }) => circuits.length === 1)
        const answer = yield* order(url, { ids: [circuit!.id], order: "isolate" })
        assert.strictEqual(answer.status, 403, JSON.stringify(by))
      }
      assert.strictEqual((yield* breaker.snapshot).state, "Closed")
    })))

  it.live("carries out no order that is meant for another process, or for the one before it restarted", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ control: ada })
      const breaker = yield* Breaker.make({ name: "openai" })
      const { circuits: [circuit], instance } = yield* wholeOnce(url, ({ circuits }) => circuits.length === 1)
      const isolate = { ids: [circuit!.id], order: "isolate" }

      const other = yield* order(url, { ...isolate, instance: `${instance}0` })
      assert.strictEqual(other.status, 409)
      assert.match(JSON.parse(other.text).error, /another process, or of this one before it restarted/)
      assert.strictEqual((yield* breaker.snapshot).state, "Closed")
      assert.strictEqual((yield* order(url, { ...isolate, instance })).status, 200)
      assert.strictEqual((yield* breaker.snapshot).state, "Isolated")
    })))

  it.live("has nothing to order where control is off", () =>
    alone(Effect.gen(function*() {
      const url = yield* show()
      assert.strictEqual((yield* order(url, { ids: ["1"], order: "reset" })).status, 404)
    })))

  it.live("tells what is wrong with an order, and does nothing then", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ control: ada })
      const breaker = yield* Breaker.make({ name: "openai" })
      const { circuits: [{ id } = { id: "" }] } = yield* wholeOnce(url, ({ circuits }) => circuits.length === 1)
      const ids = [id]
      const wrong: ReadonlyArray<readonly [body: unknown, status: number, says: RegExp]> = [
        ["", 400, /JSON/],
        ["{", 400, /JSON/],
        ["null", 400, /order must be one of isolate, release, reset, mode/],
        [{ ids }, 400, /order must be one of/],
        [{ ids, order: "explode" }, 400, /got "explode"/],
        [{ order: "isolate" }, 400, /Missing key at \["ids"\]/],
        [{ ids: [], order: "isolate" }, 400, /at least 1 at \["ids"\]/],
        [{ ids: [1], order: "isolate" }, 400, /string at \["ids"\]/],
        [{ ids, order: "isolate", for: 0 }, 400, /above zero, got 0 at \["for"\]/],
        [{ ids, order: "isolate", for: "5 minutes" }, 400, /at \["for"\]/],
        [`{"ids":["${id}"],"order":"isolate","for":1e999}`, 400, /above zero, got Infinity/],
        [{ ids, order: "isolate", fro: 1 }, 400, /excess property at \["fro"\]/],
        [{ ids, order: "isolate", by: "eve" }, 400, /excess property at \["by"\]/],
        [{ ids, order: "release", for: 1 }, 400, /excess property at \["for"\]/],
        [{ ids, order: "mode" }, 400, /Missing key at \["mode"\]/],
        [{ ids, order: "mode", mode: "off" }, 400, /at \["mode"\]/],
        [{ ids, order: "isolate", note: "n".repeat(501) }, 400, /at most 500 at \["note"\]/],
        [{ ids: ["no such"], order: "isolate" }, 404, /None of these circuits/],
        [{ ids, order: "isolate", note: "n".repeat(64 * 1024) }, 413, /at most 65536 bytes/]
      ]
      for (const [body, status, says] of wrong) {
        const answer = yield* order(url, body)
        assert.strictEqual(answer.status, status, JSON.stringify(body).slice(0, 100))
        assert.match(JSON.parse(answer.text).error, says)
      }
      assert.strictEqual((yield* breaker.snapshot).state, "Closed")
      assert.strictEqual((yield* order(url, { ids, order: "isolate", note: "n".repeat(500) })).status, 200)
    })))

  it.live("serves 100 viewers at once, and tells one more to come back", () =>
    alone(Effect.gen(function*() {
      const url = yield* show()
      const viewers = yield* Effect.forEach(Array.from({ length: 100 }), () => watch(url), { concurrency: 10 })
      const sequences = yield* Effect.forEach(viewers, ({ beat }) => beat(() => true), { concurrency: "unbounded" })
      const refused = yield* ask(`${url}/events`)

      assert.deepStrictEqual([new Set(viewers.map(({ status }) => status)), sequences.length], [new Set([200]), 100])
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [503, "10"])
      assert.deepStrictEqual(JSON.parse(refused.text), { error: "As many watch as may. Try again in a while." })
      // The whole is there for everybody.
      assert.strictEqual((yield* ask(`${url}/snapshot.json`)).status, 200)

      yield* viewers[0]!.leave
      let next = yield* watch(url)
      while (next.status === 503) next = yield* Effect.andThen(viewers[1]!.beat(() => true), watch(url))
      yield* next.beat(() => true)
      assert.strictEqual((yield* ask(`${url}/events`)).status, 503)
    })))

  it.live("gives no place to a request that takes no beats", () =>
    alone(Effect.gen(function*() {
      const url = yield* show({ viewers: 1 })
      for (let i = 0; i < 3; i++) {
        assert.strictEqual((yield* ask(`${url}/events`, { method: "HEAD" })).status, 200)
      }
      assert.strictEqual((yield* watch(url)).status, 200)
    })))

  it.live("lets a viewer that never reads hold up neither calls nor the others, and keeps little for it", () =>
    alone(Effect.gen(function*() {
      const circuits = 500
      const url = yield* show()
      const map = yield* BreakerMap.make({})
      const names = Array.from({ length: circuits }, (_, i) => `${i} ${"x".repeat(1000)}`)
      const { hostname, port } = new URL(url)
      const socket = connect(Number(port), hostname).pause()
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      socket.write(`GET /breakers/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)

      const reading = yield* watch(url)
      const first = (yield* reading.beat(() => true)).sequence
      let last = first
      // Far more than what a connection holds on its way.
      while (reading.received().length < 40_000_000) {
        yield* Effect.forEach(names, (key) => map.execute(succeed, { key }), { discard: true })
        last = (yield* reading.beat(({ circuits }) => circuits.length > 0)).sequence
      }
      const seen = Array.from(reading.received().matchAll(/"sequence":(\d+)/g), ([, sequence]) => Number(sequence))
      assert.deepStrictEqual(seen, Array.from(seen, (_, i) => first + i), "the others got every beat")

      // All that was kept for it comes now, and what comes is not what was missed.
      const sequences: Array<number> = []
      let bytes = 0
      let rest = ""
      yield* Effect.callback<void>((resume) => {
        socket.setEncoding("utf8").on("data", (part: string) => {
          bytes += part.length
          const frames = (rest + part).split("\n\n")
          rest = frames.pop()!
          for (const frame of frames) {
            const sequence = /"sequence":(\d+)/.exec(frame)?.[1]
            if (sequence !== undefined) sequences.push(Number(sequence))
          }
          if ((sequences.at(-1) ?? 0) >= last) resume(Effect.void)
        }).resume()
      })
      const gaps = sequences.filter((sequence, i) => i > 0 && sequence > sequences[i - 1]! + 1)
      assert.isAbove(gaps.length, 0, "beats were dropped for it")
      assert.isBelow(bytes, reading.received().length)
    })))

  it.live("ends its streams when the server stops, and the server need not wait for its viewers", () =>
    alone(Effect.gen(function*() {
      const scope = yield* Scope.make()
      const url = yield* Scope.provide(show(), scope)
      const viewers = yield* Effect.all([watch(url), watch(url)])
      yield* Effect.forEach(viewers, ({ beat }) => beat(() => true))

      yield* Scope.close(scope, Exit.void)
      yield* Effect.forEach(viewers, ({ ended }) => ended)
      const gone = yield* Effect.callback<string>((resume) => {
        const { hostname, port } = new URL(url)
        connect(Number(port), hostname).on("error", (error) => resume(Effect.succeed(String(error))))
      })
      assert.include(gone, "ECONNREFUSED")
    })))

  it.live("gives names, kinds, notes and the title as data alone", () =>
    alone(Effect.gen(function*() {
      const html = "</script><img src=x onerror=alert(1)>"
      const url = yield* show({ title: html, control: ada })
      const empty = yield* ask(`${url}/`)
      const breaker = yield* Breaker.make({ name: `${html}\n\nevent: beat\ndata: {}`, tripPolicy })
      yield* failing(breaker, { _tag: html })
      yield* breaker.isolate({ note: html, by: html })
      const watching = yield* watch(url)
      const beat = yield* Effect.andThen(
        breaker.execute(succeed).pipe(Effect.ignore),
        watching.beat(({ circuits }) => circuits.length > 0)
      )
      const answer = yield* ask(`${url}/snapshot.json`)
      const page: Dashboard.PageView = JSON.parse(answer.text)

      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.deepStrictEqual([page.title, page.circuits[0]!.name], [html, breaker.name])
      assert.deepStrictEqual([page.circuits[0]!.cause!.note, page.circuits[0]!.cause!.by], [html, html])
      assert.strictEqual(beat.circuits[0]!.name, breaker.name)
      assert.strictEqual((yield* ask(`${url}/`)).text, empty.text)
      assert.notInclude(empty.text, "onerror=alert")
    })))

  it.live("shows the text of errors nowhere, unless it is asked to", () =>
    alone(Effect.gen(function*() {
      const secret = "sk-live-4242"
      const url = yield* show()
      const open = yield* Effect.map(serve(Dashboard.layer({ every, messages: true })), (url) => `${url}/breakers`)
      const breaker = yield* Breaker.make({ name: "openai", tripPolicy })
      const [watching, watchingOpen] = yield* Effect.all([watch(url), watch(open)])
      yield* failing(breaker, new TypeError(`401: ${secret} is not a key`))
      const isOpen = ({ circuits }: Dashboard.BeatView) => circuits.some(({ state }) => state === "Open")
      yield* watching.beat(isOpen)
      const shown = yield* watchingOpen.beat(isOpen)

      assert.notInclude(watching.received() + (yield* ask(`${url}/snapshot.json`)).text, secret)
      assert.notInclude(watching.received(), "message")
      assert.strictEqual(shown.circuits[0]!.lastFailure!.message, `401: ${secret} is not a key`)
      assert.strictEqual(shown.circuits[0]!.cause!.failure!.message, `401: ${secret} is not a key`)
      assert.include((yield* ask(`${open}/snapshot.json`)).text, secret)
    })))

  it.live("stays answering with 100 000 circuits, counts those that it hides, and hides no trouble", () =>
    alone(Effect.gen(function*() {
      const map = yield* BreakerMap.make({ tripPolicy, capacity: 200_000 })
      for (let i = 0; i < 100_000; i++) yield* map.get(String(i))
      const url = yield* show()
      const { beat } = yield* watch(url)
      const quiet = yield* whole(url)
      yield* failing(yield* map.get("99999"))
      const { circuits, gone, hidden } = yield* beat(({ circuits }) => circuits.length > 0)

      assert.deepStrictEqual([quiet.circuits.length, quiet.hidden], [500, 99_500])
      assert.deepStrictEqual([circuits.map(({ name, state }) => [name, state]), hidden], [[["99999", "Open"]], 99_500])
      assert.strictEqual(gone.length, 1)
    })))

  it.live("stands several times in one program, each at its own path", () =>
    alone(Effect.gen(function*() {
      const breaker = yield* Breaker.make({ name: "openai" })
      const two = yield* serve(Layer.merge(
        Dashboard.layer({ every, path: "/admin/one/", title: "one" }),
        Dashboard.layer({ every, path: "/two", title: "two", control: ada })
      ))
      const root = yield* serve(Dashboard.layer({ every, path: "/", title: "root" }))
      const pages = yield* Effect.forEach([`${two}/admin/one`, `${two}/two`, root], whole)

      assert.deepStrictEqual(pages.map(({ control, title }) => [title, control]), [
        ["one", false],
        ["two", true],
        ["root", false]
      ])
      assert.deepStrictEqual(pages.map(({ circuits }) => circuits[0]!.name), Array(3).fill(breaker.name))
      assert.strictEqual(new Set(pages.map(({ instance }) => instance)).size, 3)
      assert.strictEqual(new Set(pages.map(({ circuits }) => circuits[0]!.id)).size, 1)
      assert.strictEqual((yield* ask(`${two}/admin/one`)).headers["location"], "one/")
      assert.strictEqual((yield* ask(`${root}/`)).status, 200)
      assert.strictEqual((yield* order(`${two}/admin/one`, {})).status, 404)
    })))

  it.live("is found with and without the slash by a router that tells the two apart", () =>
    alone(Effect.gen(function*() {
      const strict = Layer.provide(
        HttpRouter.layer,
        Layer.succeed(HttpRouter.RouterConfig)({ ignoreTrailingSlash: false })
      )
      const context = yield* Layer.build(Layer.provideMerge(Dashboard.layer({ every }), strict))
      const router = Context.get(context, HttpRouter.HttpRouter)
      const status = (path: string) =>
        Effect.map(
          Effect.provideService(
            router.asHttpEffect(),
            HttpServerRequest.HttpServerRequest,
            HttpServerRequest.fromWeb(new Request(`http://localhost${path}`))
          ),
          ({ status }) => status
        )
      assert.deepStrictEqual(yield* Effect.all([status("/breakers"), status("/breakers/")]), [308, 200])
    })))

  it.live("says which path is taken", () =>
    alone(Effect.gen(function*() {
      const twice = Layer.merge(Dashboard.layer({ path: "/two" }), Dashboard.layer({ path: "/two/" }))
      const exit = yield* Effect.exit(Layer.build(Layer.provide(twice, HttpRouter.layer)))

      assert.match(String(exit), /Dashboard.layer: the router has something at \/two already/)
    })))

  it("refuses settings that make no sense", () => {
    const wrong = (options: Dashboard.Options, says: RegExp = /must be/) =>
      assert.throws(() => Dashboard.layer(options), RangeError, new RegExp(`^Dashboard.layer: .*${says.source}`))
    wrong({ guard: (() => true) as never }, /guard must be an effect, got \(\)/)
    for (const control of [true, null, {}, { guard: true }, { guard: () => "ada" }]) {
      wrong({ control: control as never }, /control must be { guard }, and the guard an effect, got/)
    }
    wrong({ title: 5 as never }, /title must be a text, got 5/)
    wrong({ messages: "no" as never }, /messages must be true or false, got "no"/)
    for (const path of ["/a%20b", "/a;b", "/a\\b", "/a/../b", "/.", "/a\n"] as const) wrong({ path }, /path must be/)
    wrong({ circuits: 0 })
    wrong({ viewers: 1.5 })
    wrong({ every: 0 })
    wrong({ every: Infinity })
    wrong({ path: "breakers" as never })
    wrong({ path: "/breakers/:id" })
    wrong({ path: "/*" })
  })
})
