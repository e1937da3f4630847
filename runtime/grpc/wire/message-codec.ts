import type { Field, Init, MapField, MessageField, MessageType, ScalarField, ScalarKind } from "./message-type.ts";
import { malformed, WIRE, WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";

/** Messages within messages; no type here gets half as deep. */
const MAX_DEPTH = 16;
/** Elements of all repeated fields and maps together: each costs memory, however few bytes it has. */
const MAX_ELEMENTS = 65_536;

type Values = Record<string, unknown>;

/** How each kind is written when it is not packed. */
const WIRE_TYPES: Readonly<Record<ScalarKind, number>> = {
  double: WIRE.fixed64,
  float: WIRE.fixed32,
  int32: WIRE.varint,
  uint32: WIRE.varint,
  int64: WIRE.varint,
  uint64: WIRE.varint,
  bool: WIRE.varint,
  string: WIRE.bytes,
  bytes: WIRE.bytes,
  enum: WIRE.varint,
};

/**
 * Reads a message. Fields that the type does not have are passed over; of a field that is there twice the last counts,
 * and messages are merged. Bytes are copied out. Throws ServingError (InvalidArgument).
 */
export function decodeMessage<T extends object>(type: MessageType<T>, bytes: Buffer): T {
  const message = type.create();
  new MessageReader(bytes).readInto(message, type, 0);
  return message;
}

/** Writes a message; fields that have their default are left out, as proto3 wants. */
export function encodeMessage<T extends object>(type: MessageType<T>, message: Init<T>): Buffer {
  const writer = new WireWriter();
  writeFields(writer, type, message);
  return writer.finish();
}

const tables = new WeakMap<MessageType<object>, ReadonlyMap<number, Field>>();

function fieldsByNumber(type: MessageType<object>): ReadonlyMap<number, Field> {
  let table = tables.get(type);
  if (table === undefined) {
    table = new Map(type.fields.map((field) => [field.number, field]));
    tables.set(type, table);
  }
  return table;
}

class MessageReader {
  readonly #reader: WireReader;
  #elements = 0;

  constructor(bytes: Buffer) {
    this.#reader = new WireReader(bytes);
  }

  /** Reads fields up to the reader's end. */
  readInto(message: object, type: MessageType<object>, depth: number): void {
    if (depth === MAX_DEPTH) throw malformed(`messages nested at most ${MAX_DEPTH} deep`, "deeper ones");
    const reader = this.#reader;
    const fields = fieldsByNumber(type);
    const values = message as Values;
    while (reader.next()) {
      const field = fields.get(reader.field);
      if (field === undefined) reader.skip();
      else if (field.kind === "message") this.#readMessage(values, field, depth);
      else if (field.kind === "map") this.#readEntry(values[field.name] as Map<string, unknown>, field, depth);
      else this.#readScalar(values, field);
    }
  }

  #readScalar(values: Values, field: ScalarField): void {
    const reader = this.#reader;
    const wireType = WIRE_TYPES[field.kind];
    if (field.isRepeated !== true) {
      reader.expect(wireType);
      choose(values, field);
      values[field.name] = scalar(reader, field.kind);
      return;
    }
    const list = values[field.name] as unknown[];
    if (reader.wireType === WIRE.bytes && wireType !== WIRE.bytes) {
      this.#within(() => {
        while (reader.position < reader.end) {
          this.#count();
          list.push(scalar(reader, field.kind));
        }
      });
    } else {
      reader.expect(wireType);
      this.#count();
      list.push(scalar(reader, field.kind));
    }
  }

  #readMessage(values: Values, field: MessageField, depth: number): void {
    this.#reader.expect(WIRE.bytes);
    const type = field.type();
    let message: object;
    if (field.isRepeated === true) {
      this.#count();
      message = type.create();
      (values[field.name] as unknown[]).push(message);
    } else {
      choose(values, field);
      message = (values[field.name] as object | undefined) ?? type.create();
      values[field.name] = message;
    }
    this.#within(() => this.readInto(message, type, depth + 1));
  }

  #readEntry(map: Map<string, unknown>, field: MapField, depth: number): void {
    const reader = this.#reader;
    reader.expect(WIRE.bytes);
    this.#count();
    const type = field.type();
    let key = "";
    const value = type.create();
    this.#within(() => {
      while (reader.next()) {
        if (reader.field === 1) {
          reader.expect(WIRE.bytes);
          key = reader.string();
        } else if (reader.field === 2) {
          reader.expect(WIRE.bytes);
          this.#within(() => this.readInto(value, type, depth + 1));
        } else reader.skip();
      }
    });
    map.set(key, value);
  }

  /** Reads a part with its length before it. */
  #within(read: () => void): void {
    const reader = this.#reader;
    const limit = reader.limit();
    const { end } = reader;
    reader.end = limit;
    read();
    reader.end = end;
  }

  #count(): void {
    if (++this.#elements > MAX_ELEMENTS) throw malformed(`at most ${MAX_ELEMENTS} elements`, "more");
  }
}

