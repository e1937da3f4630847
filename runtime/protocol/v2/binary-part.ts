import { ServingError } from "../../errors.ts";

/** The bytes behind the JSON of a body: tensors in the order of the inputs, without anything between or behind them. */
export class BinaryPart {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** A view onto the next bytes. `label` is whose they are, for the message. Throws ServingError if there are fewer. */
  take(label: string, sizeBytes: number): Uint8Array {
    const left = this.#bytes.length - this.#position;
    if (sizeBytes > left) {
      throw new ServingError(
        "InvalidArgument",
        `${label}: binary data: expected ${sizeBytes} bytes as binary_data_size says, got ${left}`,
      );
    }
    const start = this.#position;
    this.#position += sizeBytes;
    return this.#bytes.subarray(start, this.#position);
  }

  /** Makes sure that all bytes were taken. Throws ServingError. */
  expectEnd(): void {
    const left = this.#bytes.length - this.#position;
    if (left === 0) return;
    throw new ServingError(
      "InvalidArgument",
      `body: expected ${this.#position} bytes of binary data behind the JSON, got ${left} more`,
    );
  }
}

const DIGITS = /^[0-9]{1,15}$/;

/**
 * How much of a body is JSON, by the header Inference-Header-Content-Length; the rest is binary data. 0 means that all
 * of it is the data of the only input. Throws ServingError (InvalidArgument) if the body is shorter.
 */
export function jsonLengthOf(header: string, bodyBytes: number): number {
  if (!DIGITS.test(header)) {
    throw new ServingError(
      "InvalidArgument",
      "Inference-Header-Content-Length: expected a number of bytes, got another value",
    );
  }
  const length = Number(header);
  if (length <= bodyBytes) return length;
  throw new ServingError(
    "InvalidArgument",
    `Inference-Header-Content-Length: expected at most the ${bodyBytes} bytes of the body, got ${length}`,
  );
}
