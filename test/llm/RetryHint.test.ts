/* oxlint-disable vitest/expect-expect */
import { describe, expect, it } from "@effect/vitest"
import { Duration } from "effect"
import { RetryHint } from "effect-breaker/llm"
import { Headers as EffectHeaders } from "effect/http"
import * as fc from "fast-check"

/** 2026-08-14 15:00:00 in Greenwich. */
const now = Date.UTC(2026, 7, 14, 15)
const month = 31 * 24 * 3600

const wait = (source: RetryHint.Source): number | undefined => {
  const hint = RetryHint.parse(source)
  return hint === undefined ? undefined : Duration.toSeconds(hint)
}

const header = (name: string, value: string, at: number | undefined = now) =>
  wait({ headers: { [name]: value }, now: at })
const text = (message: string) => wait({ message, now })

describe("retry-after", () => {
  it("is read in seconds, whole or decimal", () => {
    for (
      const [value, expected] of [["0", 0], ["1", 1], ["20", 20], ["0.5", 0.5], ["34.074824224", 34.074824224], [
        " 7 ",
        7
      ]]
    ) {
      expect(header("retry-after", String(value))).toBeCloseTo(Number(expected), 3)
    }
  })

  it("is read as a date in each of the three forms of HTTP", () => {
    expect(header("retry-after", "Fri, 14 Aug 2026 15:00:30 GMT")).toBe(30)
    expect(header("retry-after", "Friday, 14-Aug-26 15:00:30 GMT")).toBe(30)
    expect(header("retry-after", "Fri Aug 14 15:00:30 2026")).toBe(30)
    expect(header("retry-after", "Fri Aug  7 15:00:30 2026", Date.UTC(2026, 7, 7, 15))).toBe(30)
  })

  it("as a date counts from the response's own date where no time is told, and else not at all", () => {
    const headers = { "retry-after": "Fri, 14 Aug 2026 15:00:30 GMT" }
    expect(wait({ headers })).toBe(undefined)
    expect(wait({ headers: { ...headers, date: "Fri, 14 Aug 2026 15:00:10 GMT" } })).toBe(20)
    expect(wait({ headers: { ...headers, date: "Fri, 14 Aug 2026 15:00:10 GMT" }, now })).toBe(30)
    expect(wait({ headers, now: Number.NaN })).toBe(undefined)
  })

  it("is believed up to 31 days, and not a moment longer", () => {
    expect(header("retry-after", String(month - 1))).toBe(month - 1)
    expect(header("retry-after", String(month))).toBe(month)
    expect(header("retry-after", String(month + 1))).toBe(undefined)
    expect(header("retry-after", "Mon, 14 Sep 2026 15:00:00 GMT")).toBe(month)
    expect(header("retry-after", "Mon, 14 Sep 2026 15:00:01 GMT")).toBe(undefined)
  })

  it("as a date is believed from this moment on, and not before", () => {
    expect(header("retry-after", "Fri, 14 Aug 2026 15:00:00 GMT")).toBe(0)
    expect(header("retry-after", "Fri, 14 Aug 2026 14:59:59 GMT")).toBe(undefined)
  })

  it("is left out where it makes no sense", () => {
    const nonsense = [
      "",
      " ",
      "soon",
      "-1",
      "+5",
      "1e999",
      "1e3",
      "NaN",
      "Infinity",
      "0x10",
      "1,5",
      "5 apples",
      ".",
      "1.",
      ".5",
      "1_000",
      "9".repeat(16),
      "9".repeat(5000),
      `1.${"0".repeat(5000)}`,
      "5\u0000",
      "\u06655",
      "\uFF15",
      "\u0665",
      "\u096B",
      "5\n5",
      "Fri, 31 Dec 9999 23:59:59 GMT",
      "Thu, 01 Jan 1970 00:00:00 GMT",
      "Fri, 14 Aug 2026 25:00:00 GMT",
      "Fri, 32 Aug 2026 15:00:30 GMT",
      "Fri, 14 Foo 2026 15:00:30 GMT",
      "Fri, 14 Aug 2026 15:00:30",
      "14 Aug 2026",
      "Fri, 14 Aug 2026 aa:bb:cc GMT",
      "Fri, 30 Feb 2026 00:00:00 GMT",
      "2026-13-01T00:00:00Z",
      "foo 5",
      "9999-12-31T00:00:00Z"
    ]
    for (const value of nonsense) expect([value, header("retry-after", value)]).toEqual([value, undefined])
  })
})

