import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, BrowserContext, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ReadingRights } from "../../operator/console/reading-rights.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import { eventually } from "../eventually.ts";
import { consoleWorld, type ConsoleWorld } from "../fixtures/console-world.ts";
import { startBrowser } from "../programs/browser.ts";
import { startFixtureConsole, type FixtureConsole } from "../programs/fixture-console.ts";

/** The console's page in a real browser, served by the console's real server. */
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const NOW_MS = Date.UTC(2026, 2, 3, 14, 20);
const WITHIN = { withinMs: 10_000, everyMs: 50 };

let browser: Browser;
let world: ConsoleWorld;
let server: FixtureConsole;
let context: BrowserContext;
let page: Page;
/** What the browser complained about: violations of the Content-Security-Policy among it. */
let complaints: string[];

beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(async () => browser.close());
beforeEach(async () => {
  world = consoleWorld(NOW_MS);
  server = await startFixtureConsole({ sources: world });
  await open();
});
afterEach(async () => {
  await context.close();
  await server.close();
});

async function open(options: { colorScheme?: "light" | "dark"; width?: number } = {}): Promise<void> {
  const { colorScheme = "light", width = 1200 } = options;
  context = await browser.newContext({ colorScheme, viewport: { width, height: 900 }, timezoneId: "UTC" });
  page = await context.newPage();
  page.setDefaultTimeout(WITHIN.withinMs);
  complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
}

async function goTo(hash: string): Promise<void> {
  await page.goto(`${server.url}/${hash}`);
  await page.locator("h1").waitFor();
}

function hasFocus(element: Locator): Promise<boolean> {
  return element.evaluate((it: { ownerDocument: { activeElement: unknown } }) => it.ownerDocument.activeElement === it);
}

async function expectNothingFromAxe(): Promise<void> {
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate<{
    violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
    passes: unknown[];
  }>("axe.run()");
  expect(passes.length).toBeGreaterThan(10);
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.failureSummary} ${nodes[0]?.html}`)).toEqual([]);
}

/** Presses Tab until the element with this role and name has the focus. */
async function tabTo(role: "link" | "button" | "searchbox", name: string): Promise<void> {
  const wanted = page.getByRole(role, { name, exact: true });
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (await hasFocus(wanted)) return;
  }
  throw new Error(`Tab does not lead to ${role} ${name}`);
}

test("by the keyboard alone one filters, opens a service, looks at its drift, and comes back", async () => {
  await goTo("#/");
  await tabTo("searchbox", "Filter");
  await page.keyboard.type("pay drifting");
  await expect.poll(() => page.getByRole("row").count(), { timeout: WITHIN.withinMs }).toBe(2);
  expect(await page.getByRole("status").textContent()).toBe("1 of 7");
  await tabTo("link", "fraud");
  await page.keyboard.press("Enter");
  const heading = page.getByRole("heading", { name: "fraud", level: 1 });
  await heading.waitFor();
  // Whoever cannot see the page hears that it is another one.
  await eventually("the heading has the focus", async () => (await hasFocus(heading)) || undefined, WITHIN);
  expect(await page.title()).toBe("fraud · Lockstep");
  await tabTo("link", "Drift");
  await page.keyboard.press("Enter");
  await page.getByText("3 of 6 features have moved").waitFor();
  expect(await page.locator(".feature-name").allTextContents()).toEqual([
    "input.amount",
    "input.channel",
    "score",
    "input.distance_km",
    "input.hour",
    "input.age_days",
  ]);
  await page.goBack();
  await page.goBack();
  await page.getByRole("heading", { name: "InferenceServices", level: 1 }).waitFor();
  expect(complaints).toEqual([]);
});

test("a skip link leads past the header", async () => {
  await goTo("#/");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  expect(await hasFocus(page.locator("main"))).toBe(true);
});

test("each plot has its numbers as a table, and says in words what it shows", async () => {
  await goTo("#/services/payments/fraud/traffic");
  const latency = page.locator("figure", { hasText: "Latency" });
  expect(await latency.locator("svg[role=img] title").textContent()).toMatch(
    /^Latency\. p50: now [\d.]+ ms, at most [\d.]+ ms; p90/,
  );
  await latency.getByText("Numbers").click();
  const rows = latency.getByRole("row");
  expect(await rows.first().getByRole("columnheader").allTextContents()).toEqual(["Time", "p50", "p90", "p99"]);
  expect(await rows.count()).toBe(121);
  expect(await page.locator("figure").count()).toBe(6);
  const errors = page.locator("figure", { hasText: "Errors per second" }).locator(".legend");
  expect(await errors.textContent()).toContain("QUEUE_FULL");
});

test("which replica holds what is a table of replicas and versions", async () => {
  await goTo("#/services/payments/fraud/replicas");
  const cells = await page.locator("table.matrix tbody tr").nth(2).locator("td").allTextContents();
  expect(cells.slice(0, 5)).toEqual(["Ready", "Available active", "Loading", "Serving", "12"]);
  await goTo("#/services/payments/chargeback/replicas");
  await page.getByText("does not answer this operator").waitFor();
  expect(await page.locator("table.matrix tbody tr").nth(1).locator("td").allTextContents()).toContain("unknown");
});

test("a failure says what to do", async () => {
  await goTo("#/services/growth/churn");
  await page.getByText("version 12 is not in s3://models/churn").first().waitFor();
  const remedies = await page.locator(".remedy").allTextContents();
  expect(remedies).toContainEqual(expect.stringContaining("correct versionPolicy or upload the version"));
});

test("what changes in the cluster changes on the page, while it can be seen", async () => {
  await goTo("#/services/payments/fraud");
  const isvc = world.services.get("payments/fraud");
  if (isvc === undefined) throw new Error("the fixture has no payments/fraud");
  world.services.set("payments/fraud", { ...isvc, status: { ...isvc.status, activeVersion: 8 } });
  await expect.poll(() => page.locator("dl.tiles dd").first().textContent(), { timeout: WITHIN.withinMs }).toBe("8");
});

test("a page that nobody can see asks for nothing, and is up to date as soon as it is seen", async () => {
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes("/api/v1/")) asked++;
  });
  await page.clock.install({ time: NOW_MS });
  await goTo("#/");
  await page.clock.runFor(3_000);
  await expect.poll(() => asked, { timeout: WITHIN.withinMs }).toBe(2);
  await page.waitForLoadState("networkidle");
  const setHidden = (hidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, "hidden", { configurable: true, value: ${hidden} });` +
        `document.dispatchEvent(new Event("visibilitychange"));`,
    );
  await setHidden(true);
  await page.clock.runFor(60_000);
  expect(asked).toBe(2);
  await setHidden(false);
  await expect.poll(() => asked, { timeout: WITHIN.withinMs }).toBe(3);
});

