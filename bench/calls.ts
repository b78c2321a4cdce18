/**
 * What a call costs: a closed circuit and a refusal, in time and in garbage, ours and the peers'.
 */
import { garbage, median, minus, over, quantile, type Rounds, time } from "./rounds.ts"
import { BARE_EFFECT, BARE_PROMISE, type Subject } from "./subjects.ts"

/** What one kind of call costs. Nanoseconds and bytes per call. */
export interface Cost {
  readonly whole: number
  readonly fastest: number
  /** Over the bare call of the same kind in the same round: median and the middle half of the rounds. */
  readonly added: number
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly addedBytes: number
}

/** Our cost over a peer's: medians of the ratios round by round, of what is added and of the whole call. */
export interface Ratio {
  readonly peer: string
  readonly added: number
  readonly whole: number
}

export interface CallCost {
  readonly name: string
  readonly kind: Subject["kind"]
  readonly closed: Cost
  readonly refused: Cost
  readonly ratios?: {
    readonly persistence?: { readonly closed: Ratio; readonly refused: Ratio }
    readonly cockatiel: { readonly closed: Ratio; readonly refused: Ratio }
  }
}

type Kind = "closed" | "refused"

export const measureCalls = async (
  subjects: ReadonlyArray<Subject>,
  options: { readonly calls: number; readonly rounds: number; readonly warmUp: number; readonly batches: number }
): Promise<ReadonlyArray<CallCost>> => {
  const loops = (kind: Kind) => subjects.map((subject) => ({ ...subject[kind], name: `${subject.name}: ${kind}` }))
  const all = [...loops("closed"), ...loops("refused")]
  const took = await time(all, options)
  const bytes = new Map<string, number>()
  for (const loop of all) bytes.set(loop.name, await garbage(loop, options.batches))
  for (const subject of subjects) await subject.check()

  const wholeOf = (name: string, kind: Kind): Rounds => took(`${name}: ${kind}`)
  const bareOf = (name: string): string =>
    subjects.find((one) => one.name === name)!.kind === "effect" ? BARE_EFFECT : BARE_PROMISE
  const addedOf = (name: string, kind: Kind): Rounds => minus(wholeOf(name, kind), wholeOf(bareOf(name), kind))

  const costOf = (name: string, kind: Kind): Cost => {
    const added = addedOf(name, kind)
    const whole = wholeOf(name, kind)
    const weight = bytes.get(`${name}: ${kind}`)!
    return {
      whole: median(whole),
      fastest: Math.min(...whole),
      added: median(added),
      from: quantile(added, 0.25),
      to: quantile(added, 0.75),
      bytes: weight,
      addedBytes: weight - bytes.get(`${bareOf(name)}: ${kind}`)!
    }
  }
  const ratioOf = (name: string, peer: string, kind: Kind): Ratio => ({
    peer,
    added: median(over(addedOf(name, kind), addedOf(peer, kind))),
    whole: median(over(wholeOf(name, kind), wholeOf(peer, kind)))
  })
  const ratiosOf = (name: string, peer: string) => ({
    closed: ratioOf(name, peer, "closed"),
    refused: ratioOf(name, peer, "refused")
  })
  return subjects.map(({ kind, name, peers }) => ({
    name,
    kind,
    closed: costOf(name, "closed"),
    refused: costOf(name, "refused"),
    ...(peers && {
      ratios: {
        ...(peers.persistence !== undefined && { persistence: ratiosOf(name, peers.persistence) }),
        cockatiel: ratiosOf(name, peers.cockatiel)
      }
    })
  }))
}
