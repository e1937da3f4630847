/**
 * `node test/console-screenshots.ts`: draws the console with made-up services, in light and dark, into docs/images. Needs
 * Chromium, as the browser tests do.
 */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { consoleWorld } from "./fixtures/console-world.ts";
import { startBrowser } from "./programs/browser.ts";
import { startFixtureConsole } from "./programs/fixture-console.ts";

const IMAGES = path.join(import.meta.dirname, "../docs/images");
const NOW_MS = Date.UTC(2026, 2, 3, 14, 20);
const SHOTS = [
  ["list", "#/", 560],
  ["service", "#/services/payments/fraud", 1000],
  ["drift", "#/services/payments/fraud/drift", 1000],
] as const;

await mkdir(IMAGES, { recursive: true });
const world = consoleWorld(NOW_MS);
for (const key of world.services.keys()) if (key.includes("hostile")) world.services.delete(key);
const server = await startFixtureConsole({ sources: world });
const browser = await startBrowser();
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport: { width: 1180, height: 800 }, colorScheme, timezoneId: "UTC" });
    for (const [name, hash, height] of SHOTS) {
      await page.setViewportSize({ width: 1180, height });
      await page.goto(`${server.url}/${hash}`);
      await page.locator("h1").waitFor();
      const file = path.join(IMAGES, `console-${name}-${colorScheme}.png`);
      await page.screenshot({ path: file });
      console.log(`${path.relative(process.cwd(), file)}  ${Math.round((await stat(file)).size / 1024)} KiB`);
    }
    await page.close();
  }
} finally {
  await browser.close();
  await server.close();
}
