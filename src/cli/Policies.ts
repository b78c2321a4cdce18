/**
 * The policies that a command is given: by name, as JSON, or as a file.
 *
 * @since 0.1.0
 */
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Policy from "../replay/Policy.ts"
import * as Failed from "./Failed.ts"
import * as Input from "./Input.ts"

/** The option, which may come more than once. */
export const flag = Flag.String("policy").pipe(
  Flag.withMetavar("NAME|FILE|JSON"),
  Flag.withDescription(
    "A policy: default, llm, a JSON file, or JSON itself; may come more than once (both, unless given)"
  ),
  Flag.atLeast(0)
)

/** Reads them. Each has a name of its own afterwards. */
export const read = (
  given: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<Policy.Policy>, Failed.Failed, Input.Reads> =>
  given.length === 0
    ? Effect.succeed(Object.values(Policy.builtIn))
    : Effect.flatMap(Effect.forEach(given, readOne), (policies) => {
      const names = policies.map(({ name }) => name)
      const twice = names.find((name, i) => names.indexOf(name) < i)
      return twice === undefined
        ? Effect.succeed(policies)
        : Effect.fail(Failed.wrong(`--policy: there are two named ${JSON.stringify(twice)}`))
    })

// ---------------------------------------------------------------------------------------------------------------------

const builtIn: Readonly<Record<string, Policy.Policy>> = Policy.builtIn

const readOne = Effect.fnUntraced(function*(given: string) {
  if (Object.hasOwn(builtIn, given)) return builtIn[given]!
  const isText = given.trimStart().startsWith("{")
  const file = isText ? "--policy" : given
  const text = isText ?
    given :
    yield* Effect.mapError(Input.text(given), ({ message }) =>
      /^[\w-]+$/.test(given) && given !== "-"
        ? Failed.wrong(`--policy ${given}: neither a file nor one of ${Object.keys(builtIn).join(", ")}`)
        : Failed.wrong(message))
  const data = yield* Input.json(text, file)
  const name = isText
    ? "given"
    : given === "-"
    ? "standard input"
    : given.replace(/^.*[\\/]/, "").replace(/\.json$/, "")
  return yield* Effect.mapError(
    Policy.fromUnknown(data, name),
    ({ message }) => Failed.wrong(`${Input.nameOf(file)}: ${message}`)
  )
})
