/**
 * Draws what changed once a frame: the page, then the cards that can be seen, then some of the others, so that a beat in
 * which every circuit changed never holds up the viewer.
 */

/** A card that may have to be drawn anew. */
export interface Drawn {
  readonly stale: () => boolean
  readonly near: () => boolean
  readonly redraw: () => void
}

const cardsPerFrame = 25

const cards = new Set<Drawn>()
const pages = new Set<() => void>()
const strips = new Set<() => void>()
let requested = false
let dirty = false

export const onPage = (redraw: () => void): () => void => register(pages, redraw)
export const onCard = (card: Drawn): () => void => register(cards, card)
export const onStrip = (redraw: () => void): () => void => register(strips, redraw)

/** Something changed. */
export const request = (): void => {
  dirty = true
  next()
}

const next = (): void => {
  if (requested) return
  requested = true
  requestAnimationFrame(frame)
}

const frame = (): void => {
  requested = false
  if (dirty) {
    dirty = false
    for (const redraw of pages) redraw()
    for (const redraw of strips) redraw()
  }
  const stale = [...cards].filter((card) => card.stale())
  const far = stale.filter((card) => !card.near())
  for (const card of stale) if (card.near()) card.redraw()
  for (const card of far.slice(0, cardsPerFrame)) card.redraw()
  if (far.length > cardsPerFrame) next()
}

function register<A>(all: Set<A>, one: A): () => void {
  all.add(one)
  return () => {
    all.delete(one)
  }
}
