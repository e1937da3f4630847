import { expect, test } from "vitest";
import { ERROR_CODES, ServingError, type ErrorCode } from "../../../../../runtime/errors.ts";
import { writeInvocationError } from "../../../../../runtime/protocol/invocations/error-body.ts";

const ERROR = new ServingError("InvalidArgument", "x: expected 1, got 2");

test.each([
  [
    { sagemaker: true, mlflow: true },
    { error_code: "BAD_REQUEST", message: ERROR.message, error: ERROR.message },
  ],
  [
    { sagemaker: false, mlflow: true },
    { error_code: "BAD_REQUEST", message: ERROR.message },
  ],
  [{ sagemaker: true, mlflow: false }, { error: ERROR.message }],
])("an error has what the clients look for: %j", (callers, body) => {
  const answer = writeInvocationError(ERROR, callers);
  expect(JSON.parse(String(answer.body))).toEqual(body);
  expect(answer.contentType).toBeUndefined();
});

test("a wrong media type is told in plain text to MLflow's", () => {
  const error = new ServingError("UnsupportedMediaType", "Content-Type: expected a, got another");
  const answer = { body: error.message, contentType: "text/plain; charset=utf-8" };
  expect(writeInvocationError(error, { sagemaker: true, mlflow: true })).toEqual(answer);
  expect(writeInvocationError(error, { sagemaker: true, mlflow: false })).toEqual({
    body: JSON.stringify({ error: error.message }),
  });
});

test.each(Object.keys(ERROR_CODES) as ErrorCode[])("%s has a code of MLflow's", (code) => {
  const { body, contentType } = writeInvocationError(new ServingError(code, "m"), { sagemaker: false, mlflow: true });
  const text = String(body);
  expect(contentType === undefined ? JSON.parse(text) : { error_code: "NONE" }).toMatchObject({
    error_code: expect.stringMatching(/^[A-Z_]+$/) as string,
  });
});
