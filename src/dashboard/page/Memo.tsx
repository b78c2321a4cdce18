import { Component, type ComponentType, type FunctionComponent, h } from "preact"

/** Draws anew only where a prop is another one. */
export const memo = <P extends object>(draw: FunctionComponent<P>): ComponentType<P> =>
  class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return (Object.keys(next) as Array<keyof P>).some((key) => next[key] !== (this.props as P)[key])
    }
    override render() {
      return h(draw, this.props as P)
    }
  }
