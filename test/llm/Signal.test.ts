/* oxlint-disable vitest/expect-expect */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Exit } from "effect"
import { Outcome } from "effect-breaker"
import { LlmOutcome, Signal } from "effect-breaker/llm"
import * as fc from "fast-check"
import { page } from "./answers.ts"

describe("fromHttp", () => {
  it("reads the facts off a response", () => {
    const signal = Signal.fromHttp({
      status: 429,
      headers: { "X-Request-ID": "req_1", "Retry-After": "3" },
      body: `{"error":{"message":"Slow","type":"Tokens","code":"Rate_Limit_Exceeded","param":null}}`
    })
    expect(signal).toMatchObject({
      status: 429,
      code: "rate_limit_exceeded",
      type: "tokens",
      codes: ["rate_limit_exceeded", "tokens"],
      message: "Slow",
      headers: { "x-request-id": "req_1", "retry-after": "3" },
      body: { error: { message: "Slow" } },
      isStructured: true,
      isPage: false,
      retryAfter: Duration.seconds(3)
    })
  })

  it("tells a page from an answer", () => {
    const signal = Signal.fromHttp({ status: 502, body: page("502 Bad Gateway") })
    expect(signal).toMatchObject({ isPage: true, isStructured: false, message: undefined, codes: [], status: 502 })
  })

  it("takes odd headers as they come", () => {
    const headers = (headers: unknown) => Signal.fromHttp({ status: 500, headers: headers as never }).headers
    expect(headers({ A: "1", b: ["2", "3"], c: undefined, d: 4, e: {}, f: "x".repeat(5000) })).toEqual({
      a: "1",
      b: "2",
      d: "4"
    })
    expect(headers({ "__proto__x": "1", ["__proto__"]: "2", constructor: "3" })["constructor"]).toBe("3")
    expect(headers([["a"], ["b", "c", "d"], "ef", 5, null])).toEqual({ b: "c" })
    expect(headers("retry-after: 5")).toEqual({})
    expect(headers(null)).toEqual({})
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`h${index}`, "x"]))
    expect(Object.keys(headers(many)).length).toBe(256)
    expect(headers({ "x-odd": "a\r\nretry-after: 5\u0000" })).toEqual({ "x-odd": "a\r\nretry-after: 5\u0000" })
  })
})

describe("fromError", () => {
  it("finds the facts through every cause, the outermost first", () => {
    const inner = Object.assign(new Error("inner"), {
      status: 529,
      headers: { "retry-after": "1" },
      code: "inner_code"
    })
    const outer = Object.assign(new Error("outer", { cause: new Error("middle", { cause: inner }) }), {
      code: "outer_code"
    })
    const signal = Signal.fromError(outer)
    expect(signal).toMatchObject({ status: 529, headers: { "retry-after": "1" }, code: "outer_code", message: "outer" })
    expect(signal.codes).toEqual(["outer_code", "inner_code"])
    expect(signal.error).toBe(outer)
  })

  it("goes no deeper than a dozen causes", () => {
    const nest = (depth: number): Error =>
      depth === 0 ? Object.assign(new Error("x"), { status: 529 }) : new Error("x", { cause: nest(depth - 1) })
    expect(Signal.fromError(nest(11)).status).toBe(529)
    expect(Signal.fromError(nest(12)).status).toBe(undefined)
  })

  it("comes to an end where causes go in a circle", () => {
    const error: Error & { errors?: unknown } = new Error("round")
    error.cause = error
    error.errors = [error, [error], { cause: error }]
    expect(Signal.fromError(error).message).toBe("round")
  })

  it("needs no class: the same data says the same, whatever its prototype", () => {
    class RateLimitError extends Error {
      readonly status = 529
    }
    for (
      const error of [new RateLimitError("?"), Object.assign(Object.create(null), { status: 529 }), { status: 529 }]
    ) {
      expect(LlmOutcome.fromError(error).kind).toBe("overloaded")
    }
  })

  it("does not ask for the stack of an error, which is written only when somebody does", () => {
    let asked = 0
    const error = Object.defineProperty(new Error("429 Slow down"), "stack", {
      get: () => {
        asked++
        return ""
      }
    })
    expect(Signal.fromError(error).body).toBe(undefined)
    expect(asked).toBe(0)
  })

  it("takes no hint from a page, wherever it stands", () => {
    const words = "Please try again in 5 seconds."
    expect(Signal.fromError(new Error(`502 ${words}`)).retryAfter).toEqual(Duration.seconds(5))
    expect(Signal.fromError(new Error(`502 ${page(words)}`)).retryAfter).toBe(undefined)
    expect(Signal.fromError({ error: { message: page(words) } }).retryAfter).toBe(undefined)
  })

  it("reads the body in a message where the client did not read it, whatever else the client made of it", () => {
    const message = `503 {"error":{"code":"slow_down","message":"Slow"}}`
    const codes = (more: object) => Signal.fromError(Object.assign(new Error(message), more)).codes
    expect(codes({})).toEqual(["slow_down"])
    expect(codes({ error: { code: 503 } })).toEqual(["slow_down"])
    expect(codes({ error: new TypeError("a wrapped one") })).toEqual(["slow_down"])
    expect(codes({ error: { code: "slow_down", message: "Slow" } })).toEqual(["slow_down"])
  })

  it("reads properties that are inherited or computed", () => {
    class Odd {
      get status() {
        return 429
      }
      get headers() {
        return new Headers({ "retry-after": "5" })
      }
    }
    expect(Signal.fromError(new Odd())).toMatchObject({ status: 429, retryAfter: Duration.seconds(5) })
  })
})

