/**
 * Which columns of a log say what: by the names that logs use, or as the caller says.
 *
 * @since 0.1.0
 */
import * as Setting from "../internal/Setting.ts"
import * as LogTime from "./LogTime.ts"

/**
 * The column that something is read from: its name, or its name and the unit of its numbers. `false` for none.
 *
 * **Details**
 *
 * In JSON a name may lead into objects, with dots: `request.model`. Several names are tried in order.
 *
 * @category models
 * @since 0.1.0
 */
export type Column =
  | string
  | ReadonlyArray<string>
  | { readonly column: string; readonly unit: LogTime.Unit }
  | false

/**
 * The columns of a log. What is not given here is found by the names that logs use.
 *
 * **Details**
 *
 * - `time`: when the call was asked for. A text in the form of ISO 8601 (without a zone it is UTC), or a number: seconds,
 *   milliseconds, microseconds or nanoseconds since the epoch, told apart by size where neither the name (`ts_ms`) nor
 *   `unit` says it.
 * - `took`: how long it took, and `firstContent`: how long until the first content. Numbers are milliseconds unless the
 *   name says otherwise (`latency_s`), or `unit`; a text may carry its unit (`1.5s`).
 * - `end`: when it came home, for logs that have no `took`. Beginning and end of a call have one unit: where only one of two
 *   numbers of like size has a unit, it is that of both.
 * - `status`: the HTTP status. `error`: the kind or the text of an error, empty where there was none. `outcome`: `success`,
 *   `failure`, `throttled`, `ignored`, `trip`, `refused`, other common words for these, or an `Outcome` as JSON. `ok`:
 *   whether it went well. `retryAfter`: the pause that the provider asked for, in seconds. The more telling ones come first.
 * - `refused`: whether the log's own breaker refused the call.
 * - `circuit`: the circuit that it asks. Without it, `provider` and `model`, joined by a slash.
 * - `inputTokens`, `outputTokens`: what the provider counted.
 * - `id`: what tells a call from all others, to know copies by. Without it a copy is a line that is the same to the letter.
 *
 * @category models
 * @since 0.1.0
 */
export type LogColumns = { readonly [R in Role]?: Column | undefined }

/**
 * What a column may say.
 *
 * @category models
 * @since 0.1.0
 */
export type Role = (typeof roles)[number]

/** The roles, in the order of their places in a row. */
export const roles = [
  "time",
  "end",
  "took",
  "firstContent",
  "retryAfter",
  "outcome",
  "status",
  "error",
  "ok",
  "refused",
  "circuit",
  "provider",
  "model",
  "inputTokens",
  "outputTokens",
  "id"
] as const

/** Where each role's value is in a row. */
export const place = /*#__PURE__*/ Object.fromEntries(roles.map((role, i) => [role, i])) as Readonly<
  Record<Role, number>
>

/** What is known of a column: its role, how much better it is than others of the role (lower is), and its unit. */
export interface Known {
  readonly role: number
  readonly rank: number
  readonly unit: LogTime.Unit | undefined
}

/** One line, by roles: the value of each, and its unit. */
export class Row {
  readonly values: Array<unknown> = roles.map(() => undefined)
  readonly units: Array<LogTime.Unit | undefined> = roles.map(() => undefined)
  private readonly ranks: Array<number> = roles.map(() => worst)
  private readonly filled: Array<number> = roles.map(() => 0)
  private size = 0

  clear(): void {
    for (let i = 0; i < this.size; i++) {
      const role = this.filled[i]!
      this.values[role] = undefined
      this.ranks[role] = worst
    }
    this.size = 0
  }

  put({ rank, role, unit }: Known, value: unknown): void {
    const last = this.ranks[role]!
    if (rank > last || value === undefined || value === null || value === "") return
    if (last === worst) this.filled[this.size++] = role
    this.values[role] = value
    this.ranks[role] = rank
    this.units[role] = unit
  }
}

/** Finds out what the columns of one log say; each name is looked at once. */
export class Columns {
  private readonly given = new Map<string, Known>()
  private readonly fixed = new Set<number>()
  private readonly prefixes = new Set<string>(autoPrefixes)
  private readonly root = new Level("")

