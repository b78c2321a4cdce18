/**
 * Scenarios that come with the library: outages as providers of language models have them, those of Shopify's experiments, and
 * those that the library's own promises are measured by.
 *
 * @since 0.1.0
 */
import * as Distribution from "./Distribution.ts"
import type { Clients, Phase, Provider, Scenario } from "./Scenario.ts"

type Faults = NonNullable<Phase["faults"]>

const SECOND = 1000
const MINUTE = 60_000

const lasting = (phases: ReadonlyArray<Phase>): number => phases.reduce((sum, phase) => sum + phase.for, 0)

const named = (scenarios: ReadonlyArray<Scenario>): Readonly<Record<string, Scenario>> =>
  Object.fromEntries(scenarios.map((scenario) => [scenario.name, scenario]))

// ---------------------------------------------------------------------------------------------------------------------
// A plain service, as in the experiments of Shopify's Semian

const latency = Distribution.logNormal({ mean: 150, sigma: 0.5 })

/** It takes 1 000 calls a second with three quarters of its servers. */
const service: Provider = { servers: 200, queue: 200, latency }

const crowd: Clients = { rate: 1000, count: 60, timeout: { total: 10_000 } }

/** Errors that come home after 30 % of the time of an answer. */
const errors = (share: number): Faults => [{ fault: { _tag: "Failed", after: 0.3 }, share }]

const healthyService = (name: string, seconds: number): Phase => ({
  name,
  for: seconds * SECOND,
  faults: errors(0.01)
})

const failing = (share: number, seconds: number): Phase => ({
  name: `${Math.round(100 * share)} % errors`,
  for: seconds * SECOND,
  faults: errors(share)
})

const serviceScenario = (
  name: string,
  about: string,
  trouble: ReadonlyArray<Phase>,
  clients: Clients = crowd,
  provider = service
): Scenario => {
  const phases = [healthyService("healthy", 20), ...trouble, healthyService("healthy again", 60)]
  return { name, about, duration: lasting(phases), provider, phases, clients }
}

/**
 * Those of Shopify's experiments with Semian: 1 000 calls a second from 60 clients, each with a breaker of its own.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const shopify: Readonly<Record<string, Scenario>> = /*#__PURE__*/ named([
  serviceScenario("shopify-20-percent", "20 seconds at 20 % errors", [failing(0.2, 20)]),
  serviceScenario("shopify-100-percent", "20 seconds at 100 % errors", [failing(1, 20)]),
  serviceScenario("shopify-sustained", "five minutes at 20 % errors", [failing(0.2, 300)]),
  serviceScenario(
    "shopify-gradual",
    "errors rise from 1 to 5 % in ten steps of a minute",
    Array.from({ length: 10 }, (_, i) => failing(0.01 + 0.04 * i / 9, 60))
  ),
  serviceScenario(
    "shopify-oscillating",
    "2 and 6 % errors in turn, 10 seconds each, for five minutes",
    Array.from({ length: 30 }, (_, i) => failing(i % 2 === 0 ? 0.02 : 0.06, 10))
  ),
  serviceScenario(
    "shopify-slow-query",
    "a query that one call in twenty makes takes 9.5 seconds longer, for a minute; clients wait for ten",
    [{
      name: "slow query",
      for: MINUTE,
      faults: [{ fault: { _tag: "Slow", longer: 9500 }, share: 0.05 }, ...errors(0.01)]
    }],
    crowd,
    { ...service, servers: 1000 }
  )
])

// ---------------------------------------------------------------------------------------------------------------------
// The library's own promises

/** All of it through one circuit: a thousand chances a second to be wrong. */
const one: Clients = { ...crowd, count: 1 }

/**
 * Those that the library's promises about outages are measured by, each through one circuit, at 1 000 calls a second
 * unless it says otherwise.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const promises: Readonly<Record<string, Scenario>> = /*#__PURE__*/ named([
  serviceScenario("total-outage", "a minute at 100 % errors", [failing(1, 60)], one),
  serviceScenario("long-outage", "half an hour at 100 % errors, at 100 calls a second", [failing(1, 1800)], {
    ...one,
    rate: 100
  }, { ...service, servers: 20, queue: 50 }),
  serviceScenario("20-percent", "two minutes at 20 % errors", [failing(0.2, 120)], one),
  serviceScenario("35-percent", "two minutes at 35 % errors, home sooner than answers", [failing(0.35, 120)], one),
  serviceScenario(
    "slow-return",
    "a minute down, then capacity grows from 5 to 100 % in ten minutes, at 200 calls a second",
    [
      { name: "down", for: MINUTE, faults: [{ fault: { _tag: "Reset" }, share: 1 }] },
      { name: "capacity grows", for: 10 * MINUTE, capacity: { from: 0.05, to: 1 }, faults: errors(0.01) }
    ],
    { ...one, rate: 200, timeout: { total: 2000 } },
    { ...service, servers: 40, queue: 40 }
  )
])

// ---------------------------------------------------------------------------------------------------------------------
// A provider of language models

const model: Provider = {
  servers: 200,
  queue: 100,
  turnedAway: 300,
  latency: Distribution.withTail(Distribution.logNormal({ median: 600, sigma: 0.5 }), { from: 3000, shape: 1.5 }),
  tokens: {
    output: Distribution.logNormal({ median: 200, sigma: 1 }),
    each: Distribution.logNormal({ mean: 18, sigma: 0.3 }),
    input: 1000
  },
  slowdown: 0.2
}

