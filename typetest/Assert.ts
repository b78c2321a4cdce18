/** Whether two types are the same, to the letter. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false

/** Whether a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false

/** Whether there is an `any` in a type: in itself, in what it takes, gives or holds, five levels down. */
export type HasAny<T, Depth extends ReadonlyArray<unknown> = []> = IsAny<T> extends true ? true
  : Depth["length"] extends 5 ? false
  : T extends (...args: infer Args) => infer Result
    ? true extends HasAny<Args[number], [...Depth, 0]> | HasAny<Result, [...Depth, 0]> ? true : false
  : T extends string | number | boolean | bigint | symbol | null | undefined ? false
  : T extends object
    ? true extends { [K in keyof T]-?: K extends "pipe" | symbol ? never : HasAny<T[K], [...Depth, 0]> }[keyof T] ? true
    : false
  : false

export const same = <A, B>(..._proof: Equal<A, B> extends true ? [] : [problem: "not the same type", A, B]): void => {}

export const holds = <_T extends true>(): void => {}

export const fails = <_T extends false>(): void => {}
