import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import { Breaker, BreakerMap } from "effect-breaker"
import { Registry } from "effect-breaker/control"
import { LlmBreaker } from "effect-breaker/llm"

const names = (registry: Registry.Registry) =>
  registry.sources().flatMap((source) => [...source.circuits()].map(({ name }) => name))

const within = <A, E, R>(registry: Registry.Registry, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Registry.Current, registry)

describe("Registry", () => {
  it.effect("knows every breaker and map, in the order in which they were made", () =>
    Effect.gen(function*() {
      const registry = new Registry.Registry()
      const made = yield* within(
        registry,
        Effect.gen(function*() {
          const one = yield* Breaker.make({ name: "one" })
          const map = yield* BreakerMap.make()
          yield* map.get("two")
          yield* map.get("three")
          return [one, map, yield* Breaker.make({ name: "four" })]
        })
      )

      assert.deepStrictEqual(names(registry), ["one", "two", "three", "four"])
      assert.strictEqual(made.length, 3)
    }))

  it.effect("knows the circuits of a breaker for language models", () =>
    Effect.gen(function*() {
      const registry = new Registry.Registry()
      const llm = yield* within(registry, LlmBreaker.make())
      yield* llm.execute(Effect.succeed("Hello!"), { provider: "openai", model: "gpt-5", key: "team-a" })

      assert.sameMembers(names(registry), ["openai#team-a", "openai/gpt-5#team-a", "openai/gpt-5", "openai"])
    }))

  it.effect("has the circuits that a map makes, whoever's call it is that makes them", () =>
    Effect.gen(function*() {
      const [registry, other] = [new Registry.Registry(), new Registry.Registry()]
      const map = yield* within(registry, BreakerMap.make())
      yield* within(other, map.execute(Effect.void, { key: "a" }))

      assert.deepStrictEqual([names(registry), names(other)], [["a"], []])
    }))

  it.effect("forgets what a layer made when the layer is done", () =>
    Effect.gen(function*() {
      const registry = new Registry.Registry()
      const scope = yield* Scope.make()
      const Live = Layer.merge(Breaker.layer({ name: "one" }), BreakerMap.layer())
      const built = yield* within(registry, Layer.buildWithScope(Live, scope))
      assert.deepStrictEqual([registry.sources().length, names(registry)], [2, ["one"]])

      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(registry.sources(), [])
      assert.isDefined(built)
    }))

  it("holds nothing that the program has let go of", async () => {
    const registry = new Registry.Registry()
    const make = (name: string) => Effect.runSync(within(registry, Breaker.make({ name })))
    const kept = make("kept")
    for (let i = 0; i < 1000; i++) make(`lost-${i}`)

    const gc = (globalThis as { gc?: () => void }).gc
    if (gc === undefined) {
      const { setFlagsFromString } = await import("node:v8")
      const { runInNewContext } = await import("node:vm")
      setFlagsFromString("--expose-gc")
      ;(globalThis as { gc?: unknown }).gc = runInNewContext("gc")
    }
    // What a weak reference points to stays until the task is over.
    await new Promise((done) => setImmediate(done))
    ;(globalThis as { gc?: () => void }).gc!()
    await new Promise((done) => setImmediate(done))

    assert.deepStrictEqual(names(registry), ["kept"])
    assert.strictEqual(kept.name, "kept")
  })

  it.effect("tells its listeners what happens at any circuit, but for single refusals", () =>
    Effect.gen(function*() {
      const registry = new Registry.Registry()
      const heard: Array<string> = []
      registry.current = new Set([(event, circuit) => {
        heard.push(`${event.circuit}: ${event._tag}`)
        assert.strictEqual(circuit.name, event.circuit)
      }])
      const [one, map] = yield* within(registry, Effect.all([Breaker.make({ name: "one" }), BreakerMap.make()]))
      const two = yield* map.get("two")

      yield* one.isolate()
      yield* Effect.exit(one.execute(Effect.void))
      yield* two.trip()
      yield* Effect.exit(two.execute(Effect.void))

      assert.deepStrictEqual(heard, ["one: Transitioned", "one: Commanded", "two: Transitioned", "two: Commanded"])
    }))
})
