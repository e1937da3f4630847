import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import * as fc from "fast-check";
import protobuf from "protobufjs";
import * as health from "../../../../runtime/grpc/proto/health.gen.ts";
import * as inference from "../../../../runtime/grpc/proto/inference.gen.ts";
import * as reflection from "../../../../runtime/grpc/proto/reflection.gen.ts";
import * as tensorflow from "../../../../runtime/grpc/proto/tensorflow.gen.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import type { Field, MessageType } from "../../../../runtime/grpc/wire/message-type.ts";

export const PROTO_FOLDER = path.join(import.meta.dirname, "../../../../runtime/grpc/proto");

/** The same proto files, as another implementation reads them. */
export function loadProtos(): protobuf.Root {
  const root = new protobuf.Root();
  for (const name of globSync("**/*.proto", { cwd: PROTO_FOLDER }).sort())
    protobuf.parse(readFileSync(path.join(PROTO_FOLDER, name), "utf8"), root, { keepCase: false });
  root.resolveAll();
  return root;
}

function isMessageType(value: object): value is MessageType<object> {
  return "fields" in value;
}

/** Every message that is generated. */
export const MESSAGE_TYPES: readonly MessageType<object>[] = [health, inference, reflection, tensorflow].flatMap(
  (module) => Object.values(module).filter(isMessageType),
);

const text = fc.string({ unit: "grapheme", maxLength: 12 });

function scalar(field: Field): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "double":
      return fc.double();
    case "float":
      return fc.float();
    case "int32":
      return fc.integer();
    case "enum":
      return fc.integer({ min: 0, max: 40 });
    case "uint32":
      return fc.nat({ max: 2 ** 31 }).map((value) => value * 2 - (value === 2 ** 31 ? 1 : 0));
    case "int64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case "uint64":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case "bool":
      return fc.boolean();
    case "string":
      return text;
    case "bytes":
      return fc.uint8Array({ maxLength: 20 });
    case "message":
    case "map":
      throw new Error("unreachable: not a scalar");
    default:
      return field satisfies never;
  }
}

function fieldValue(field: Field, depth: number): fc.Arbitrary<unknown> {
  if (field.kind === "map")
    return fc
      .array(fc.tuple(text, messageOf(field.type(), depth + 1)), { maxLength: 3 })
      .map((entries) => new Map(entries));
  const single = field.kind === "message" ? messageOf(field.type(), depth + 1) : scalar(field);
  return field.isRepeated === true ? fc.array(single, { maxLength: 4 }) : single;
}

/** Messages with anything in them; of a oneof at most one member. */
export function messageOf(type: MessageType<object>, depth = 0): fc.Arbitrary<object> {
  const properties = type.fields.map((field) => {
    const isMissing = field.kind === "message" && field.isRepeated !== true && depth > 3;
    const value = isMissing ? fc.constant(undefined) : fc.option(fieldValue(field, depth), { nil: undefined, freq: 4 });
    return value.map((each) => [field, each] as const);
  });
  return fc.tuple(...properties).map((entries) => {
    const message = type.create() as Record<string, unknown>;
    for (const [field, value] of entries) {
      if (value === undefined) continue;
      if (field.kind !== "map") for (const other of field.others ?? []) message[other] = undefined;
      message[field.name] = value;
    }
    return message;
  });
}

/** What becomes of reading: `read`, or the code of the error. Any other error is thrown on. */
export function outcomeOf(read: () => unknown): string {
  try {
    read();
    return "read";
  } catch (error) {
    if (error instanceof ServingError) return error.code;
    throw error;
  }
}
