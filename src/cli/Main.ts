#!/usr/bin/env node
/**
 * The command `effect-breaker`. Everything it does is in `Program`; this part only says what is missing.
 *
 * @since 0.1.0
 */
import process from "node:process"

// Loaded here and not before: whoever lacks the package should read a sentence, not a stack trace.
try {
  const { main } = await import("./Program.ts")
  main()
} catch (error) {
  const text = String((error as { readonly message?: unknown } | null)?.message)
  if (!/@effect\/platform-node/.test(text)) throw error
  process.stderr.write(
    "effect-breaker: the command needs the package @effect/platform-node beside effect. Install it:\n"
      + "  npm install @effect/platform-node\n"
  )
  process.exitCode = 1
}
