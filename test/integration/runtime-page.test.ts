import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startBrowser } from "../programs/browser.ts";
import { EXAMPLES, eventually, infer, startReplicaProcess, temporaryFolder } from "./runtime-under-test.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BROWSER_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

let browser: Browser;

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(() => browser.close());

/** A replica that serves these of the example models. */
async function startModels(
  models: readonly string[],
  { protocols, ...environment }: { readonly protocols?: readonly string[]; readonly LOCKSTEP_UI?: string } = {},
): Promise<string> {
  const config = path.join(await temporaryFolder(), "config.json");
  await writeFile(
    config,
    JSON.stringify({
      configVersion: 1,
      service: { namespace: "default", name: "page" },
      models: models.map((name) => ({
        name,
        storageUri: `file://${EXAMPLES}/models/${name}`,
        format: "onnx",
        versionPolicy: { kind: "all" },
      })),
      ...(protocols !== undefined && { protocols }),
    }),
  );
  const replica = await startReplicaProcess({ LOCKSTEP_CONFIG: config, ...environment });
  await eventually(
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).ok ? true : undefined),
    () => `ready, got ${replica.process.output}`,
  );
  return replica.url;
}

/** The page, and what the browser complained of while it was there. */
async function open(
  url: string,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage(options);
  onTestFinished(() => page.close());
  page.setDefaultTimeout(20_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  // What the browser says of an answer that is an error is not the page's fault.
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      complaints.push(message.text());
  });
  await page.goto(url);
  await page.getByRole("heading", { name: "Try it" }).waitFor();
  return { page, complaints };
}

async function seriousViolations(page: Page): Promise<string[]> {
  // Not as a script of the page, which would refuse it.
  await page.evaluate(AXE);
  return (await page.evaluate(`axe.run().then(({ violations }) =>
    violations.filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ")))`)) as string[];
}

const isFocused = (locator: Locator): Promise<boolean> =>
  locator.evaluate((element) => (element as { matches(selector: string): boolean }).matches(":focus"));

const answerOf = (page: Page) => page.getByRole("region", { name: "Answer", exact: true });

