export * as FakeProvider from "./FakeProvider.ts"
export * as Fault from "./Fault.ts"