describe("the headers in milliseconds", () => {
  it("are read", () => {
    expect(header("retry-after-ms", "1500")).toBe(1.5)
    expect(header("x-ms-retry-after-ms", "250.5")).toBe(0.2505)
    for (const value of ["-1", "1e9", "", "NaN", "soon", "1s", String(month * 1000 + 1)]) {
      expect([value, header("retry-after-ms", value)]).toEqual([value, undefined])
    }
  })
})

describe("x-ratelimit-reset-requests and -tokens", () => {
  const reset = (value: string, remaining?: string, limit = "requests") =>
    wait({
      headers: {
        [`x-ratelimit-reset-${limit}`]: value,
        ...(remaining === undefined ? {} : { [`x-ratelimit-remaining-${limit}`]: remaining })
      }
    })

  it("are read as Go writes durations", () => {
    for (
      const [value, expected] of [
        ["20ms", 0.02],
        ["1s", 1],
        ["6m0s", 360],
        ["1h2m3.5s", 3723.5],
        ["2m59.56s", 179.56],
        ["500us", 0.0005],
        ["500µs", 0.0005],
        ["1d", 86_400],
        ["12", 12]
      ] as const
    ) {
      expect(reset(value)).toBeCloseTo(expected, 6)
      expect(reset(value, undefined, "tokens")).toBeCloseTo(expected, 6)
    }
    for (const value of ["1x", "s", "1h-2m", "1 h x", "1h2", "--", "1e9s", "1s junk"]) {
      expect([value, reset(value)]).toEqual([value, undefined])
    }
  })

  it("count where nothing remains or nobody says, not where something is left", () => {
    expect(reset("8s", "0")).toBe(8)
    expect(reset("8s")).toBe(8)
    expect(reset("8s", "1")).toBe(undefined)
    expect(reset("8s", "4999")).toBe(undefined)
  })

  it("are told apart by their own remaining", () => {
    expect(wait({
      headers: {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "100",
        "x-ratelimit-reset-tokens": "6m0s"
      }
    })).toBe(1)
  })

  it("have a sibling that counts since the epoch", () => {
    const since = (value: number | string, remaining: string | undefined) =>
      wait({
        headers: {
          "x-ratelimit-reset": value,
          ...(remaining === undefined ? {} : { "x-ratelimit-remaining": remaining })
        },
        now
      })
    expect(since(now + 5000, "0")).toBe(5)
    expect(since(now / 1000 + 5, "0")).toBe(5)
    expect(since(45, "0")).toBe(45)
    expect(since(45, "3")).toBe(undefined)
    expect(since(45, undefined)).toBe(undefined)
    expect(since(now - 1, "0")).toBe(undefined)
  })
})

describe("anthropic-ratelimit-*-reset", () => {
  it("counts for the limit that is used up, and for no other", () => {
    for (const limit of ["requests", "tokens", "input-tokens", "output-tokens"]) {
      const reset = (remaining: string | undefined, at = "2026-08-14T15:00:41Z") =>
        wait({
          headers: {
            [`anthropic-ratelimit-${limit}-reset`]: at,
            ...(remaining === undefined ? {} : { [`anthropic-ratelimit-${limit}-remaining`]: remaining })
          },
          now
        })
      expect(reset("0")).toBe(41)
      expect(reset("0", "2026-08-14T17:00:41.250+02:00")).toBe(41.25)
      expect(reset("1")).toBe(undefined)
      expect(reset(undefined)).toBe(undefined)
      expect(reset("0", "2026-08-14T14:59:59Z")).toBe(undefined)
      expect(reset("0", "9999-12-31T23:59:59Z")).toBe(undefined)
    }
  })
})

