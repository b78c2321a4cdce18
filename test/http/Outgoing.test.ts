import { assert, describe, it } from "@effect/vitest"
import { Outgoing } from "effect-breaker/http"
import { HttpClientRequest } from "effect/http"
import { fromEffect, fromFetch } from "../../src/http/Outgoing.ts"

const to = (url: string, more?: Partial<Outgoing.Outgoing>): Outgoing.Outgoing => ({
  method: "POST",
  url,
  headers: {},
  body: undefined,
  ...more
})

describe("Outgoing", () => {
  describe("origin and host", () => {
    it.each([
      ["https://api.openai.com/v1/models?x=1", "https://api.openai.com", "api.openai.com"],
      ["https://ada:secret@api.openai.com:443/v1", "https://api.openai.com", "api.openai.com"],
      ["http://127.0.0.1:8080#part", "http://127.0.0.1:8080", "127.0.0.1:8080"],
      ["/relative?key=secret", "/relative", "/relative"],
      ["", "nowhere", "nowhere"]
    ])("of %s show no secret and are never empty", (url, origin, host) => {
      assert.deepStrictEqual([Outgoing.origin(to(url)), Outgoing.host(to(url))], [origin, host])
    })
  })

  it("finds the model in the body, or in the path where that names one", () => {
    const models = [
      to("https://host/v1", { body: `{"messages":[{"content":"\\"model\\":\\"no\\""}],"model":"gpt-5"}` }),
      to("https://host/v1beta/models/gemini-3-pro:generateContent?alt=sse", { body: `{"contents":[]}` }),
      to("https://host/openai/deployments/mine/chat/completions", { body: "{" }),
      to("https://host/v1", { body: "model=gpt-5" }),
      to("https://host/v1", { body: `{"model":7}` }),
      to("https://host/v1/models")
    ].map(Outgoing.model)

    assert.deepStrictEqual(models, ["gpt-5", "gemini-3-pro", "mine", undefined, undefined, undefined])
  })

  it("names a credential without showing it, the same one by the same name", () => {
    const named = ["authorization", "x-api-key", "api-key"].map((name) =>
      Outgoing.credential(to("https://host", { headers: { [name]: "Bearer sk-secret" } }))
    )

    assert.match(named[0]!, /^[0-9a-f]{8}$/)
    assert.deepStrictEqual(named, [named[0], named[0], named[0]])
    assert.notStrictEqual(Outgoing.credential(to("", { headers: { "x-api-key": "other" } })), named[0])
    assert.isUndefined(Outgoing.credential(to("https://host")))
  })

  it("reads the same off what fetch is given and what Effect's client sends", () => {
    const body = `{"model":"gpt-5"}`
    const seen = ({ body, headers, method, url }: Outgoing.Outgoing) => [method, url, headers["x-one"], body]
    const expected = ["POST", "https://host/v1", "1", body]
    const init = { method: "POST", body }

    const read = [
      fromFetch("https://host/v1", { ...init, headers: { "X-One": "1" } }),
      fromFetch(new URL("https://host/v1"), { ...init, headers: new Headers({ "X-One": "1" }) }),
      fromFetch(new Request("https://host/v1", { headers: { "X-One": "1" } }), init),
      fromFetch("https://host/v1", { method: "POST", headers: [["X-One", "1"]], body: new TextEncoder().encode(body) }),
      fromEffect(
        HttpClientRequest.post("https://host/v1").pipe(
          HttpClientRequest.setHeader("X-One", "1"),
          HttpClientRequest.bodyText(body)
        )
      )
    ]

    assert.deepStrictEqual(read.map(seen), read.map(() => expected))
  })

  it("leaves a body alone that is a stream or a form", () => {
    for (const body of [new FormData(), new Blob(["a"]), new URLSearchParams({ a: "1" }), new ReadableStream()]) {
      assert.isUndefined(fromFetch("https://host", { method: "POST", body }).body)
    }
  })
})
