/** The live page of the demo's circuits, served by the demo itself. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer } from "effect"
import { Dashboard } from "effect-breaker/dashboard"
import { HttpRouter, HttpServer, HttpServerRequest } from "effect/http"
import { createServer } from "node:http"

// Only this machine reaches the address, so whoever asks is "you". A site whose name leads here has another Host.
const guard = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  ({ headers: { host } }) => host?.startsWith("127.0.0.1:") ? Effect.succeed("you") : Effect.fail("another host")
)

const Server = HttpRouter.serve(
  Dashboard.layer({ title: "npm run demo", guard, control: { guard } }),
  { disableLogger: true, disableListenLog: true }
).pipe(Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })))

/** Serves the page until the scope ends, and gives its address. */
export const serve = Effect.map(Layer.build(Server), (context) => {
  const { address } = Context.get(context, HttpServer.HttpServer)
  return `${HttpServer.formatAddress(address)}/breakers/`
})

/** Waits for Ctrl-C. */
export const interrupted = Effect.callback<void>((resume) => {
  const end = () => resume(Effect.void)
  process.once("SIGINT", end)
  return Effect.sync(() => process.off("SIGINT", end))
})