const price = { input: 3, output: 15 }

/** Four processes, with the time limits and the retries that clients of providers come with. */
const applications: Clients = {
  rate: 20,
  count: 4,
  timeout: { firstContent: 20_000, idle: 20_000, total: 120_000 },
  retry: { attempts: 3, delay: 500, factor: 2, most: 8000, jitter: 0.25, refusals: true }
}

const usual: Faults = [
  { fault: { _tag: "Failed", after: 0.1 }, share: 0.003 },
  { fault: { _tag: "RateLimited", retryAfter: 1000, after: 100 }, share: 0.01 }
]

const phase = (name: string, minutes: number, faults: Faults = [], rest: Partial<Phase> = {}): Phase => ({
  name,
  for: minutes * MINUTE,
  faults,
  ...rest
})

const healthy = (minutes: number, name = "healthy"): Phase => phase(name, minutes, usual)

const reset: Faults = [{ fault: { _tag: "Reset", after: 50 }, share: 1 }]

/** What each profile is made of, without the healthy time around it. */
const profiles = {
  healthy: [],
  "brown-out": [10, 25, 40, 25, 10].map((percent) =>
    phase(`${percent} % errors`, 9, [{ fault: { _tag: "Failed", after: 0.1 }, share: percent / 100 }], {
      latencyFactor: 1.3
    })
  ),
  overload: [
    phase("overloaded", 20, [
      { fault: { _tag: "Overloaded", after: 300 }, share: 0.4 },
      // The other half says so in the stream, after it has begun.
      { fault: { _tag: "Failed", after: 0.1 }, share: 0.4 }
    ], { lifts: { below: 0.5, during: 30 * SECOND } })
  ],
  "hard-down": [phase("down", 80, reset)],
  stall: [phase("stalls", 30, [{ fault: { _tag: "Hang" }, share: 1 }])],
  "cut-streams": [phase("streams are cut", 30, [{ fault: { _tag: "Cut", after: 0.4 }, share: 0.3 }, ...usual])],
  flap: Array.from({ length: 20 }, () => [phase("down", 1 / 3, reset), phase("up", 2 / 3, usual)]).flat(),
  "key-quota": [
    phase("quota spent", 30, [{ fault: { _tag: "QuotaSpent", retryAfter: "phase", after: 100 }, share: 1 }])
  ],
  "recovery-ramp": [phase("down", 5, reset), phase("capacity grows", 10, usual, { capacity: { from: 0.05, to: 1 } })],
  micro: [phase("blip", 0.25, reset)],
  quality: [phase("bad answers", 30, [{ fault: { _tag: "BadAnswer" }, share: 0.15 }, ...usual])]
} satisfies Record<string, ReadonlyArray<Phase>>

const abouts: Readonly<Record<keyof typeof profiles, string>> = {
  healthy: "a good half hour: 0.3 % errors and 1 % rate limits",
  "brown-out": "45 minutes of 10 to 40 % errors, and all of it slower",
  overload: "four of five are told \"overloaded\", until after twenty minutes the load was under a half for 30 seconds",
  "hard-down": "80 minutes of broken connections",
  stall: "half an hour in which no answer begins",
  "cut-streams": "half an hour in which three of ten streams end early",
  flap: "20 seconds down and 40 seconds up, twenty times",
  "key-quota": "the key's quota is spent for half an hour, and the provider says so",
  "recovery-ramp": "five minutes down, then capacity grows from 5 to 100 % in ten minutes",
  micro: "a blip of 15 seconds",
  quality: "15 % of the answers are no use, and that is nobody's outage"
}

const modelScenario = (name: keyof typeof profiles): Scenario => {
  const trouble: ReadonlyArray<Phase> = profiles[name]
  const phases = trouble.length === 0 ? [healthy(30)] : [healthy(5), ...trouble, healthy(10, "healthy again")]
  // An overload may last for as long as it is fed: it gets another twenty minutes to end.
  const duration = lasting(phases) + (name === "overload" ? 20 * MINUTE : 0)
  return { name: `llm-${name}`, about: abouts[name], duration, provider: model, phases, clients: applications, price }
}

const everything: ReadonlyArray<Phase> = [
  healthy(30),
  ...Object.values(profiles).flatMap((trouble: ReadonlyArray<Phase>) =>
    trouble.length === 0 ? [] : trouble.concat(healthy(15))
  )
]

/**
 * Those of providers of language models: 20 calls a second from four processes, each with a breaker of its own.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const llm: Readonly<Record<string, Scenario>> = /*#__PURE__*/ named([
  ...(Object.keys(profiles) as ReadonlyArray<keyof typeof profiles>).map(modelScenario),
  {
    name: "llm-low-traffic",
    about: "two calls a minute through all of the above",
    duration: lasting(everything),
    provider: model,
    phases: everything,
    clients: { ...applications, rate: 2 / 60, count: 1 },
    price
  }
])

/**
 * All of them, by name.
 *
 * @category scenarios
 * @since 0.1.0
 */
export const all: Readonly<Record<string, Scenario>> = /*#__PURE__*/ (() => ({ ...promises, ...shopify, ...llm }))()
