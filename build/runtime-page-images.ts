/** Takes the pictures of the runtime's page in docs/images: `node build/runtime-page-images.ts`. Needs Chromium. */
import { mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createLogger } from "../common/logger.ts";
import { parseRuntimeConfig } from "../common/runtime-config.ts";
import { readRuntimeProcessConfig } from "../runtime/config.ts";
import { startReplica } from "../runtime/replica.ts";
import { startBrowser } from "../test/programs/browser.ts";

const ROOT = path.resolve(import.meta.dirname, "..");
const IMAGES = path.join(ROOT, "docs/images");
/** More than that is too much for a page of the documentation, in bytes. */
const LARGEST = 150 * 1024;

/** A two, in shares of the picture. */
const STROKE: readonly (readonly [x: number, y: number])[] = [
  [0.3, 0.28],
  [0.42, 0.13],
  [0.6, 0.15],
  [0.68, 0.3],
  [0.6, 0.48],
  [0.44, 0.66],
  [0.32, 0.86],
  [0.5, 0.87],
  [0.72, 0.86],
];

const folder = await mkdtemp(path.join(tmpdir(), "lockstep-images-"));
const replica = await startReplica({
  process: readRuntimeProcessConfig({
    LOCKSTEP_HOST: "127.0.0.1",
    LOCKSTEP_HTTP_PORT: "0",
    LOCKSTEP_GRPC_PORT: "-1",
    LOCKSTEP_ADMIN_PORT: "0",
    LOCKSTEP_MODEL_DIR: folder,
  }),
  config: parseRuntimeConfig({
    configVersion: 1,
    service: { namespace: "default", name: "examples" },
    models: ["digits", "iris", "topic"].map((name) => ({
      name,
      format: "onnx",
      storageUri: `file://${path.join(ROOT, "examples/models", name)}`,
      versionPolicy: { kind: "all" },
    })),
  }),
  logger: createLogger({ name: "images", level: "warn", destination: process.stderr }),
  onStuck: (message) => console.error(message),
});
const browser = await startBrowser();
try {
  await replica.ready;
  await mkdir(IMAGES, { recursive: true });
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 1120, height: 950 } });
    await page.goto(`http://127.0.0.1:${replica.httpPort}/#digits`);
    const canvas = page.locator("canvas");
    const area = await canvas.boundingBox();
    if (area === null) throw new Error("the page has no picture to draw on");
    for (const [index, [x, y]] of STROKE.entries()) {
      await page.mouse.move(area.x + x * area.width, area.y + y * area.height, { steps: 8 });
      if (index === 0) await page.mouse.down();
    }
    await page.mouse.up();
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText("status 200").waitFor();
    await page.mouse.move(2, 2);
    await page.evaluate("scrollTo(0, 0)");
    const file = path.join(IMAGES, `runtime-page-${colorScheme}.png`);
    await page.screenshot({ path: file });
    const { size } = await stat(file);
    if (size > LARGEST) throw new Error(`${file}: expected at most ${LARGEST} bytes, got ${size}`);
    console.log(`${path.relative(ROOT, file)} ${Math.round(size / 1024)} KiB`);
    await page.close();
  }
} finally {
  await browser.close();
  await replica.stop({ drainDelayMs: 0 });
  await rm(folder, { recursive: true, force: true });
}
