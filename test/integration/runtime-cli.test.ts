import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { EXAMPLES, ProcessUnderTest, ROOT, temporaryFolder } from "./runtime-under-test.ts";

async function lockstep(...args: readonly string[]): Promise<ProcessUnderTest> {
  return new ProcessUnderTest([path.join(ROOT, "cli/lockstep.mjs"), ...args], {
    XDG_CACHE_HOME: await temporaryFolder(),
    NO_COLOR: "1",
  });
}

/** Does what the printed curl line would do. */
async function askAsPrinted(output: string): Promise<unknown> {
  const match = /^curl -s (\S+) -H 'content-type: application\/json' -d '(.*)'$/m.exec(output);
  if (match === null) throw new Error(`no curl line in:\n${output}`);
  const [, url = "", body = ""] = match;
  const headers = { "content-type": "application/json" };
  return await (await fetch(url, { method: "POST", headers, body: body.replaceAll(`'\\''`, "'") })).json();
}

describe("lockstep serve", () => {
  test("serves the InferenceService that a cluster takes, and shows a real digit with its answer", async () => {
    const cli = await lockstep("serve", "-f", "examples/digits.yaml", "--port", "0");
    await cli.waitFor(/^Ready on http:\/\/127\.0\.0\.1:\d+/m);
    expect(cli.output).toMatch(/^digits {2}version 2 {2}pvc:\/\/models\/digits$/m);
    expect(cli.output).toMatch(/^ {2}input +input +FP32 +\[-1,64\]$/m);
    expect(cli.output).toMatch(/^ {2}output +label +INT64 +\[-1\]$/m);
    // The first line of the digit, a 3: a broad stroke from the third pixel on.
    expect(cli.output).toMatch(/^ {6} {4}\S{8,12}$/m);

    const page = await fetch(await cli.waitFor(/^Ready on (http:\/\/\S+)/m), { headers: { accept: "text/html" } });
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");

    const answer = await askAsPrinted(cli.output);
    expect(answer).toMatchObject({ model_name: "digits", model_version: "2" });
    const { outputs } = answer as { outputs: { name: string; data: number[] }[] };
    const label = outputs.find(({ name }) => name === "label")?.data[0];
    expect(cli.output).toMatch(new RegExp(`^ {2}label +INT64 +\\[1\\] +${label}$`, "m"));

    cli.child.kill("SIGINT");
    expect(await cli.exited).toEqual({ code: 0, signal: null });
  });

  test("serves several InferenceServices in one process", async () => {
    const cli = await lockstep("serve", "-f", "examples/several.yaml", "-f", "examples/digits.yaml", "--port", "0");
    const url = await cli.waitFor(/^Ready on (http:\/\/\S+)/m);
    for (const model of ["iris", "topic", "digits"])
      expect((await fetch(`${url}/v2/models/${model}/ready`)).status).toBe(200);
    expect(cli.output).toContain('"sport"');
    cli.child.kill("SIGTERM");
    expect(await cli.exited).toEqual({ code: 0, signal: null });
  });

  test("serves a folder under a name of one's choice", async () => {
    const cli = await lockstep("serve", path.join(EXAMPLES, "models/version-echo"), "--name", "echo", "--port", "0");
    await cli.waitFor(/^Ready on/m);
    expect(await askAsPrinted(cli.output)).toMatchObject({ model_name: "echo", model_version: "2" });
  });

  test("serves a single file, with zeros where it brings no samples", async () => {
    const cli = await lockstep("serve", "examples/models/iris/1/model.onnx", "--port", "0");
    await cli.waitFor(/^Ready on/m);
    expect(cli.output).toContain("(zeros, as it brings no samples)");
    expect(await askAsPrinted(cli.output)).toMatchObject({ model_name: "iris", model_version: "1" });
  });

  test("says what to do when the port is taken", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const cli = await lockstep("serve", "-f", "examples/digits.yaml", "--port", String(port));
    expect(await cli.exited).toEqual({ code: 1, signal: null });
    expect(cli.output).toContain(`port ${port} is taken by another program`);
    expect(cli.output).toContain("--port 0");
  });

  test.each([
    ["a place that is not there", ["./nowhere"], /nowhere does not exist/],
    ["a file that is not there", ["-f", "nowhere.yaml"], /nowhere\.yaml does not exist/],
    ["nothing", [], /say what to serve/],
    ["a manifest as a place", ["examples/digits.yaml"], /lockstep serve -f examples\/digits\.yaml/],
    ["a folder without a model", ["examples", "--port", "0"], /StorageNotFound[^]*holds no model/],
    ["a manifest of something else", ["-f", "examples/models-volume.yaml"], /holds no InferenceService/],
    ["an endpoint without a scheme", ["s3://b/x", "--endpoint", "minio:9000"], /expected an address such as http:/],
    ["a name for no URL", ["examples/models/iris", "--name", "a b"], /expected letters, digits/],
    ["a port that is none", [".", "--port", "70000"], /Expected a port from 0 to 65535/],
  ])("refuses %s", async (_, args, message) => {
    const cli = await lockstep("serve", ...args);
    expect(await cli.exited).toEqual({ code: 1, signal: null });
    expect(cli.output).toMatch(message);
    // What the user can mend is said in words, not by a stack.
    expect(cli.output).not.toMatch(/^\s+at /m);
  });

  test("teaches with examples", async () => {
    for (const args of [["--help"], ["serve", "--help"]]) {
      const cli = await lockstep(...args);
      expect(await cli.exited).toEqual({ code: 0, signal: null });
      expect(cli.output).toContain("$ lockstep serve -f examples/digits.yaml");
    }
  });
});