/** Of the members of a oneof only the last one counts. */
function choose(values: Values, { others }: ScalarField | MessageField): void {
  for (const name of others ?? []) values[name] = undefined;
}

function scalar(reader: WireReader, kind: ScalarKind): unknown {
  switch (kind) {
    case "double":
      return reader.double();
    case "float":
      return reader.float();
    case "int32":
    case "enum":
      return reader.int32();
    case "uint32":
      return reader.varint();
    case "int64":
      return reader.int64();
    case "uint64":
      return reader.uint64();
    case "bool":
      return reader.bool();
    case "string":
      return reader.string();
    case "bytes":
      return new Uint8Array(reader.view());
    default:
      return kind satisfies never;
  }
}

function writeFields(writer: WireWriter, type: MessageType<object>, message: object): void {
  const values = message as Values;
  for (const field of type.fields) {
    const value = values[field.name];
    if (value === undefined) continue;
    if (field.kind === "map") writeMap(writer, field, value as ReadonlyMap<string, object>);
    else if (field.isRepeated === true) writeRepeated(writer, field, value as readonly unknown[]);
    else if (field.kind === "message") writeMessage(writer, field, value as object);
    else if (field.others !== undefined || !isDefault(value)) {
      writer.tag(field.number, WIRE_TYPES[field.kind]);
      writeScalar(writer, field.kind, value);
    }
  }
}

function writeRepeated(writer: WireWriter, field: ScalarField | MessageField, values: readonly unknown[]): void {
  if (values.length === 0) return;
  if (field.kind === "message") {
    for (const value of values) writeMessage(writer, field, value as object);
    return;
  }
  const { kind, number } = field;
  if (WIRE_TYPES[kind] === WIRE.bytes) {
    for (const value of values) {
      writer.tag(number, WIRE.bytes);
      writeScalar(writer, kind, value);
    }
    return;
  }
  writer.nested(number, (inner) => {
    for (const value of values) writeScalar(inner, kind, value);
  });
}

function writeMessage(writer: WireWriter, { number, type }: MessageField, message: object): void {
  writer.nested(number, (inner) => writeFields(inner, type(), message));
}

function writeMap(writer: WireWriter, { number, type }: MapField, map: ReadonlyMap<string, object>): void {
  for (const [key, message] of map) {
    writer.nested(number, (entry) => {
      entry.tag(1, WIRE.bytes);
      entry.string(key);
      entry.nested(2, (inner) => writeFields(inner, type(), message));
    });
  }
}

/** Minus zero is no default: its sign would be lost. */
function isDefault(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length === 0;
  return value === "" || value === false || value === 0n || Object.is(value, 0);
}

function writeScalar(writer: WireWriter, kind: ScalarKind, value: unknown): void {
  switch (kind) {
    case "double":
      writer.double(value as number);
      break;
    case "float":
      writer.float(value as number);
      break;
    case "int32":
    case "enum":
    case "int64":
    case "uint64":
      writer.varint64(value as bigint | number);
      break;
    case "uint32":
      writer.varint(value as number);
      break;
    case "bool":
      writer.varint(value === true ? 1 : 0);
      break;
    case "string":
      writer.string(value as string);
      break;
    case "bytes":
      writer.bytes(value as Uint8Array);
      break;
    default:
      kind satisfies never;
  }
}
