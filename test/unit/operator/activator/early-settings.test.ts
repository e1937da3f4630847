import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CLIENT_PREFACE, WithoutFirstAcknowledgement } from "../../../../operator/activator/early-settings.ts";
import { runCount } from "../../../fixtures/run-count.ts";

const ACKNOWLEDGEMENT = frame({ type: 4, flags: 1, payload: Buffer.alloc(0) });

function frame({ type, flags, payload }: { type: number; flags: number; payload: Uint8Array }): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  return Buffer.concat([header, payload]);
}

/** Frames of any kind but acknowledgements of settings: what looks like one inside of a payload is none. */
const others = fc.array(
  fc
    .record({
      type: fc.nat({ max: 9 }),
      flags: fc.nat({ max: 255 }),
      payload: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(new Uint8Array(ACKNOWLEDGEMENT))),
    })
    .filter(({ type, flags }) => type !== 4 || flags % 2 === 0)
    .map(frame),
  { maxLength: 6 },
);

async function passed(bytes: Buffer, cuts: readonly number[]): Promise<Buffer> {
  const filter = new WithoutFirstAcknowledgement();
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  for (const [index, from] of places.entries()) filter.write(bytes.subarray(from, places[index + 1] ?? bytes.length));
  filter.end();
  return await buffer(filter);
}

test("all that a client sends arrives, but its first acknowledgement of settings, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(others, others, fc.array(fc.nat(), { maxLength: 12 }), async (before, after, cuts) => {
      const first = Buffer.concat([CLIENT_PREFACE, ...before]);
      const rest = Buffer.concat([...after, ACKNOWLEDGEMENT, ...before]);
      expect(await passed(Buffer.concat([first, ACKNOWLEDGEMENT, rest]), cuts)).toEqual(Buffer.concat([first, rest]));
    }),
    { numRuns: runCount(300) },
  );
});

test("a client that ends in the middle of a frame has all of it passed on", async () => {
  const cut = Buffer.concat([CLIENT_PREFACE, ACKNOWLEDGEMENT.subarray(0, 5)]);
  expect(await passed(cut, [3, 26])).toEqual(cut);
});
