/**
 * A program of its own with the live page, to be run by Node: `program.ts PORT NAME...`. It has a circuit of each name, open
 * where the name ends with an exclamation mark, makes a call through each ten times a second, and says its address when it
 * is ready.
 */
import { Effect, Schedule } from "effect"
import { Breaker } from "effect-breaker"
import { Dashboard } from "effect-breaker/dashboard"
import { serve } from "./serving.ts"

const [port, ...names] = process.argv.slice(2)

const program = Effect.gen(function*() {
  const breakers = yield* Effect.forEach(
    names,
    (name) =>
      Effect.tap(
        Breaker.make({ name: name.replace("!", "") }),
        (breaker) => name.endsWith("!") ? breaker.trip() : Effect.void
      )
  )
  const url = yield* serve(Dashboard.layer({ every: "100 millis" }), Number(port))
  console.log(`${url}/breakers/`)
  yield* Effect.forEach(breakers, (breaker) => Effect.ignore(breaker.execute(Effect.succeed("an answer")))).pipe(
    Effect.repeat(Schedule.spaced("100 millis"))
  )
})

await Effect.runPromise(Effect.scoped(program))
