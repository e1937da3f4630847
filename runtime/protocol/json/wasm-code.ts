/**
 * As much of an assembler for WebAssembly as one small function needs. Code is a tree of instructions, in the order in
 * which they are run: operands come before what uses them.
 */

/** The type of a value. */
export const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const;
export type ValueType = keyof typeof VALUE_TYPES;

/** Bytes of instructions, or a structure of them. */
export type Code =
  | readonly number[]
  | readonly Code[]
  | { readonly kind: keyof typeof OPENERS; readonly label: Label; readonly body: Code }
  | { readonly kind: keyof typeof BRANCHES; readonly label: Label };

/** Where a branch leads: to the end of a block, or the start of a loop. */
export interface Label {
  readonly name: string;
}

const OPENERS = { block: 0x02, loop: 0x03, if: 0x04 } as const;
const BRANCHES = { br: 0x0c, br_if: 0x0d } as const;
/** `\0asm`, version 1. */
const HEAD = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00] as const;
const NO_RESULT = 0x40;
const END = 0x0b;
/** Bits of a byte that a variable-length integer fills. */
const LEB_BITS = 7n;

/** A variable-length integer without sign. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** A variable-length integer with sign. */
function signed(value: bigint): number[] {
  const low = Number(BigInt.asUintN(7, value));
  const rest = value >> LEB_BITS;
  const isLast = (rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

/** Instructions that take their operands from those before them. */
export const op = {
  i32Eqz: [0x45],
  i32Eq: [0x46],
  i32Ne: [0x47],
  i32GtS: [0x4a],
  i32GtU: [0x4b],
  i32LeU: [0x4d],
  i32GeS: [0x4e],
  i32GeU: [0x4f],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32Mul: [0x6c],
  i32Or: [0x72],
  i32Shl: [0x74],
  i64Eqz: [0x50],
  i64GtU: [0x56],
  i64Ctz: [0x7a],
  i64Add: [0x7c],
  i64Mul: [0x7e],
  i64And: [0x83],
  i64Or: [0x84],
  i64Xor: [0x85],
  i64Shl: [0x86],
  i64ShrU: [0x88],
  f32Ne: [0x5c],
  f64Neg: [0x9a],
  f64Mul: [0xa2],
  f64Div: [0xa3],
  i32WrapI64: [0xa7],
  i64ExtendI32U: [0xad],
  f32DemoteF64: [0xb6],
  f64ConvertI64S: [0xb9],
  f64PromoteF32: [0xbb],
} as const satisfies Record<string, readonly number[]>;

/** A constant. */
export const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
/** A constant. */
export const i64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];
/** A constant. */
export const f64 = (value: number): Code => [0x44, ...new Uint8Array(Float64Array.of(value).buffer)];

/** The value of a local variable. */
export const get = (local: number): Code => [0x20, local];
/** Sets a local variable to the result of `value`. */
export const set = (local: number, value: Code): Code => [value, [0x21, local]];

/** Loads and stores, for addresses that need not be aligned. The address, plus `offset`, comes before. */
export const memory = {
  loadI64: (address: Code, offset = 0): Code => [address, [0x29, 0, ...unsigned(offset)]],
  loadF64: (address: Code, offset = 0): Code => [address, [0x2b, 0, ...unsigned(offset)]],
  loadByte: (address: Code, offset = 0): Code => [address, [0x2d, 0, ...unsigned(offset)]],
  storeI32: (address: Code, value: Code): Code => [address, value, [0x36, 0, 0]],
  storeF32: (address: Code, value: Code): Code => [address, value, [0x38, 0, 0]],
  storeF64: (address: Code, value: Code): Code => [address, value, [0x39, 0, 0]],
};

/** Code that a branch to `label` leaves. */
export const block = (label: Label, ...body: readonly Code[]): Code => ({ kind: "block", label, body });
/** Code that a branch to `label` starts again. */
export const loop = (label: Label, ...body: readonly Code[]): Code => ({ kind: "loop", label, body });
/** Code that is run if a condition holds. */
export const when = (condition: Code, ...body: readonly Code[]): Code => [
  condition,
  { kind: "if", label: { name: "when" }, body },
];
/** A branch. */
export const goTo = (label: Label): Code => ({ kind: "br", label });
/** A branch if a condition holds. */
export const goToIf = (label: Label, condition: Code): Code => [condition, { kind: "br_if", label }];

function isBytes(code: readonly number[] | readonly Code[]): code is readonly number[] {
  return typeof code[0] === "number";
}

function encode(code: Code, open: readonly Label[]): number[] {
  if (!("kind" in code)) return isBytes(code) ? [...code] : code.flatMap((part) => encode(part, open));
  if ("body" in code) return [OPENERS[code.kind], NO_RESULT, ...encode(code.body, [code.label, ...open]), END];
  const depth = open.indexOf(code.label);
  if (depth === -1) throw new Error(`the branch to ${code.label.name} is outside of it`);
  return [BRANCHES[code.kind], depth];
}

/** A function of a module. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  /** Of one value. */
  readonly result: ValueType;
  /** Variables beside the parameters, which are numbered first. */
  readonly locals: readonly ValueType[];
  /** Leaves the result behind. */
  readonly body: Code;
}

/** The bytes of a module with one function, and a memory of so many pages of 64 KiB that is exported as `memory`. */
export function wasmModule(fn: WasmFunction, pages: number): Uint8Array<ArrayBuffer> {
  const section = (id: number, content: readonly number[]): number[] => [id, ...unsigned(content.length), ...content];
  const list = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
  const name = (text: string): number[] => list(Array.from(Buffer.from(text), (byte) => [byte]));
  const types = (of: readonly ValueType[]): number[] => list(of.map((type) => [VALUE_TYPES[type]]));
  const body = [...list(fn.locals.map((type) => [1, VALUE_TYPES[type]])), ...encode(fn.body, []), END];
  return Uint8Array.of(
    ...HEAD,
    ...section(1, list([[0x60, ...types(fn.parameters), ...types([fn.result])]])),
    ...section(3, list([[0]])),
    ...section(5, list([[0x00, ...unsigned(pages)]])),
    ...section(
      7,
      list([
        [...name(fn.name), 0x00, 0],
        [...name("memory"), 0x02, 0],
      ]),
    ),
    ...section(10, list([[...unsigned(body.length), ...body]])),
  );
}
