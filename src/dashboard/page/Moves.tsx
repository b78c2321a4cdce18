/** The way from one order to another, a few moves at a time: for a browser each card that moves is a new one. */

/** The next order on the way. The top comes right first. */
export const towards = (
  order: ReadonlyArray<string>,
  wanted: ReadonlyArray<string>,
  most: number
): ReadonlyArray<string> => {
  const places = new Map(wanted.map((id, place) => [id, place]))
  const stay = inOrder(order, places)
  const next = [...order]
  let moves = 0
  for (const [place, id] of wanted.entries()) {
    while (next[place] !== id) {
      if (moves++ === most) return next
      const moving = stay.has(id) ? next[place]! : id
      next.splice(next.indexOf(moving, place), 1)
      next.splice(moving === id ? place : places.get(moving)!, 0, moving)
    }
  }
  return next
}

// ---------------------------------------------------------------------------------------------------------------------

/** As many as can stay where they are: the longest part of the order that is as wanted already. */
const inOrder = (order: ReadonlyArray<string>, places: ReadonlyMap<string, number>): ReadonlySet<string> => {
  /** What ends the part of each length, at the earliest place. */
  const ends: Array<string> = []
  const before = new Map<string, string | undefined>()
  for (const id of order) {
    const length = ends.findLastIndex((end) => places.get(end)! < places.get(id)!) + 1
    before.set(id, ends[length - 1])
    ends[length] = id
  }
  const part = new Set<string>()
  for (let id = ends.at(-1); id !== undefined; id = before.get(id)) part.add(id)
  return part
}
