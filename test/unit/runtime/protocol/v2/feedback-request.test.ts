import { expect, test } from "vitest";
import { readFeedbackRequest } from "../../../../../runtime/protocol/v2/feedback-request.ts";

function read(body: unknown): unknown {
  return readFeedbackRequest(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));
}

test.each([
  [{ id: "a", outcome: 1 }, [{ requestId: "a", values: [1] }]],
  [{ id: "a", outcome: ["cat", true, 0.5] }, [{ requestId: "a", values: ["cat", true, 0.5] }]],
  [
    {
      feedback: [
        { id: "a", outcome: 1 },
        { id: "b", outcome: [2] },
      ],
    },
    [
      { requestId: "a", values: [1] },
      { requestId: "b", values: [2] },
    ],
  ],
])("%j is read", (body, expected) => {
  expect(read(body)).toEqual(expected);
});

test.each([
  ["[]", "body: expected an object, got an array"],
  [{ outcome: 1 }, "id: expected the x-request-id of the answer, a string, got none"],
  [{ id: 7, outcome: 1 }, "id: expected the x-request-id of the answer, a string, got a value of type number"],
  [{ id: "", outcome: 1 }, "id: expected from 1 to 128 characters, got 0"],
  [{ id: "x".repeat(129), outcome: 1 }, "id: expected from 1 to 128 characters, got 129"],
  [{ id: "a" }, "outcome: expected a string, a number or a boolean for each row, got none"],
  [{ id: "a", outcome: null }, "outcome: expected a string, a number or a boolean for each row, got null"],
  [{ id: "a", outcome: [[1]] }, "outcome: expected a string, a number or a boolean for each row, got an array"],
  [{ id: "a", outcome: [] }, "outcome: expected from 1 to 1024 values, one for each row, got 0"],
  [
    { id: "a", outcome: Array.from({ length: 1_025 }, () => 1) },
    "outcome: expected from 1 to 1024 values, one for each row, got 1025",
  ],
  [{ id: "a", outcome: "x".repeat(257) }, "outcome: expected at most 256 characters, got 257"],
  [{ feedback: {} }, "feedback: expected an array, got a value of type object"],
  [{ feedback: [] }, "feedback: expected from 1 to 1000 outcomes, got 0"],
  [
    { feedback: Array.from({ length: 1_001 }, () => ({ id: "a", outcome: 1 })) },
    "feedback: expected from 1 to 1000 outcomes, got 1001",
  ],
  [{ feedback: [{ id: "a", outcome: 1 }, 5] }, "feedback[1]: expected an object, got a value of type number"],
  [
    { feedback: [{ id: "a", outcome: {} }] },
    "feedback[0].outcome: expected a string, a number or a boolean for each row, got a value of type object",
  ],
])("%j is refused: %s", (body, message) => {
  expect(() => read(body)).toThrow(expect.objectContaining({ code: "InvalidArgument", message }));
});
