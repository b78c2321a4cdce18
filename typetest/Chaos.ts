import type { Effect, Stream } from "effect"
import { Chaos } from "effect-breaker/chaos"
import { fails, type HasAny, same } from "./Assert.ts"

declare const ask: Effect.Effect<string, "refused", "service">
declare const words: Stream.Stream<string, "refused", "service">
class ModelError extends Error {
  readonly _tag = "ModelError"
}

// The error channel gains the one error that chaos adds, or what the program makes of it.
const marked = ask.pipe(Chaos.inject("openai"))
same<typeof marked, Effect.Effect<string, "refused" | Chaos.ChaosError, "service">>()
const keyed = ask.pipe(Chaos.inject("openai", { key: "request 1" }))
same<typeof keyed, Effect.Effect<string, "refused" | Chaos.ChaosError, "service">>()
const turned = ask.pipe(Chaos.inject("openai", { as: ({ message }) => new ModelError(message) }))
same<typeof turned, Effect.Effect<string, "refused" | ModelError, "service">>()
const closed = ask.pipe(Chaos.inject("openai", { as: () => "refused" as const }))
same<typeof closed, Effect.Effect<string, "refused", "service">>()

const stream = words.pipe(Chaos.injectStream("openai"))
same<typeof stream, Stream.Stream<string, "refused" | Chaos.ChaosError, "service">>()
const turnedStream = words.pipe(Chaos.injectStream("openai", { as: ({ fault }) => new ModelError(fault) }))
same<typeof turnedStream, Stream.Stream<string, "refused" | ModelError, "service">>()

// Names that there are not, and shares without a fault, do not compile.
Chaos.layer({ faults: [{ fault: "timeout", share: 1 }] })
// @ts-expect-error no such name
Chaos.layer({ faults: [{ fault: "overlaoded", share: 1 }] })
// @ts-expect-error no fault
Chaos.layer({ faults: [{ share: 1 }] })
// @ts-expect-error a phase says how long it lasts
Chaos.layer({ script: [{ faults: [] }] })

// No exported function takes or gives `any`.
fails<HasAny<typeof Chaos.inject>>()
fails<HasAny<Parameters<typeof Chaos.layer>>>()
fails<HasAny<Parameters<typeof Chaos.layerConfig>>>()
fails<HasAny<typeof Chaos.setFaults>>()
fails<HasAny<typeof Chaos.delay>>()