  constructor(columns: LogColumns = {}) {
    for (const role of roles) {
      const column = columns[role]
      if (column === undefined) continue
      this.fixed.add(place[role])
      if (column === false) continue
      const [names, unit] = typeof column === "string"
        ? [[column], undefined]
        : "unit" in column
        ? [[column.column], column.unit]
        : [column, undefined]
      names.forEach((name, rank) => {
        const own = guess(name)
        const known = unit ?? (own?.role === place[role] ? own.unit : suffixOf(wordsOf(name))[1]) ?? usual(role)
        this.given.set(name, { role: place[role], rank, unit: known })
        // A name with dots may lead into objects, whose own keys may have dots.
        for (let at = name.indexOf("."); at > 0; at = name.indexOf(".", at + 1)) this.prefixes.add(name.slice(0, at))
      })
    }
  }

  /** What a column of that name says, if anything. */
  of(name: string): Known | undefined {
    const given = this.given.get(name)
    if (given !== undefined) return given
    const known = guess(name)
    return known === undefined || this.fixed.has(known.role) ? undefined : known
  }

  /** The same of a value that is no object. */
  named(key: string): Known | undefined {
    return (this.root.get(key) ?? this.look(key, this.root)).known
  }

  /** Puts what an object says into a row, its inner objects included. */
  read(object: object, row: Row): void {
    this.readLevel(object as Record<string, unknown>, this.root, row)
  }

  private readLevel(object: Record<string, unknown>, level: Level, row: Row): void {
    for (const key in object) {
      const value = object[key]
      const found = level.get(key) ?? this.look(key, level)
      const isObject = typeof value === "object" && value !== null
      // Only an error and an outcome are said by an object as a whole.
      if (found.known !== undefined && (!isObject || whole.includes(found.known.role))) row.put(found.known, value)
      else if (found.inner !== undefined && isObject) {
        this.readLevel(value as Record<string, unknown>, found.inner, row)
      }
    }
  }

  private look(key: string, level: Level): Found {
    const path = level.path === "" ? key : `${level.path}.${key}`
    const leads = this.prefixes.has(path) || autoPrefixes.has(plainOf(wordsOf(path)))
    return level.put(key, { known: this.of(path), inner: leads ? new Level(path) : undefined })
  }
}

