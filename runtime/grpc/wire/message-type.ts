/** How the scalars of Protocol Buffers are written; enums are numbers. */
export type ScalarKind =
  "double" | "float" | "int32" | "uint32" | "int64" | "uint64" | "bool" | "string" | "bytes" | "enum";

/** What a message is made of: the table that reading and writing go by. Tables are generated from proto files. */
export interface MessageType<T extends object> {
  /** With the package, such as `inference.ModelInferRequest`. */
  readonly name: string;
  /** A message with nothing set: defaults for scalars, empty arrays and maps, undefined for messages and choices. */
  readonly create: () => T;
  readonly fields: readonly Field[];
}

/** A field of a message. */
export type Field = ScalarField | MessageField | MapField;

interface FieldBase {
  readonly number: number;
  /** Name of the property. */
  readonly name: string;
}

export interface ScalarField extends FieldBase {
  readonly kind: ScalarKind;
  readonly isRepeated?: true;
  /** The other members of its oneof; a member that is set is written even if it is the default. */
  readonly others?: readonly string[];
}

export interface MessageField extends FieldBase {
  readonly kind: "message";
  readonly type: () => MessageType<object>;
  readonly isRepeated?: true;
  readonly others?: readonly string[];
}

/** Keys are texts: no message here has others. */
export interface MapField extends FieldBase {
  readonly kind: "map";
  readonly type: () => MessageType<object>;
}

/**
 * A message as it may be written: what is left out has its default, and whole numbers of 64 bits may be plain numbers.
 */
export type Init<T> = T extends bigint
  ? bigint | number
  : T extends string | number | boolean | Uint8Array | undefined
    ? T
    : T extends ReadonlyMap<string, infer V>
      ? ReadonlyMap<string, Init<V>>
      : T extends readonly (infer U)[]
        ? readonly Init<U>[]
        : { readonly [K in keyof T]?: Init<T[K]> | undefined };