describe("the body", () => {
  it("holds a delay of Google's, as text or decoded", () => {
    const info = (retryDelay: unknown) => ({
      error: { code: 429, details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay }] }
    })
    expect(wait({ body: info("34.4s") })).toBe(34.4)
    expect(wait({ body: [info("34.4s")] })).toBe(34.4)
    expect(wait({ body: JSON.stringify(info("34.4s")) })).toBe(34.4)
    expect(wait({ body: new TextEncoder().encode(JSON.stringify(info("34.4s"))) })).toBe(34.4)
    expect(wait({ body: info({ seconds: "34", nanos: 400_000_000 }) })).toBe(34.4)
    expect(wait({ body: info({ seconds: 34 }) })).toBe(34)
    for (const delay of ["-1s", "", null, {}, [], -1, Number.NaN, { seconds: "x" }]) {
      expect(wait({ body: info(delay) })).toBe(undefined)
    }
  })

  it("holds a field, at the top or inside the error", () => {
    for (
      const place of [
        (rest: object) => rest,
        (rest: object) => ({ error: rest }),
        (rest: object) => ({ error: { metadata: rest } })
      ]
    ) {
      expect(wait({ body: place({ retry_after: 12 }) })).toBe(12)
      expect(wait({ body: place({ retry_after: "12.5" }) })).toBe(12.5)
      expect(wait({ body: place({ retry_after: "1m" }) })).toBe(60)
      expect(wait({ body: place({ retry_after_seconds: 3 }) })).toBe(3)
      expect(wait({ body: place({ resets_in_seconds: 2345 }) })).toBe(2345)
      expect(wait({ body: place({ retry_after_ms: 1500 }) })).toBe(1.5)
      for (
        const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, "1e3", "x".repeat(100_000), {}, [], true, null]
      ) {
        expect(wait({ body: place({ retry_after: value }) })).toBe(undefined)
      }
    }
  })

  it("holds a message", () => {
    expect(wait({ body: { error: { message: "Please try again in 6.5s." } } })).toBe(6.5)
    expect(wait({ body: "Too many requests, retry after 5 seconds" })).toBe(5)
  })

  it("is not read where it is longer than 64 KB", () => {
    const body = (length: number) => JSON.stringify({ retry_after: 5, pad: "x".repeat(length) })
    const frame = body(0).length
    expect(wait({ body: body(65_536 - frame) })).toBe(5)
    expect(wait({ body: body(65_537 - frame) })).toBe(undefined)
    expect(wait({ message: `${"x".repeat(65_536 - 18)} try again in 5s. ` })).toBe(5)
    expect(wait({ message: `${"x".repeat(65_536)} try again in 5s.` })).toBe(undefined)
  })
})

describe("the message", () => {
  it("says it in many words", () => {
    const sayings: ReadonlyArray<readonly [string, number]> = [
      ["Rate limit reached for gpt-4o. Please try again in 6.5s. Visit https://platform.openai.com.", 6.5],
      ["Please try again in 120ms.", 0.12],
      ["Please try again in 6m0s.", 360],
      ["Please try again in 1h2m3.5s", 3723.5],
      ["Please retry in 34.074824224s.", 34.074824224],
      ["Please retry after 26 seconds.", 26],
      ["Try again in 60 seconds. Passed model=gpt-4o", 60],
      ["try again in 2 minutes and 5 seconds", 125],
      ["Try again in 1 hour, 30 minutes", 5400],
      ["TRY AGAIN IN 1 DAY", 86_400],
      ["retry after 30", 30],
      ["retry after 30.", 30],
      ["You will regain access on 2026-09-01 at 00:00 UTC.", (17 * 24 + 9) * 3600],
      ["You will regain access on 2026-08-15", 9 * 3600],
      ["Please try again at 2026-08-14T15:05:00Z.", 300],
      ["Please try again at 2026-08-14 15:05", 300],
      ["Your limit resets at Fri, 14 Aug 2026 15:00:30 GMT", 30],
      ["retry after 2026-08-14T15:05:00Z", 300],
      ["try again in 5s, or try again in 9s", 9]
    ]
    for (const [saying, expected] of sayings) {
      expect([saying, text(saying)]).toEqual([saying, expect.closeTo(expected, 3)])
    }
  })

  it("is not misunderstood", () => {
    const sayings = [
      "try again later",
      "try again in a while",
      "retry in 5 requests",
      "try again at 5",
      "try again at noon",
      "try again in -5s",
      "try again in 1e9 seconds",
      "try again in 99999999999999999999 seconds",
      "try again in \uFF15 seconds",
      "in 5s",
      "You will regain access on 2026-08-01 at 00:00 UTC.",
      "try again at 9999-12-31",
      "try again at 2026-99-99",
      "regain access on Monday"
    ]
    for (const saying of sayings) expect([saying, text(saying)]).toEqual([saying, undefined])
  })
})

describe("all together", () => {
  it("takes the longest, whatever the order", () => {
    const headers = { "retry-after": "2", "retry-after-ms": "1500" }
    expect(wait({ headers })).toBe(2)
    expect(wait({ headers, body: { retry_after: 3 } })).toBe(3)
    expect(wait({ headers, body: { retry_after: 3 }, message: "try again in 4s" })).toBe(4)
    expect(wait({ headers: { "retry-after": "9" }, body: { retry_after: 3 }, message: "try again in 4s" })).toBe(9)
    expect(wait({ headers: { "retry-after": "9999999999" }, message: "try again in 4s" })).toBe(4)
  })

  it("reads headers of any shape", () => {
    const shapes: ReadonlyArray<RetryHint.Source["headers"]> = [
      { "Retry-After": "5" },
      { "RETRY-AFTER": 5 },
      { "retry-after": ["5", "6"] },
      new Headers({ "Retry-After": "5" }),
      EffectHeaders.fromInput({ "Retry-After": "5" }),
      [["Retry-After", "5"]],
      new Map([["Retry-After", "5"]]),
      { get: (name) => name === "retry-after" ? "5" : null }
    ]
    for (const headers of shapes) expect(wait({ headers })).toBe(5)
    expect(wait({ headers: undefined })).toBe(undefined)
    expect(wait({})).toBe(undefined)
  })
})

