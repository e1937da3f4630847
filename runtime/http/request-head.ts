import { ServingError } from "../errors.ts";

/** Refuses a body that says it is larger than the limit. Throws ServingError. */
export function checkLength(contentLength: number | undefined, maxBodyBytes: number): void {
  if (contentLength !== undefined && contentLength > maxBodyBytes) throw bodyTooLarge(maxBodyBytes, contentLength);
}

/** The error for a body that is larger than the limit; `sizeBytes` is undefined where only the limit was passed. */
export function bodyTooLarge(maxBodyBytes: number, sizeBytes?: number): ServingError {
  return new ServingError(
    "PayloadTooLarge",
    `body: expected at most ${maxBodyBytes} bytes, got ${sizeBytes ?? "more"}`,
  );
}
