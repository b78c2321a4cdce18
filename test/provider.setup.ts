import { Effect, Exit, Scope } from "effect"
import { FakeProvider } from "effect-breaker/testing"

/** One healthy provider for the examples that ask a real client: the `openai` client reads its address from here. */
export default async function setup() {
  const scope = await Effect.runPromise(Scope.make())
  const provider = await Effect.runPromise(FakeProvider.make().pipe(Scope.provide(scope)))
  process.env.OPENAI_BASE_URL = provider.baseUrl
  process.env.OPENAI_API_KEY = "sk-any"
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
