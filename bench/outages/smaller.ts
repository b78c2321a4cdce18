import type { Scenario } from "effect-breaker/replay"

/** The same with fewer calls: a fraction of the rate, the servers and the clients. */
export const smaller = (scenario: Scenario.Scenario, times: number): Scenario.Scenario => {
  const { clients, provider, ...rest } = scenario
  const { count = 1, rate, ...theirs } = clients
  const { servers, queue, ...its } = provider
  const part = (whole: number) => Math.max(Math.round(whole / times), 1)
  // What comes to a breaker stays the same where each client has its own; a handful of calls would be chance alone.
  if (typeof rate !== "number" || rate < 100) return scenario
  return {
    ...rest,
    clients: { ...theirs, count: part(count), rate: rate / times },
    provider: {
      ...its,
      ...(servers === undefined ? {} : { servers: part(servers) }),
      ...(queue === undefined ? {} : { queue: part(queue) })
    }
  }
}
