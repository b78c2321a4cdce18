/**
 * Redis as seen from here: one versioned text for each circuit, the time, and news of what was written.
 *
 * It knows nothing of circuits. A text is replaced only where it still has the version that was read; whoever comes too
 * late is given what is there instead. Every answer bears the time of Redis.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redis from "effect/persistence/Redis"
import type * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"

/** Redis could not be asked, did not answer in time, or holds something that is not ours to touch. */
export class StoreError extends Data.TaggedError("StoreError")<{
  readonly message: string
  /** It is about what is kept of one circuit: Redis is well, and so are the others. */
  readonly isOfOne?: boolean | undefined
}> {}

/** What is kept of a circuit. A version that is empty is that of a text which is not there. */
export interface Kept {
  readonly version: string
  readonly text: string
}

/** What was written by somebody, and under which name. */
export interface News extends Kept {
  readonly name: string
}

export interface Options {
  readonly prefix: string
  readonly format: number
  /** How long a call may wait, and how quick an answer must be for Redis to count as well. In milliseconds. */
  readonly bound: number
}

/** How far the clock may have moved on since a writer looked at it: more, and it was stopped in between. */
const tolerance = 500

/** What lives longer than some thousand years lives for ever. */
const longestLife = 1e14

/** How long an answer may take that no call waits for, in milliseconds. */
const patience = 1000

// The format and the version are compared as texts. A writer that was stopped between its look at the clock and now must
// look again: what it wrote would begin in the past.
const swapScript = Redis.script(
  (
    key: string,
    channel: string,
    format: string,
    expected: string,
    version: string,
    text: string,
    livesFor: number,
    news: string,
    now: number
  ) => [key, channel, format, expected, version, text, livesFor, news, now, tolerance],
  {
    numberOfKeys: 1,
    lua: `
local time = redis.call('TIME')
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return { time[1], time[2], 'kind', kind, '' } end
local found = redis.call('HMGET', KEYS[1], 'format', 'version', 'text')
local version = found[2] or ''
if found[1] and found[1] ~= ARGV[2] then return { time[1], time[2], 'format', found[1], '' } end
local now = time[1] * 1000 + time[2] / 1000
if version ~= ARGV[3] or math.abs(now - ARGV[8]) > tonumber(ARGV[9]) then
  return { time[1], time[2], 'found', version, found[3] or '' }
end
redis.call('HSET', KEYS[1], 'format', ARGV[2], 'version', ARGV[4], 'text', ARGV[5])
if tonumber(ARGV[6]) > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[6]) else redis.call('PERSIST', KEYS[1]) end
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[7] .. '\\n' .. ARGV[4] .. '\\n' .. ARGV[5]) end
return { time[1], time[2], 'written', ARGV[4], '' }`
  }
).withReturnType<Answer>()

const readScript = Redis.script((key: string, format: string) => [key, format], {
  numberOfKeys: 1,
  lua: `
local time = redis.call('TIME')
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'hash' then return { time[1], time[2], 'kind', kind, '' } end
local found = redis.call('HMGET', KEYS[1], 'format', 'version', 'text')
if found[1] and found[1] ~= ARGV[1] then return { time[1], time[2], 'format', found[1], '' } end
return { time[1], time[2], 'found', found[2] or '', found[3] or '' }`
}).withReturnType<Answer>()

const pulseScript = Redis.script((key: string) => [key], {
  numberOfKeys: 1,
  lua: `
local time = redis.call('TIME')
redis.call('SET', KEYS[1], '1', 'PX', 1000)
return { time[1], time[2], 'written', '', '' }`
}).withReturnType<Answer>()

type Answer = readonly [
  seconds: string,
  micros: string,
  what: "written" | "found" | "format" | "kind",
  version: string,
  text: string
]

/** How the clock of Redis stands to the monotonic one, in milliseconds: Redis looked at it after it was asked, and before it was heard. */
interface Reading {
  readonly least: number
  readonly most: number
}

/** So many answers are believed. */
const readings = 16

export class Store {
  readonly options: Options
  private readonly redis: Redis.Redis["Service"]
  private readings: ReadonlyArray<Reading> = []
  /** When each question that waits for its answer was asked, oldest first. */
  private readonly waiting = new Set<{ readonly askedAt: number }>()
  /** What makes a monotonic time one of Redis; `undefined` until Redis has told its own. */
  shift: number | undefined = undefined

  constructor(redis: Redis.Redis["Service"], options: Options) {
    this.redis = redis
    this.options = options
  }

  /** Reads what is kept under a name. */
  read(name: string): Effect.Effect<Kept, StoreError> {
    const { format } = this.options
    return Effect.map(
      this.ask(name, this.redis.eval(readScript)(this.keyOf(name), String(format))),
      ([, , , version, text]) => ({ version, text })
    )
  }

