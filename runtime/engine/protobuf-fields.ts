/** A field of a message: those of a length (messages, texts, bytes), and whole numbers. Others are skipped. */
export type ProtobufField =
  { readonly field: number; readonly value: Uint8Array } | { readonly field: number; readonly value: number };

/**
 * The fields of a message of Protocol Buffers. Numbers beyond 2^53 lose their last digits. Throws RangeError for bytes that
 * are none.
 */
export function* protobufFields(message: Uint8Array): Generator<ProtobufField> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError("a message is cut off");
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const wireType = tag % 8;
    const field = Math.floor(tag / 8);
    if (wireType === 0) yield { field, value: varint() };
    else if (wireType === 1) at += 8;
    else if (wireType === 5) at += 4;
    else if (wireType === 2) {
      const end = varint() + at;
      if (end > message.length) throw new RangeError("a message is cut off");
      yield { field, value: message.subarray(at, end) };
      at = end;
    } else throw new RangeError("groups are not used by ONNX");
  }
}

/** Those that have a length. */
export function* lengthFields(message: Uint8Array): Generator<{ readonly field: number; readonly value: Uint8Array }> {
  for (const { field, value } of protobufFields(message)) if (typeof value !== "number") yield { field, value };
}
