export * as CallLog from "./CallLog.ts"
export * as CallRecord from "./CallRecord.ts"
export * as Policy from "./Policy.ts"
export * as Timeline from "./Timeline.ts"
