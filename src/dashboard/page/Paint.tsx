/**
 * Draws what changed: the page once a frame, then cards a few at a time, so that a beat in which every circuit changed
 * never holds up the viewer. Cards that can be seen come first, in frames. The others follow between frames: they are read
 * by who searches the page or has it read aloud.
 */

/** A card that may have to be drawn anew. */
export interface Drawn {
  /** It is seen, or about to be. */
  readonly near: () => boolean
  /** It would come out differently, whatever the time. */
  readonly changed: () => boolean
  readonly redraw: () => void
}

/** A row of a wide screen. */
const nearPerFrame = 6
const farAtOnce = 24
const farEvery = 100
/** Texts that only tell how long ago something was may be as old as this where nobody sees them. */
const farStays = 5000

/** When each card was drawn. Those that wait longest are first. */
const cards = new Map<Drawn, { readonly moment: number; readonly at: number }>()
const pages = new Set<() => void>()
/** Rises whenever cards may come out differently. */
let moment = 0
let dirty = false
let requested = false
let following: ReturnType<typeof setTimeout> | undefined

export const onPage = (redraw: () => void): () => void => {
  pages.add(redraw)
  return () => {
    pages.delete(redraw)
  }
}

export const onCard = (card: Drawn): () => void => {
  mark(card)
  return () => {
    cards.delete(card)
  }
}

/** Something changed, if it is only the time. */
export const request = (): void => {
  moment++
  dirty = true
  next()
  following ??= setTimeout(follow, farEvery)
}

// A frame that was asked for does not come while the page is in the background.
document.addEventListener("visibilitychange", () => {
  requested = false
  request()
})

/** This card is seen now. */
export const come = (card: Drawn): void => {
  cards.set(card, { moment: -1, at: 0 })
  next()
}

// ---------------------------------------------------------------------------------------------------------------------

const next = (): void => {
  if (requested) return
  requested = true
  // Nobody draws frames of a page in the background, but its title is seen.
  if (document.visibilityState === "hidden") setTimeout(frame)
  else requestAnimationFrame(frame)
}

const frame = (): void => {
  requested = false
  if (dirty) {
    dirty = false
    for (const redraw of pages) redraw()
    next()
    return
  }
  if (document.visibilityState === "hidden") return
  const stale = first(nearPerFrame + 1, (card, drawn) => card.near() && drawn.moment !== moment)
  for (const card of stale.slice(0, nearPerFrame)) draw(card)
  if (stale.length > nearPerFrame) next()
}

const follow = (): void => {
  following = undefined
  if (document.visibilityState === "hidden") return
  const now = performance.now()
  const due = first(farAtOnce, (card, { at }) => !card.near() && (card.changed() || now - at > farStays))
  for (const card of due) draw(card)
  if (due.length === farAtOnce) following = setTimeout(follow, farEvery)
}

const first = (most: number, is: (card: Drawn, drawn: { moment: number; at: number }) => boolean): Array<Drawn> => {
  const found: Array<Drawn> = []
  for (const [card, drawn] of cards) {
    if (!is(card, drawn)) continue
    if (found.push(card) === most) break
  }
  return found
}

const draw = (card: Drawn): void => {
  mark(card)
  card.redraw()
}

const mark = (card: Drawn): void => {
  cards.delete(card)
  cards.set(card, { moment, at: performance.now() })
}
