/**
 * The ready-made scripts.
 *
 * @since 0.1.0
 */
import * as AnthropicFault from "./AnthropicFault.ts"
import * as Fault from "./Fault.ts"
import * as Limit from "./Limit.ts"
import * as OpenAiFault from "./OpenAiFault.ts"
import type * as Timeline from "./Timeline.ts"

const calm = { latency: "200 millis", tokens: 40, tokenEvery: "15 millis" } as const
const before = { name: "calm", for: "30 seconds", ...calm } as const
const after = { name: "recovered", for: "1 minute", ...calm } as const

/** By name: what each is about, and its phases. */
export const scripts = {
  healthy: {
    about: "a good day: one answer in a hundred is a rate limit, three in a thousand an error of the server",
    script: [{
      name: "healthy",
      for: "3 minutes",
      ...calm,
      faults: [
        { fault: OpenAiFault.serverError, share: 0.003 },
        { fault: OpenAiFault.rateLimited({ retryAfter: "2 seconds" }), share: 0.01 }
      ]
    }]
  },
  "brown-out": {
    about: "a quarter of the answers fail, and all come slowly",
    script: [before, {
      name: "brown-out",
      for: "2 minutes",
      ...calm,
      latency: "800 millis",
      faults: [{ fault: OpenAiFault.serverError, share: 0.25, latency: "300 millis" }]
    }, after]
  },
  overload: {
    about: "three of four answers are a 529, half of them inside a stream, while too many keep asking",
    script: [before, {
      name: "overload",
      for: "2 minutes",
      ...calm,
      faults: [
        { fault: AnthropicFault.overloaded, share: 0.375, latency: "300 millis" },
        { fault: AnthropicFault.overloadedInsideStream, share: 0.375 }
      ]
    }, after]
  },
  "hard-down": {
    about: "no connection lives, or the edge answers with a page of HTML",
    script: [before, {
      name: "hard-down",
      for: "2 minutes",
      faults: [{ fault: Fault.reset, share: 0.5 }, { fault: Fault.badGateway, share: 0.5 }]
    }, after]
  },
  stall: {
    about: "headers come at once, tokens never",
    script: [before, {
      name: "stall",
      for: "2 minutes",
      faults: [{ fault: Fault.hangBeforeFirstToken, share: 1 }]
    }, after]
  },
  "mid-stream-cut": {
    about: "three of ten streams end early, without an error",
    script: [before, {
      name: "mid-stream-cut",
      for: "2 minutes",
      ...calm,
      faults: [{ fault: Fault.cutAfter({ tokens: 12 }), share: 0.3 }]
    }, after]
  },
  flap: {
    about: "twenty seconds down, forty seconds up, five times",
    script: [
      before,
      ...Array.from({ length: 5 }, (_, round): ReadonlyArray<Timeline.Phase> => [
        { name: `down ${round + 1}`, for: "20 seconds", faults: [{ fault: OpenAiFault.serverIsOverloaded, share: 1 }] },
        { name: `up ${round + 1}`, for: "40 seconds", ...calm }
      ]).flat()
    ]
  },
  quota: {
    about: "the account is empty: every answer is a 429 that no waiting helps",
    script: [before, {
      name: "quota",
      for: "2 minutes",
      faults: [{ fault: OpenAiFault.insufficientQuota, share: 1 }]
    }, after]
  },
  "recovery-ramp": {
    about: "after an outage the capacity grows back slowly, from one request a second to fifty in two minutes",
    script: [before, {
      name: "down",
      for: "1 minute",
      faults: [{ fault: OpenAiFault.serverIsOverloaded, share: 1 }]
    }, {
      name: "recovery-ramp",
      for: "2 minutes",
      ...calm,
      limits: [Limit.recovering({ from: 1, to: 50, during: "2 minutes" })]
    }, after]
  },
  blip: {
    about: "fifteen seconds of errors, and that was it",
    script: [before, {
      name: "blip",
      for: "15 seconds",
      faults: [{ fault: OpenAiFault.serverError, share: 1 }]
    }, after]
  }
} satisfies Readonly<
  Record<string, { readonly about: string; readonly script: ReadonlyArray<Timeline.Phase> }>
>