test("a page whose operator has gone keeps what it shows, and says so", async () => {
  await goTo("#/");
  await server.close();
  await page.getByRole("alert").getByText("The operator does not answer").waitFor();
  expect(await page.getByRole("link", { name: "fraud" }).isVisible()).toBe(true);
});

test("what a name or a message has in it of HTML is text", async () => {
  for (const hash of [
    "#/",
    "#/services/growth/" +
      encodeURIComponent([...world.services.keys()].find((key) => key.includes("hostile"))?.slice(7) ?? ""),
  ]) {
    await goTo(hash);
    await page.getByText("onerror=").first().waitFor();
    expect(await page.locator("#page img:not([src='/console.svg']), #page script").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
  }
  expect(complaints).toEqual([]);
});

describe.each(["light", "dark"] as const)("in %s", (colorScheme) => {
  const places = [
    "#/",
    ...["", "/traffic", "/replicas", "/drift", "/history"].map((section) => `#/services/payments/fraud${section}`),
    "#/services/growth/churn",
  ];

  test.each(places)("axe finds nothing wrong, and nothing breaks the Content-Security-Policy: %s", async (hash) => {
    await context.close();
    await open({ colorScheme });
    await goTo(hash);
    for (const summary of (await page.locator("details summary").all()).slice(0, 2)) await summary.click();
    await expectNothingFromAxe();
    expect(complaints).toEqual([]);
  });

  test("nor in a dialog", async () => {
    await context.close();
    await open({ colorScheme });
    await goTo("#/services/payments/fraud/history");
    await page.getByRole("button", { name: "Pin a version…" }).click();
    const field = page.getByLabel("Token of the cluster");
    await eventually("the field has the focus", async () => (await hasFocus(field)) || undefined, WITHIN);
    await page.keyboard.type("a token");
    await page.keyboard.press("Enter");
    const version = page.getByLabel("Version", { exact: true });
    await eventually("the next field has the focus", async () => (await hasFocus(version)) || undefined, WITHIN);
    expect(await version.inputValue()).toBe("6");
    await expectNothingFromAxe();
    expect(complaints).toEqual([]);
  });

  test("the page has colours of its own", async () => {
    await context.close();
    await open({ colorScheme });
    await goTo("#/");
    const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
    const [red = 0] = [...background.matchAll(/\d+/g)].map(Number);
    expect(colorScheme === "dark" ? 255 - red : red).toBeGreaterThan(200);
  });
});

test.each(["#/", "#/services/payments/fraud", "#/services/payments/fraud/drift"])(
  "on a phone nothing is wider than the screen: %s",
  async (hash) => {
    await context.close();
    await open({ width: 360 });
    await goTo(hash);
    await page
      .locator(hash === "#/" ? "table" : "main svg")
      .first()
      .waitFor();
    expect(await page.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
  },
);

test("where reading takes a token, the page asks for it, and shows what its bearer may see", async () => {
  await server.close();
  server = await startFixtureConsole({
    sources: world,
    readingRights: new ReadingRights({
      ask: (token, namespace) => {
        if (token !== "good") throw new ApiError({ status: 401, reason: "Unauthorized", message: "Unauthorized" });
        return Promise.resolve(namespace === "vision");
      },
      clock: { nowMs: () => 0 },
    }),
  });
  await page.goto(`${server.url}/`);
  const field = page.getByLabel("Token of the cluster");
  await field.fill("bad");
  await field.press("Enter");
  await page.getByText("does not know this token").waitFor();
  await field.fill("good");
  await field.press("Enter");
  await page.getByRole("link", { name: "digits" }).waitFor();
  expect(await page.getByRole("link", { name: "fraud" }).count()).toBe(0);
  // It is nowhere but in memory.
  expect(await page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")).toEqual(["", 0, 0]);
  await page.getByRole("button", { name: "Forget the token" }).click();
  await page.getByText("This needs a token of the cluster").waitFor();
  expect(await page.getByRole("link", { name: "digits" }).count()).toBe(0);
});