/** Complains of columns that are none, by name. */
export const check = (columns: LogColumns, where: string): void => {
  for (const [role, column] of Object.entries(columns)) {
    if (!(roles as ReadonlyArray<string>).includes(role)) {
      throw new RangeError(`${where}: columns.${role} is no column: there are ${roles.join(", ")}`)
    }
    if (column === undefined || column === false || isName(column)) continue
    if (Array.isArray(column) && column.length > 0 && column.every(isName)) continue
    const { column: name, unit } = Object(column) as Record<string, unknown>
    if (isName(name) && (unit === undefined || LogTime.units.includes(unit as never))) continue
    throw new RangeError(
      `${where}: columns.${role} ${Setting.wrong("the name of a column, several, or { column, unit }", column)}`
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------

/** The rank of nothing. */
const worst = 1_000_000

const whole: ReadonlyArray<number> = [place.error, place.outcome]

const isName = (value: unknown): value is string => typeof value === "string" && value !== ""

interface Found {
  readonly known: Known | undefined
  readonly inner: Level | undefined
}

const unknown: Found = { known: undefined, inner: undefined }

// An object that has a new key on every line must not fill the memory.
const mostKeys = 2000

/** The keys of the objects at one path. */
class Level {
  readonly path: string
  private readonly keys = new Map<string, Found>()

  constructor(path: string) {
    this.path = path
  }

  get(key: string): Found | undefined {
    return this.keys.get(key)
  }

  put(key: string, found: Found): Found {
    const kept = found.known === undefined && found.inner === undefined ? unknown : found
    if (this.keys.size < mostKeys) this.keys.set(key, kept)
    return kept
  }
}

// By words, without what stands between them: `startTime`, `start_time` and `Start Time` are one name.
const names: Readonly<Record<Role, string>> = {
  time: "at;start time unix nano;start time;started at;start;request start time;request created at;created at;" +
    "timestamp;@timestamp;datetime;date time;time;ts;time local;time iso8601;date;t",
  end: "end time unix nano;end time;ended at;end;completed at;finished at;completion time",
  took:
    "took;duration;latency;elapsed;elapsed time;response time;request time;request duration;total time;time taken;" +
    "total duration;total latency;delay;call duration",
  firstContent: "first content;time to first content;ttft;time to first token;time to first chunk;first token;" +
    "first token latency;gen ai response time to first chunk;gen ai server time to first token;metrics ttft",
  retryAfter: "retry after;response headers retry after;headers retry after",
  outcome: "circuit outcome;outcome;result",
  status: "http response status code;http status code;response status code;status code;http status;response status;" +
    "response code;status;code",
  error: "error type;error kind;error code;error;error class;exception type;exception;error message",
  ok: "ok;success;succeeded;is success;successful",
  refused: "refused;rejected;short circuited;circuit open",
  circuit: "circuit;circuit name;breaker;circuit breaker",
  provider: "provider;gen ai provider name;gen ai system;model provider;llm provider;custom llm provider",
  model: "model;request model;model name;model id;gen ai request model;request body model;llm model",
  inputTokens:
    "input tokens;prompt tokens;gen ai usage input tokens;usage input tokens;usage prompt tokens;tokens in;" +
    "tokens prompt",
  outputTokens:
    "output tokens;completion tokens;gen ai usage output tokens;usage output tokens;usage completion tokens;" +
    "tokens out;tokens completion",
  id: "id;request id;call id;span id;uuid"
}

// What a number counts where neither its name nor the caller says so.
const usualUnits: Readonly<Record<string, LogTime.Unit>> = {
  "time at": "millis",
  "time start time unix nano": "nanos",
  "end end time unix nano": "nanos",
  "took request time": "seconds"
}

const usual = (role: Role): LogTime.Unit | undefined => role === "retryAfter" ? "seconds" : undefined

/** The words of a name: `durationMs` has two. */
const wordsOf = (name: string): ReadonlyArray<string> =>
  name.replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase().split(/[^a-z0-9@µμ]+/).filter((word) => word !== "")

const plainOf = (words: ReadonlyArray<string>): string => words.join("")

const byName = /*#__PURE__*/ new Map<string, Known>(
  roles.flatMap((role) =>
    names[role].split(";").map((name, rank) => [
      name.replaceAll(" ", ""),
      { role: place[role], rank: 100 + rank, unit: usualUnits[`${role} ${name}`] ?? usual(role) }
    ])
  )
)

// What may have columns inside: `usage` of `usage.input_tokens`, and `attributes` of a span.
const wrappers = ["", "attributes", "metadata"]

const autoPrefixes: ReadonlySet<string> = /*#__PURE__*/ new Set(
  Object.values(names).flatMap((all) => all.split(";")).flatMap((name) => {
    const words = name.split(" ")
    return words.slice(1).map((_, i) => words.slice(0, i + 1).join(""))
  }).flatMap((prefix) => wrappers.map((wrapper) => wrapper + prefix)).concat(wrappers.slice(1))
)

/** A name without the unit at its end, and the unit. */
const suffixOf = (words: ReadonlyArray<string>): readonly [ReadonlyArray<string>, LogTime.Unit | undefined] => {
  const unit = words.length > 1 ? LogTime.unitOf(words.at(-1)!) : undefined
  return unit === undefined ? [words, undefined] : [words.slice(0, -1), unit]
}

const timed: ReadonlyArray<number> = [place.time, place.end, place.took, place.firstContent, place.retryAfter]

const guess = (name: string): Known | undefined => {
  const all = wordsOf(name)
  const words = wrappers.slice(1).includes(all[0]!) && all.length > 1 ? all.slice(1) : all
  const whole = byName.get(plainOf(words))
  if (whole !== undefined) return whole
  const [rest, unit] = suffixOf(words)
  const known = unit === undefined ? undefined : byName.get(plainOf(rest))
  return known === undefined || !timed.includes(known.role) ? undefined : { ...known, unit }
}
