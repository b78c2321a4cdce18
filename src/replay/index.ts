export * as Policy from "./Policy.ts"
export * as Timeline from "./Timeline.ts"