describe("whatever it is given", () => {
  const isSound = (source: unknown) => {
    const hint = RetryHint.parse(source as RetryHint.Source)
    return hint === undefined || (Duration.toSeconds(hint) >= 0 && Duration.toSeconds(hint) <= month)
  }
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.integer().map(String),
    fc.double().map(String),
    fc.date({ noInvalidDate: true }).map((date) => date.toUTCString()),
    fc.stringMatching(/^[0-9hms.µ ]{0,30}$/)
  )
  const names = [
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "date"
  ]
    .concat(["requests", "tokens"].flatMap((limit) => [`x-ratelimit-reset-${limit}`, `x-ratelimit-remaining-${limit}`]))
    .concat(
      ["requests", "tokens"].flatMap((
        limit
      ) => [`anthropic-ratelimit-${limit}-reset`, `anthropic-ratelimit-${limit}-remaining`])
    )

  it("gives a wait between zero and 31 days, or none, and never throws", () => {
    fc.assert(
      fc.property(
        fc.record({
          headers: fc.oneof(fc.dictionary(fc.constantFrom(...names), value), fc.anything()),
          body: fc.oneof(fc.anything(), fc.json(), fc.uint8Array(), fc.record({ retry_after: fc.anything() })),
          message: fc.oneof(
            value,
            value.map((text) => `try again in ${text}`),
            value.map((text) => `retry at ${text}`)
          ),
          now: fc.oneof(fc.double(), fc.constant(undefined), fc.constant(now))
        }, { requiredKeys: [] }),
        isSound
      ),
      { numRuns: 2000 }
    )
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true }), isSound),
      { numRuns: 1000 }
    )
  })

  it("reads back every duration that it is told as Go writes it", () => {
    fc.assert(fc.property(fc.nat(400), fc.nat(59), fc.nat(59), fc.nat(999), (hours, minutes, seconds, millis) => {
      const written = `${hours}h${minutes}m${seconds}.${String(millis).padStart(3, "0")}s`
      const expected = hours * 3600 + minutes * 60 + seconds + millis / 1000
      expect(header("x-ratelimit-reset-requests", written)).toBeCloseTo(expected, 6)
      expect(text(`Please try again in ${written}.`)).toBeCloseTo(expected, 6)
    }))
  })

  it("reads back every instant that it is told as HTTP and RFC 3339 write it", () => {
    fc.assert(fc.property(fc.nat(month), (seconds) => {
      const date = new Date(now + seconds * 1000)
      expect(header("retry-after", date.toUTCString())).toBe(seconds)
      expect(text(`You will regain access on ${date.toISOString()}`)).toBe(seconds)
    }))
  })

  it("survives what throws when looked at, and what has no end", () => {
    const hostile = new Proxy({}, {
      get: () => {
        throw new Error("hands off")
      },
      ownKeys: () => {
        throw new Error("hands off")
      }
    })
    const { proxy: revoked, revoke } = Proxy.revocable({}, {})
    revoke()
    const endless = {
      *[Symbol.iterator]() {
        for (;;) yield ["retry-after", "5"]
      }
    }
    const circle: Record<string, unknown> = { retry_after: 5 }
    circle["error"] = circle
    circle["details"] = circle
    for (const thing of [hostile, revoked, circle, endless, () => 5, Symbol("x"), 5n]) {
      for (
        const source of [thing, { headers: thing }, { body: thing }, { message: thing }, { body: { error: thing } }, {
          body: { error: { details: [thing] } }
        }, { now: thing }]
      ) {
        expect(isSound(source)).toBe(true)
      }
    }
    expect(wait({ body: circle })).toBe(5)
    expect(RetryHint.parse({ headers: endless as never })).toEqual(Duration.seconds(5))
  })

  it("takes no longer for a text made to run away", () => {
    const texts = [
      "try again in ".repeat(5000),
      `try again in ${"1h".repeat(30_000)}`,
      `try again in ${"9".repeat(60_000)}`,
      `try again at ${"2026-01-01 ".repeat(5000)}`,
      " ".repeat(65_000),
      "[".repeat(65_000),
      `{"a":`.repeat(10_000)
    ]
    const started = performance.now()
    for (const hostile of texts) {
      RetryHint.parse({ message: hostile, body: hostile, headers: { "retry-after": hostile, date: hostile }, now })
    }
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