describe("whatever it is given", () => {
  const isSound = (outcome: LlmOutcome.LlmOutcome): boolean =>
    Outcome.isOutcome(outcome) && ["request", "model", "key", "provider"].includes(outcome.scope) &&
    (outcome._tag === "Success" || typeof outcome.kind === "string") && (outcome.message ?? "").length <= 300

  const hostile = (): ReadonlyArray<unknown> => {
    const throwing = new Proxy({}, {
      get: () => {
        throw new Error("hands off")
      },
      getPrototypeOf: () => {
        throw new Error("hands off")
      },
      ownKeys: () => {
        throw new Error("hands off")
      }
    })
    const { proxy: revoked, revoke } = Proxy.revocable({}, {})
    revoke()
    const { proxy: revokedArray, revoke: revokeArray } = Proxy.revocable([], {})
    revokeArray()
    // each look at it finds another one of its kind
    const endless: object = new Proxy({}, { get: (_, key) => key === Symbol.iterator ? undefined : endless })
    const forever: object = new Proxy({}, { get: () => forever, ownKeys: () => ["a"] })
    const growing = (): object => new Proxy({}, { get: () => growing() })
    const circle: Record<string, unknown> = {}
    for (const key of ["error", "cause", "reason", "response", "errors", "details", "metadata", "body", "headers"]) {
      circle[key] = circle
    }
    const getters = Object.defineProperties(
      {},
      Object.fromEntries(
        ["status", "headers", "body", "message", "code", "name", "cause", "error", "stack"].map((key) => [key, {
          enumerable: true,
          get: () => {
            throw new Error("hands off")
          }
        }])
      )
    )
    return [
      throwing,
      revoked,
      revokedArray,
      endless,
      forever,
      growing(),
      circle,
      getters,
      Object.create(null),
      () => 5,
      Symbol("x"),
      5n,
      [[[[[[[]]]]]]],
      new Map([[{}, {}]]),
      Promise.resolve(),
      new Uint8Array([0xFF, 0xFE]),
      new WeakMap()
    ]
  }

  it("gives an outcome for what throws when looked at, and for what has no end", () => {
    for (const thing of hostile()) {
      expect(isSound(LlmOutcome.fromError(thing))).toBe(true)
      expect(
        isSound(LlmOutcome.fromError(Object.assign(new Error("x"), { cause: thing, error: thing, status: thing })))
      ).toBe(true)
      expect(isSound(LlmOutcome.fromHttp({ status: 500, headers: thing as never, body: thing }))).toBe(true)
      expect(isSound(LlmOutcome.fromHttp({ status: 200, body: { error: thing, type: "error" } }))).toBe(true)
      expect(isSound(LlmOutcome.fromHttp(thing as never))).toBe(true)
      expect(isSound(LlmOutcome.classify(Exit.succeed(thing)))).toBe(true)
      expect(isSound(LlmOutcome.classify(Exit.fail(thing)))).toBe(true)
      expect(isSound(LlmOutcome.fromError("x", thing as never))).toBe(true)
    }
  })

  it("gives an outcome for anything at all", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true
    })
    const field = fc.constantFrom(
      "status",
      "code",
      "type",
      "message",
      "error",
      "cause",
      "headers",
      "details",
      "reason",
      "name",
      "data"
    )
    const written = (value: unknown) =>
      JSON.stringify(value, (_, part: unknown) => typeof part === "bigint" ? Number(part) : part)
    const telling = fc.oneof(
      fc.constantFrom<unknown>("error", "insufficient_quota", "overloaded_error", "AbortError", 429, 529, 200, "429"),
      anything
    )
    const tree = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        telling,
        fc.dictionary(field, tie("node")),
        fc.array(tie("node"), { maxLength: 3 })
      )
    })).node
    fc.assert(
      fc.property(tree, fc.integer(), fc.option(fc.double()), (value, status, now) => {
        const options = { now: now ?? undefined }
        return isSound(LlmOutcome.fromError(value, options)) &&
          isSound(LlmOutcome.fromError(written(value), options)) &&
          isSound(LlmOutcome.fromHttp({ status, headers: value as never, body: value }, options)) &&
          isSound(LlmOutcome.classify(Exit.succeed(value))) && isSound(LlmOutcome.classify(Exit.die(value)))
      }),
      { numRuns: 3000 }
    )
  })

  it("gives an outcome for any bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 700 }),
        (body, status) => isSound(LlmOutcome.fromHttp({ status, body })) && isSound(LlmOutcome.fromError(body))
      )
    )
  })

  it("takes no time over ten megabytes, nor over text made to run away", () => {
    const big = `<html>${"<p>rate limit, try again in 5s</p>".repeat(300_000)}`
    const bodies: ReadonlyArray<unknown> = [
      big,
      new TextEncoder().encode(big),
      `{"error":"${big}"}`,
      { error: { message: big, code: big, type: big } },
      { error: { message: "api key: ".repeat(7000) } },
      { error: { message: "*".repeat(65_000) } },
      { error: { message: "a*".repeat(32_000) } },
      { error: { message: "sk-".repeat(20_000) } },
      { error: { message: "0".repeat(65_000) } },
      { error: { message: "no deployments ".repeat(4000) } },
      {
        error: {
          details: Array.from(
            { length: 100_000 },
            () => ({ reason: "x", violations: Array.from({ length: 10 }, () => ({})) })
          )
        }
      },
      Array.from({ length: 1_000_000 }, () => ({}))
    ]
    for (const body of bodies) {
      for (
        const judge of [
          () => LlmOutcome.fromHttp({ status: 502, body, headers: { "retry-after": big } }),
          () => LlmOutcome.fromError(body),
          () =>
            LlmOutcome.fromError(
              Object.assign(new Error(typeof body === "string" ? body : "?"), { status: 502, error: body })
            ),
          () => LlmOutcome.classify(Exit.succeed(body))
        ]
      ) {
        const started = performance.now()
        expect(isSound(judge())).toBe(true)
        expect(performance.now() - started).toBeLessThan(500)
      }
    }
    const told = { _tag: "Failure", kind: "server", scope: "provider", message: "502 Bad Gateway (HTML)" }
    expect(LlmOutcome.fromHttp({ status: 502, body: big })).toEqual(told)
    expect(LlmOutcome.fromError(Object.assign(new Error(`502 ${big}`), { status: 502 }))).toEqual(told)
  })
})
