import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PayloadBudget } from "../../../../../runtime/monitoring/payload/payload-budget.ts";

test("holds no more than it may, whatever is asked of it, and copies no more than half of what payloads have", () => {
  const asked = fc.array(fc.tuple(fc.constantFrom("copied", "encoded", "back"), fc.integer({ min: 0, max: 700 })));
  fc.assert(
    fc.property(asked, fc.boolean(), (steps, writesFiles) => {
      let told = 0;
      const budget = new PayloadBudget(1_000, writesFiles, (heldBytes) => (told = heldBytes));
      const copied: number[] = [];
      const encoded: number[] = [];
      for (const [step, sizeBytes] of steps) {
        if (step === "copied") {
          if (budget.takeCopied(sizeBytes)) copied.push(sizeBytes);
        } else if (step === "encoded") {
          if (budget.takeEncoded(sizeBytes)) encoded.push(sizeBytes);
        } else if (copied.length > 0) budget.giveBackCopied(copied.shift() ?? 0);
        else if (encoded.length > 0) budget.giveBackEncoded(encoded.shift() ?? 0);
        const ofCopies = copied.reduce((sum, each) => sum + each, 0);
        const held = ofCopies + encoded.reduce((sum, each) => sum + each, 0);
        expect(budget.heldBytes).toBe(held);
        expect(told).toBe(held);
        expect(held + budget.fileBytes).toBeLessThanOrEqual(1_000);
        expect(ofCopies).toBeLessThanOrEqual((1_000 - budget.fileBytes) / 2);
      }
    }),
  );
});

test("has room for what copies become, also when no more copies fit", () => {
  const budget = new PayloadBudget(1_000, false, () => undefined);
  expect(budget.takeCopied(500)).toBe(true);
  expect(budget.takeCopied(1)).toBe(false);
  expect(budget.takeEncoded(500)).toBe(true);
  expect(budget.takeEncoded(1)).toBe(false);
});

test("tells what would never fit from what does not fit now", () => {
  const budget = new PayloadBudget(1_000, true, () => undefined);
  expect(budget.fileBytes).toBe(250);
  expect(budget.fitsCopied(375)).toBe(true);
  expect(budget.fitsCopied(376)).toBe(false);
  expect(budget.fits(750)).toBe(true);
  expect(budget.fits(751)).toBe(false);
});