  /**
   * Replaces a text that still has the `expected` version. Otherwise gives what is there, and nothing has changed.
   *
   * `livesFor` is in milliseconds; what Redis cannot count is for ever.
   */
  swap(name: string, expected: string, next: Kept, options: {
    readonly livesFor: number
    readonly isNews: boolean
    readonly now: number
  }): Effect.Effect<Kept | undefined, StoreError> {
    const { format, prefix } = this.options
    return Effect.map(
      this.ask(
        name,
        this.redis.eval(swapScript)(
          this.keyOf(name),
          channelOf(prefix),
          String(format),
          expected,
          next.version,
          next.text,
          options.livesFor < longestLife ? Math.ceil(options.livesFor) : 0,
          options.isNews ? JSON.stringify(name) : "",
          options.now
        )
      ),
      ([, , what, version, text]) => what === "written" ? undefined : { version, text }
    )
  }

  /**
   * Tells whether Redis takes what it is given, as quickly as it should. It waits for an answer for as long as that takes: one
   * that asked again meanwhile would only add to what a client keeps for a server that is away.
   */
  get pulse(): Effect.Effect<void, StoreError> {
    const { bound, prefix } = this.options
    return Effect.gen({ self: this }, function*() {
      // It may be another one, with another clock.
      this.readings = []
      const { took } = yield* this.timed(withoutDefects(this.redis.eval(pulseScript)(`${prefix}:pulse`)))
      if (took > bound) yield* new StoreError({ message: `Redis took ${Math.round(took)} ms to answer` })
    })
  }

  /** Since when a question waits for its answer, by the monotonic clock; infinite where none does. */
  get waitsSince(): number {
    const [oldest] = this.waiting
    return oldest?.askedAt ?? Infinity
  }

  /** What others write, until the news stop. */
  get news(): Effect.Effect<Queue.Dequeue<Redis.RedisMessage, Redis.RedisError>, never, Scope.Scope> {
    return this.redis.subscribe(channelOf(this.options.prefix))
  }

  private keyOf(name: string): string {
    return `${this.options.prefix}:circuit:${name}`
  }

  private ask(name: string, answer: Effect.Effect<Answer, Redis.RedisError>): Effect.Effect<Answer, StoreError> {
    return Effect.gen({ self: this }, function*() {
      const { answer: read } = yield* this.timed(withoutDefects(answer)).pipe(Effect.timeoutOrElse({
        duration: patience,
        orElse: () => Effect.fail(new StoreError({ message: `Redis did not answer within ${patience} ms` }))
      }))
      const [, , what, version] = read
      if (what === "written" || what === "found") return read
      const message = `The circuit ${JSON.stringify(name)} is kept ${
        what === "format"
          ? `in format ${version}, and this program knows format ${this.options.format} alone`
          : `where somebody else keeps a ${version}`
      }: it leaves it as it is`
      return yield* new StoreError({ isOfOne: true, message })
    })
  }

  private timed(
    answer: Effect.Effect<Answer, StoreError>
  ): Effect.Effect<{ readonly answer: Answer; readonly took: number }, StoreError> {
    return Effect.clockWith((clock) => {
      const asked = monotonic(clock)
      const question = { askedAt: asked }
      this.waiting.add(question)
      return Effect.map(Effect.ensuring(answer, Effect.sync(() => this.waiting.delete(question))), (answer) => {
        const heard = monotonic(clock)
        const time = Number(answer[0]) * 1000 + Number(answer[1]) / 1000
        this.believe({ least: time - heard, most: time - asked })
        return { answer, took: heard - asked }
      })
    })
  }

  // Whatever made an answer slow, on its way there or back, all of them together say best how the clocks stand to each other.
  private believe(reading: Reading): void {
    const all = [...this.readings.slice(1 - readings), reading]
    const least = Math.max(...all.map((one) => one.least))
    const most = Math.min(...all.map((one) => one.most))
    // One of the clocks was set, or they drift: what was believed before is over.
    this.readings = least > most ? [reading] : all
    this.shift = least > most ? (reading.least + reading.most) / 2 : (least + most) / 2
  }
}

/** What a message says; `undefined` where it is none of ours. */
export const newsOf = ({ message }: Redis.RedisMessage): News | undefined => {
  const [name, version, ...text] = message.split("\n")
  if (name === undefined || version === undefined) return undefined
  try {
    return { name: String(JSON.parse(name)), version, text: text.join("\n") }
  } catch {
    return undefined
  }
}

/** Milliseconds of the monotonic clock. */
export const monotonic = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1_000_000

// ---------------------------------------------------------------------------------------------------------------------

// A client may throw what it should have failed with.
const withoutDefects = <A>(answer: Effect.Effect<A, Redis.RedisError>): Effect.Effect<A, StoreError> =>
  answer.pipe(
    Effect.mapError(({ cause }) =>
      new StoreError({ message: `Redis: ${cause instanceof Error ? cause.message : String(cause)}` })
    ),
    Effect.catchDefect((defect) => Effect.fail(new StoreError({ message: `Redis: ${String(defect)}` })))
  )

const channelOf = (prefix: string): string => `${prefix}:news`
