/** The server's clock, and texts that follow it second by second. */
import { useEffect, useState } from "preact/hooks"

const offsets: Array<number> = []
let offset = 0

/**
 * Takes the server's time from a frame. A frame comes late by its way through the network, never early: of the last few
 * the largest difference is the truest.
 */
export const observe = (at: number): void => {
  offsets.push(at - Date.now())
  if (offsets.length > 10) offsets.shift()
  offset = Math.max(...offsets)
}

/** Another server may have another clock. */
export const forget = (): void => {
  offsets.length = 0
}

/** The server's time now. */
export const now = (): number => Date.now() + offset

const listeners = new Set<() => void>()

/** Calls `listener` about every second. */
export const onTick = (listener: () => void): () => void => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

setInterval(() => {
  for (const listener of listeners) listener()
}, 1000)

/** A text that depends on the time. Only where it comes out differently is anything drawn anew. */
export const Ticking = (props: { readonly text: (now: number) => string }) => {
  const [, redraw] = useState(0)
  const { text } = props
  const shown = text(now())
  useEffect(() =>
    onTick(() => {
      if (text(now()) !== shown) redraw((count) => count + 1)
    })
  )
  return <>{shown}</>
}
