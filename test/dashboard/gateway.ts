/** A service as it runs in production: calls of a model, a breaker around each, and the live page on a port of its own. */
import { Effect, Exit, Scope } from "effect"
import { Registry } from "effect-breaker/control"
import { Dashboard } from "effect-breaker/dashboard"
import { FakeProvider } from "effect-breaker/testing"
import { HttpServerRequest } from "effect/http"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import OpenAI from "openai"
import { serve } from "./serving.ts"

export interface Gateway {
  readonly url: string
  readonly provider: FakeProvider.FakeProvider
  /** Asks the provider's model with the official client. */
  readonly ask: Effect.Effect<string, unknown>
  /** Runs in this service: the circuits that are made here are those of its page. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Promise<A>
  /** Starts the page's server again, on the same port. */
  readonly start: () => Promise<void>
  /** Stops the page's server, as a service does that is told to end: it waits for those it is answering. */
  readonly stop: () => Promise<void>
  /** Stops everything. */
  readonly end: () => Promise<void>
}

export const gateway = async (options: { readonly circuits?: number } = {}): Promise<Gateway> => {
  const scope = await Effect.runPromise(Scope.make())
  const running = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>, scope: Scope.Scope): Promise<A> =>
    Effect.runPromise(effect.pipe(Scope.provide(scope), Effect.provideService(Registry.Current, registry)))

  const registry = new Registry.Registry()
  let server = await Effect.runPromise(Scope.make())
  const sockets = new Set<Socket>()
  // A browser keeps a connection ready that it may never ask on. Node waits for it as for one that is being answered.
  const create = () =>
    createServer()
      .on("connection", (socket) => sockets.add(socket.on("close", () => sockets.delete(socket))))
      .on("request", ({ socket }) => sockets.delete(socket))
  const routes = Dashboard.layer({ every: "100 millis", control: { guard: operator }, ...options })
  const address = await running(serve(routes, 0, create), server)
  const provider = await running(FakeProvider.make(), scope)
  const client = new OpenAI({ apiKey: "sk-test", baseURL: provider.baseUrl, maxRetries: 0, logLevel: "off" })
  const messages = [{ role: "user" as const, content: "How are you?" }]

  const stop = async () => {
    const stopped = Effect.runPromise(Scope.close(server, Exit.void))
    for (const socket of sockets) socket.destroy()
    await stopped
  }
  return {
    url: `${address}/breakers/`,
    provider,
    ask: Effect.tryPromise((signal) => client.chat.completions.create({ model: "gpt", messages }, { signal })).pipe(
      Effect.map(({ choices }) => choices[0]?.message.content ?? "")
    ),
    run: (effect) => running(effect, scope),
    start: async () => {
      server = await Effect.runPromise(Scope.make())
      await running(serve(routes, Number(new URL(address).port), create), server)
    },
    stop,
    end: async () => {
      await stop()
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** Who it is says the proxy in front, as in many a company. Nobody else gives orders. */
const operator = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ headers }) => Effect.fromNullishOr(headers["x-operator"])
)
