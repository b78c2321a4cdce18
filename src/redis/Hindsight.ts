/**
 * What a process that is left alone makes of what it could not tell: the fleet's circuit as it last knew it, and nobody else
 * there.
 *
 * @since 0.1.0
 */
import type * as Circuit from "../Circuit.ts"
import * as Fleet from "./Fleet.ts"
import type * as Stored from "./Stored.ts"

/** The circuit of the fleet as it would have opened; `undefined` where it would not have. Changes what it is given. */
export const opened = (
  fleet: Stored.Fleet,
  untold: Pick<Fleet.Report, "member" | "now" | "shift" | "running" | "happened" | "well">,
  pace: Fleet.Pace
): Circuit.Circuit | undefined => {
  const { circuit, members } = fleet
  const { generation } = circuit.cell.current
  members.clear()
  Fleet.apply(fleet, { ...untold, looks: true, probes: [], orders: [], asks: [] }, pace)
  const { current } = circuit.cell
  return current._tag === "Open" && current.generation !== generation ? circuit : undefined
}
