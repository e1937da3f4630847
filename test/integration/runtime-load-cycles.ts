import { syntheticInputs } from "../../runtime/core/synthetic-request.ts";
import { createOnnxEngine } from "../../runtime/engine/onnx-engine.ts";

/**
 * A process that loads a model, lets it answer, and unloads it, again and again, one after the other; then it prints its
 * resident memory after each cycle, in bytes: `node runtime-load-cycles.ts CYCLES FILE...`. One model stays, as the one that
 * serves does.
 */
const [cycles = "", ...files] = process.argv.slice(2);
const signal = new AbortController().signal;
await using engine = createOnnxEngine({ intraOpThreads: 1 });
const [first = ""] = files;
await using _ = await engine.load(first, signal);

const residentBytes: number[] = [];
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  {
    await using model = await engine.load(files[cycle % files.length] ?? first, signal);
    const { inputs, outputs } = model.signature;
    const request = { inputs: syntheticInputs(inputs), outputs: outputs.map(({ name }) => name) };
    await model.infer(request, signal);
  }
  residentBytes.push(process.memoryUsage.rss());
}
console.log(JSON.stringify(residentBytes));
