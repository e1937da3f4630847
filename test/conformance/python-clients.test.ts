import { describe, expect, inject, test } from "vitest";
import { runPythonChecks } from "./python-clients.ts";

const http = new URL(inject("httpUrl")).host;
const grpc = inject("grpcAddress");

/** Each program has checks of its own, so it is run before it is known which. One after the other: they share two cores. */
async function run(program: string, address: string) {
  return { program, results: await runPythonChecks(program, address) };
}

const OVER_HTTP = ["triton_http.py", "triton_http_aio.py", "kserve_rest.py"];
const OVER_GRPC = ["triton_grpc.py", "triton_grpc_aio.py", "kserve_grpc.py"];

const programs: Awaited<ReturnType<typeof run>>[] = [];
for (const program of OVER_HTTP) programs.push(await run(program, http));
if (grpc !== undefined) for (const program of OVER_GRPC) programs.push(await run(program, grpc));

describe.each(programs)("$program, unmodified", ({ results }) => {
  test.each(results)("$name", ({ error }) => {
    expect(error).toBeNull();
  });
});