describe("the page", () => {
  test("shows what is served, and is answered the request that it brings, by the keyboard alone", async () => {
    const url = await startModels(["iris", "topic"]);
    const { page, complaints } = await open(url);
    expect(await page.getByRole("status").first().textContent()).toBe("ready");
    const signature = page.getByRole("table", { name: "Signature" });
    const rows = await signature.getByRole("row").allTextContents();
    expect(rows.slice(1)).toEqual(["inputinputFP32any × 4", "outputlabelINT64any", "outputprobabilitiesFP32any × 3"]);
    expect(await page.getByText("Runs on").locator("..").textContent()).toMatch(/ServingThread|Worker/);
    expect(await page.getByText("sha256:").first().getAttribute("title")).toMatch(/^sha256:[0-9a-f]{64}$/);

    // From the top: to the data of the input, and on.
    const data = page.getByLabel("Data of input");
    for (let presses = 0; !(await isFocused(data)); presses++) {
      expect(presses).toBeLessThan(30);
      await page.keyboard.press("Tab");
    }
    expect(await data.inputValue()).toBe("[0, 0, 0, 0]");
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("[5.1, 3.5, 1.4, 0.2]");
    await page.keyboard.press("Control+Enter");
    const answer = answerOf(page);
    await answer.getByText("status 200").waitFor();
    expect(await answer.getByRole("region", { name: "Output label" }).getByRole("cell").allTextContents()).toEqual([
      "0",
    ]);
    const scores = await answer.getByRole("list", { name: "Shares" }).getByRole("listitem").allTextContents();
    expect(scores[0]).toBe("class 098.2 %");
    expect(scores).toHaveLength(3);
    const timing = await answer.getByRole("list", { name: "Where the time went" }).textContent();
    expect(timing).toMatch(/waiting for its turn [\d.]+ ms.*the model's run [\d.]+ ms.*reading and writing [\d.]+ ms/);
    expect(await answer.locator(".summary").textContent()).toMatch(/^status 200[\d.]+ msversion 1request [-0-9a-f]+$/);
    expect(complaints).toEqual([]);
  });

  test("sends texts, each version by its address, and a command that does the same", async () => {
    const url = await startModels(["topic", "version-echo"]);
    const { page, complaints } = await open(`${url}/#topic`);
    expect(await page.getByLabel("Data of text").inputValue()).toBe('["some text"]');
    await page.getByLabel("Data of text").fill(`["garlic soup, isn't it?"]`);
    await page.getByRole("button", { name: "Send" }).click();
    const label = answerOf(page).getByRole("region", { name: "Output label" });
    await label.waitFor();
    expect(await label.getByRole("cell").allTextContents()).toEqual(["cooking"]);

    await page.getByLabel("Whole request").check();
    const request = page.getByLabel("Request", { exact: true });
    expect(JSON.parse(await request.inputValue())).toMatchObject({ inputs: [{ name: "text", datatype: "BYTES" }] });
    const inputs = [{ name: "text", datatype: "BYTES", shape: [2, 1], data: ["it's a goal", "restart the server"] }];
    await request.fill(JSON.stringify({ inputs, outputs: [{ name: "label" }] }));
    await page.getByRole("button", { name: "Send" }).click();
    await label.getByText("computing").waitFor();
    expect(await label.getByRole("cell").allTextContents()).toEqual(["sport", "computing"]);
    await page.getByLabel("Inputs").check();

    await page.getByText("The same with curl").click();
    const command = (await page.getByLabel("Command").textContent()) ?? "";
    expect(command).toContain(`${url}/v2/models/topic/infer`);
    expect(command).toContain(String.raw`isn'\''t it?`);

    for (const [version, expected] of [
      ["1", "5"],
      ["2", "6"],
    ] as const) {
      await page.goto(`${url}/#version-echo/${version}`);
      await page.getByLabel("Data of input").fill("[4]");
      await page.getByRole("button", { name: "Send" }).click();
      await answerOf(page).getByText(`version ${version}`).waitFor();
      const output = answerOf(page).getByRole("region", { name: "Output output" });
      expect(await output.getByRole("cell").allTextContents()).toEqual([expected]);
    }
    expect(complaints).toEqual([]);
  });

  test("lets a digit be drawn, which the model then reads", async () => {
    const url = await startModels(["digits"]);
    const { page, complaints } = await open(url);
    const canvas = page.locator("canvas");
    const area = await canvas.boundingBox();
    if (area === null) throw new Error("expected a picture to draw on");
    // A stroke down the middle.
    await page.mouse.move(area.x + area.width / 2, area.y + 14);
    await page.mouse.down();
    await page.mouse.move(area.x + area.width / 2, area.y + area.height - 14, { steps: 20 });
    await page.mouse.up();
    const data = JSON.parse(await page.getByLabel("Data of input").inputValue()) as number[];
    expect(data).toHaveLength(64);
    expect(data.filter((value) => value > 8).length).toBeGreaterThan(7);
    await page.getByRole("button", { name: "Send" }).click();
    await answerOf(page).getByText("status 200").waitFor();
    expect(
      await answerOf(page).getByRole("list", { name: "Shares" }).getByRole("listitem").first().textContent(),
    ).toMatch(/^class 1/);
    await page.getByRole("button", { name: "Clear" }).click();
    const cleared = JSON.parse(await page.getByLabel("Data of input").inputValue()) as number[];
    expect(cleared.every((value) => value === 0)).toBe(true);

    const file = page.getByLabel("Picture from a file");
    await file.setInputFiles({ name: "notes.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
    await page.getByRole("alert").getByText("notes.png is not a picture").waitFor();
    await file.setInputFiles(path.join(EXAMPLES, "../docs/images/runtime-page-light.png"));
    await page.getByRole("alert").waitFor({ state: "detached" });
    // Mostly light: 16 is white.
    const taken = JSON.parse(await page.getByLabel("Data of input").inputValue()) as number[];
    expect(taken.filter((value) => value > 8 && value <= 16).length).toBeGreaterThan(32);
    expect(complaints).toEqual([]);
  });

  test("says what is wrong, itself or as the replica puts it", async () => {
    const url = await startModels(["iris"]);
    const { page, complaints } = await open(url);
    const data = page.getByLabel("Data of input");
    await data.fill("[1, 2");
    expect(await page.getByRole("alert").textContent()).toContain("data: expected JSON");
    expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true);

    await data.fill("[1, 2, 3]");
    await page.getByRole("button", { name: "Send" }).click();
    await answerOf(page).getByText("status 400").waitFor();
    const body = JSON.stringify({ inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", data: [1, 2, 3] }] });
    const asked = await infer(url, "iris", body);
    const { error } = (await asked.json()) as { readonly error: string };
    expect(error).toMatch(/expected/);
    expect(await answerOf(page).getByRole("alert").textContent()).toBe(error);

    await page.goto(`${url}/#no-such-model`);
    await page.getByRole("alert").getByText("There is no model").waitFor();
    expect(complaints).toEqual([]);
  });

  test("takes names for text, whatever is in them", async () => {
    const { page } = await open(await startModels(["iris"]));
    await page.evaluate(`location.hash = encodeURIComponent("<img src=x onerror=alert(1)>")`);
    await page.getByRole("heading", { name: "<img src=x onerror=alert(1)>" }).waitFor();
    expect(await page.locator("main img").count()).toBe(0);
  });

  test.each(["light", "dark"] as const)("can be read by all, in %s colours and on a telephone", async (colorScheme) => {
    const url = await startModels(["digits"]);
    const { page } = await open(url, { colorScheme });
    await page.getByRole("button", { name: "Send" }).click();
    await answerOf(page).getByText("status 200").waitFor();
    for (const summary of await page.locator("summary").all()) await summary.click();
    expect(await seriousViolations(page)).toEqual([]);
    await page.setViewportSize({ width: 375, height: 740 });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(375);
    expect(await seriousViolations(page)).toEqual([]);
  });
});

describe("the path /", () => {
  const ask = (url: string, accept?: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url, { ...init, ...(accept !== undefined && { headers: { accept } }) });

  test("is the page for browsers alone, with a strict policy", async () => {
    const url = await startModels(["iris"]);
    const page = await ask(url, BROWSER_ACCEPT);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("vary")).toBe("accept");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    expect(page.headers.get("access-control-allow-origin")).toBeNull();
    const policy = page.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    const text = await page.text();
    expect(text).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|style=/);
    expect((await ask(url, BROWSER_ACCEPT, { method: "HEAD" })).status).toBe(200);

    for (const accept of [undefined, "*/*", "application/json", "application/json, text/html", "text/html;q=0"]) {
      const other = await ask(url, accept);
      expect([await other.text(), other.headers.get("content-type"), other.headers.get("vary")]).toEqual([
        '{"status":"alive"}',
        "application/json",
        null,
      ]);
    }
    expect((await ask(url, BROWSER_ACCEPT, { method: "POST" })).status).toBe(405);
    const script = await ask(`${url}/ui/page.js`);
    expect(script.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
    expect(script.headers.get("cache-control")).toBe("max-age=300");
    expect((await script.arrayBuffer()).byteLength).toBeLessThan(64 * 1024);
    for (const name of ["", "page.ts", "../package.json", "index.html"])
      expect((await ask(`${url}/ui/${name}`)).status).toBe(404);
  });

  test.each([
    ["without the page's protocol", { protocols: ["kserve-v1"] }, 200],
    ["without KServe's answer", { protocols: ["predict"] }, 404],
    ["where the page is switched off", { LOCKSTEP_UI: "off" }, 200],
  ])("has no page %s", async (_words, options, status) => {
    const url = await startModels(["iris"], options);
    for (const accept of [BROWSER_ACCEPT, "*/*"]) {
      const answer = await ask(url, accept);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([status, "application/json"]);
    }
    expect((await ask(`${url}/ui/page.js`, BROWSER_ACCEPT)).status).toBe(404);
  });
});
