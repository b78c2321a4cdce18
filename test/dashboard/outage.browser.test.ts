import { describe, expect, it } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, type Exit, Fiber, Stream } from "effect"
import { Breaker, CallWindow, CircuitRejected, TripPolicy } from "effect-breaker"
import { LlmOutcome } from "effect-breaker/llm"
import { Fault } from "effect-breaker/testing"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Page } from "playwright-core"
import { hasBrowser } from "./browser.ts"
import { type Gateway, gateway } from "./gateway.ts"
import { axe } from "./script.ts"
import { card, live, names, text, visiting } from "./visiting.ts"

describe.skipIf(!hasBrowser)("the live page of a real service", () => {
  const { endings, visit } = visiting()

  const serve = async (options?: Parameters<typeof gateway>[0]): Promise<Gateway> => {
    const service = await gateway(options)
    endings.push(service.end)
    return service
  }

  const look = (service: Gateway) => visit(service, { extraHTTPHeaders: { "x-operator": "ann" }, colorScheme: "light" })

  /** A process of its own, that may die. */
  const start = async (port: number, ...names: ReadonlyArray<string>) => {
    const program = fileURLToPath(new URL("program.ts", import.meta.url))
    const child = spawn(process.execPath, ["--import", "tsx", program, String(port), ...names], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const kill = async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGKILL")
      await once(child, "exit")
    }
    endings.push(kill)
    const said = once(child.stdout.setEncoding("utf8"), "data")
    const died = once(child, "exit").then(([code]) => Promise.reject(new Error(`the program ended with ${code}`)))
    const [line] = await Promise.race([said, died])
    died.catch(() => {})
    return { url: String(line).trim(), kill }
  }

  /** Looked for by the debugger: as a script of the page the server's own policy would not let it run. */
  const everybodyCanUse = async (page: Page) => {
    await page.evaluate(axe())
    expect(
      await page.evaluate(`axe.run().then(({ violations }) =>
        violations.map(({ id, nodes }) => [id, ...nodes.map((node) => node.failureSummary + node.html)])
      )`)
    ).toEqual([])
  }

  it("tells an outage as it happens: open, for how long, half-open, and closed again", async () => {
    const service = await serve()
    const { ask, provider, run } = service
    const breaker = await run(Breaker.make({
      name: "openai",
      classify: LlmOutcome.classify,
      tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 4, window: CallWindow.lastCalls(10) }),
      openDuration: "4 seconds",
      halfOpen: { successes: 2 },
      ramp: { shares: [0.25], every: "10 millis" }
    }))
    const call = Effect.exit(breaker.execute(ask))
    const calls = (count: number) => run(Effect.replicateEffect(call, count))
    const page = await look(service)
    const openai = card(page, "openai")
    const words = () => text(openai)
    const next = async () => Number(/Next probe in (\d+) s/.exec(await words())?.[1] ?? 0)
    const colour = () => page.evaluate<string>("getComputedStyle(document.querySelector('.card')).borderTopColor")
    const segments = () => text(page.locator(".segments"))

    await calls(3)
    await expect.poll(words).toContain("Failed 0 % of 3 calls")
    expect(await words()).toMatch(/^openai Closed for \d+ s No failure so far/)
    expect(await segments()).toBe("0 Open 0 Isolated 0 Half-open 1 Closed")
    await everybodyCanUse(page)

    await run(provider.setHealth({ faults: [{ fault: Fault.overloaded, share: 1 }] }))
    await calls(3)
    expect((await calls(2)).map(reasonOf)).toEqual(["Open", "Open"])

    await expect.poll(words).toContain("Refused 2")
    expect(await words()).toMatch(/^openai Open for \d+ s Next probe in [1-4] s/)
    expect(await words()).toContain("50 % of the last 6 calls failed (limit 50 %)")
    expect(await words()).toMatch(/Last failure: overloaded, (just now|\d+ s ago)/)
    expect(await page.title()).toBe("(1) Circuits")
    expect(await segments()).toBe("1 Open 0 Isolated 0 Half-open 0 Closed")
    await expect.poll(colour).toBe("rgb(211, 49, 59)")
    const left = await next()
    await everybodyCanUse(page)
    await expect.poll(next).toBeLessThan(left)
    await expect.poll(words).toContain("The next call is a probe")

    await run(provider.setHealth({ faults: [{ fault: Fault.hangBeforeHeaders, share: 1 }] }))
    const patience = Deferred.makeUnsafe<never, Cause.TimeoutError>()
    const probe = Effect.runFork(breaker.execute(Effect.raceFirst(ask, Deferred.await(patience))))
    await expect.poll(words).toMatch(/^openai Probing for \d+ s Probes go through, any other call is refused/)
    expect((await calls(1)).map(reasonOf)).toEqual(["HalfOpen"])
    await expect.poll(words).toMatch(/In flight 1 Refused 3/)
    expect(await segments()).toBe("0 Open 0 Isolated 1 Half-open 0 Closed")
    await expect.poll(colour).toBe("rgb(207, 138, 0)")
    await everybodyCanUse(page)

    await run(Deferred.fail(patience, new Cause.TimeoutError()))
    await run(Fiber.await(probe))
    await expect.poll(words).toMatch(/^openai Open for \d+ s Next probe in/)
    expect(await words()).toMatch(/Last failure: timeout/)

    await run(provider.setHealth({}))
    await expect.poll(words).toContain("The next call is a probe")
    await calls(1)
    await expect.poll(words).toMatch(/^openai Probing/)
    await calls(1)
    await expect.poll(words).toMatch(/^openai Ramping 25 % for \d+ s 25 % of calls go through/)
    await expect.poll(colour).toBe("rgb(47, 131, 214)")
    await everybodyCanUse(page)
    await expect.poll(async () => {
      await calls(1)
      return words()
    }).toMatch(/^openai Closed/)
    await everybodyCanUse(page)
    expect(
      (await page.locator(".happenings p").allInnerTexts()).map((each) => each.replaceAll(/\s+/g, " "))
    ).toEqual([
      "openai closed",
      "openai lets 25 % of the calls through",
      "openai asks with probes",
      "openai opened for 4s: 1 of 2 probes failed (limit 1)",
      "openai asks with probes",
      "openai opened for 4s: 50 % of the last 6 calls failed (limit 50 %)"
    ])
  })

  it("lets an operator isolate a circuit: the very next call is refused, and says by whom and why", async () => {
    const service = await serve()
    const { ask, provider, run } = service
    const breaker = await run(Breaker.make({ name: "openai", classify: LlmOutcome.classify }))
    const events: Array<Breaker.Event> = []
    await run(Effect.forkScoped(Stream.runForEach(breaker.events, (event) => Effect.sync(() => events.push(event))), {
      startImmediately: true
    }))
    const call = () => run(Effect.exit(breaker.execute(ask)))
    const reached = async () => (await run(provider.journal)).length
    const page = await look(service)
    const words = () => text(card(page, "openai"))
    await call()
    expect(await reached()).toBe(1)

    await page.getByRole("button", { name: "Isolate openai" }).click()
    const dialog = page.getByRole("dialog", { name: "Isolate openai?" })
    await dialog.getByLabel("In 5 min").check()
    await dialog.getByLabel("Note").fill("billing is wrong")
    await everybodyCanUse(page)
    expect(reasonOf(await call())).toBe("Success")
    await dialog.getByRole("button", { name: "Isolate", exact: true }).click()
    await page.getByText(/^Isolated openai until \d\d:\d\d\.$/).waitFor()
    const refused = await call()

    expect(reasonOf(refused)).toBe("Isolated")
    const { cause, retryAfter } = rejectionOf(refused)!
    expect([cause.note, cause.by]).toEqual(["billing is wrong", "ann"])
    expect(Duration.toMinutes(retryAfter)).toBeGreaterThan(4)
    expect(Duration.toMinutes(retryAfter)).toBeLessThanOrEqual(5)
    expect(await reached()).toBe(2)
    await expect.poll(words).toMatch(/Isolated for \d+ s Every call is refused until \d\d:\d\d, for [45] min/)
    expect(await words()).toContain("billing is wrong by ann")
    await expect.poll(words).toContain("Refused 1")
    await everybodyCanUse(page)

    await page.getByRole("button", { name: "Release openai" }).click()
    await page.getByRole("button", { name: "Release", exact: true }).click()
    await page.getByText("Released openai.", { exact: true }).waitFor()

    expect(reasonOf(await call())).toBe("Success")
    expect(await reached()).toBe(3)
    await expect.poll(words).toMatch(/^openai Closed/)
    await everybodyCanUse(page)
    expect(events.flatMap((event) => event._tag === "Commanded" ? [[event.command, event.by, event.note]] : []))
      .toEqual([["Isolate", "ann", "billing is wrong"], ["Release", "ann", undefined]])
    await expect.poll(() => page.locator(".happenings p").allInnerTexts()).toEqual([
      "openai ordered to be let go by ann",
      "openai let go: closed",
      "openai ordered to be isolated: billing is wrong by ann",
      "openai isolated by hand (billing is wrong) by ann"
    ])
  })

  it("lets nobody else give orders, and says so", async () => {
    const service = await serve()
    const breaker = await service.run(Breaker.make({ name: "openai" }))
    const page = await visit(service, {}, { mayComplain: /status of 403/ })

    await page.getByRole("button", { name: "Isolate openai" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Isolate", exact: true }).click()

    await page.getByText("Not done: The guard of this page did not let the request pass.").waitFor()
    await everybodyCanUse(page)
    expect((await service.run(breaker.state))._tag).toBe("Closed")
  })

  it("counts the circuits in trouble that it has no room for", async () => {
    const service = await serve({ circuits: 2 })
    const { run } = service
    const breakers = await run(Effect.forEach(["a", "b", "c"], (name) => Breaker.make({ name })))
    const page = await look(service)
    await expect.poll(() => text(page.locator("p.hidden"))).toContain("And 1 circuit more")
    expect(await page.locator(".beyond").count()).toBe(0)

    await run(Effect.forEach(breakers, (breaker) => breaker.trip()))
    await expect.poll(() => page.locator(".beyond").allInnerTexts().then((all) => all.join()))
      .toMatch(/^1 more circuit is in trouble and not shown/)
    await everybodyCanUse(page)
    await run(breakers[0]!.reset)
    await expect.poll(() => page.locator(".beyond").count()).toBe(0)
  })

  it("says that it lost its server, and shows what is true as soon as the server is back", async () => {
    const service = await serve()
    const { run } = service
    const openai = await run(Breaker.make({ name: "openai" }))
    const mistral = await run(Breaker.make({ name: "mistral" }))
    await run(openai.trip({ note: "they asked us to" }))
    const page = await look(service)
    await expect.poll(() => text(card(page, "openai"))).toContain("Open")

    await service.stop()
    await page.getByText(/^reconnecting since \d\d:\d\d:\d\d/).waitFor()
    expect(await text(page.locator(".connection"))).toContain("what is shown may be old")
    expect(await text(card(page, "openai"))).toContain("Open")
    await everybodyCanUse(page)
    await run(openai.reset)
    await run(mistral.isolate({ note: "no money", by: "bob" }))
    await service.start()

    await live(page)
    expect(await names(page)).toEqual(["mistral", "openai"])
    expect(await text(card(page, "mistral"))).toContain("no money by bob")
    expect(await text(card(page, "openai"))).toMatch(/^openai Closed/)
    expect(await text(page.locator(".connection"))).toMatch(/^live ?server restarted at/)
    await everybodyCanUse(page)
    await run(mistral.release)
    await expect.poll(() => text(card(page, "mistral"))).toMatch(/^mistral Closed/)
  })

  it("takes nothing of a process that died for true of the next one", async () => {
    const first = await start(0, "anthropic!", "openai")
    const page = await visit(first, {})
    await expect.poll(() => names(page)).toEqual(["anthropic", "openai"])
    await expect.poll(() => text(card(page, "anthropic"))).toMatch(/^anthropic Open .* Refused [1-9]/)
    const idOf = (name: string) => card(page, name).getAttribute("data-id")
    const ids = [await idOf("anthropic"), await idOf("openai")]

    await first.kill()
    await page.getByText(/^reconnecting since \d\d:\d\d:\d\d/).waitFor()
    await start(Number(new URL(first.url).port), "cohere", "mistral!")

    await live(page)
    await expect.poll(() => names(page)).toEqual(["mistral", "cohere"])
    expect([await idOf("cohere"), await idOf("mistral")]).toEqual(ids)
    expect(await text(card(page, "cohere"))).toMatch(/^cohere Closed for \d+ s No failure so far/)
    expect(await text(card(page, "mistral"))).toMatch(/^mistral Open/)
    expect(await text(page.locator(".segments"))).toBe("1 Open 0 Isolated 0 Half-open 1 Closed")
    expect((await page.locator(".happenings").innerText()).includes("anthropic")).toBe(false)
    await everybodyCanUse(page)
    await page.getByRole("searchbox").fill("mistral")
    expect(await names(page)).toEqual(["mistral"])
  })
})

// ---------------------------------------------------------------------------------------------------------------------

const rejectionOf = (exit: Exit.Exit<unknown, unknown>): CircuitRejected | undefined => {
  const error = exit._tag === "Failure" ? Cause.squash(exit.cause) : undefined
  return error instanceof CircuitRejected ? error : undefined
}

const reasonOf = (exit: Exit.Exit<unknown, unknown>): string => rejectionOf(exit)?.reason ?? exit._tag
