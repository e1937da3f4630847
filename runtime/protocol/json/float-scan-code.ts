import {
  block,
  f64,
  get,
  goTo,
  goToIf,
  i32,
  i64,
  loop,
  memory,
  op,
  set,
  wasmModule,
  when,
  type Code,
  type Label,
} from "./wasm-code.ts";

/**
 * Numbers of a JSON array to floats, eight digits at a time: WebAssembly has integers of 64 bits that cost nothing. What
 * it takes is what nearly all numbers are, and stops before the first that is anything else: digits that 63 bits can hold,
 * an exponent of at most two, powers of ten that doubles hold exactly, a comma behind.
 */

/** Bytes of text that are scanned at a time: they stay in the processor's nearest memory. */
export const WINDOW_BYTES = 32 * 1024;
/** Zeros behind the text, which end whatever is cut off there; eight digits are read at a time. */
export const PADDING_BYTES = 64;
/** An element takes two bytes of text, its comma included. */
export const MOST_ELEMENTS = WINDOW_BYTES / 2;
/** The power of ten up to which doubles hold them exactly. */
export const LARGEST_POWER = 22;
/** Digits that are read at a time. */
export const WORD_DIGITS = 8;

/** Addresses in the memory. At 0 the function leaves the end of its results. */
export const ADDRESSES = {
  /** Powers of ten up to {@link LARGEST_POWER}, as doubles. */
  powers: 64,
  /** Powers of ten up to {@link WORD_DIGITS}, as integers of 64 bits. */
  integerPowers: 256,
  /** For each of those what {@link limitOf} says. */
  limits: 336,
  text: 512,
  results: 512 + WINDOW_BYTES + PADDING_BYTES,
} as const;
const PAGE_BYTES = 64 * 1024;
const PAGES = Math.ceil((ADDRESSES.results + 8 * MOST_ELEMENTS) / PAGE_BYTES);

/** More than the errors of a few operations on doubles. */
const ABOVE_ONE = 1 + 2 ** -50;
const BELOW_ONE = 1 - 2 ** -50;

/** Parameters and local variables of the function, by their numbers. */
const AT = 0;
const OUT = 1;
const OUT_END = 2;
const STEP = 3;
const BYTE = 4;
const IS_NEGATIVE = 5;
const FRACTION = 6;
const POWER = 7;
const COUNT = 8;
const START = 9;
const EXPONENT = 10;
const MANTISSA = 11;
const EIGHT = 12;
const OTHERS = 13;
const VALUE = 14;

const next: Label = { name: "next" };
const done: Label = { name: "done" };

const stopIf = (...condition: readonly Code[]): Code => goToIf(done, condition);
const byteAt = (): Code => memory.loadByte(get(AT));
const advance = (count: Code): Code => set(AT, [get(AT), count, op.i32Add]);
const isByte = (byte: number): Code => [get(BYTE), i32(byte), op.i32Eq];

/** Sets BYTE to the next one that is no space. */
function passSpace(): Code {
  const more: Label = { name: "more space" };
  const isSpace: Code = [isByte(0x20), isByte(0x0a), op.i32Or, isByte(0x0d), op.i32Or, isByte(0x09), op.i32Or];
  return [
    set(BYTE, byteAt()),
    when(
      [get(BYTE), i32(0x20), op.i32LeU],
      loop(more, when(isSpace, advance(i32(1)), set(BYTE, byteAt()), goTo(more))),
    ),
  ];
}

/** Sets BYTE to the value of the digit there; a byte that is none becomes more than 9. */
const readDigit = (): Code => set(BYTE, [byteAt(), i32(0x30), op.i32Sub]);
const isNoDigit = (): Code => [get(BYTE), i32(9), op.i32GtU];

/** MANTISSA becomes itself x `power`, plus what `digits` leaves; stops where it is too large for that. */
const append = (power: Code, limit: Code, digits: Code): Code => [
  stopIf(get(MANTISSA), limit, op.i64GtU),
  set(MANTISSA, [get(MANTISSA), power, op.i64Mul, digits, op.i64Add]),
];

/** The largest number that may get so many digits more. */
export function limitOf(digits: number): bigint {
  return 2n ** 63n / 10n ** BigInt(digits) - 1n;
}

/** The digits before the point. A zero is no digit of the number, and no other may follow it. */
function readWhole(): Code {
  const more: Label = { name: "more digits" };
  return [
    readDigit(),
    stopIf(isNoDigit()),
    advance(i32(1)),
    set(MANTISSA, [get(BYTE), op.i64ExtendI32U]),
    when(
      get(BYTE),
      loop(
        more,
        readDigit(),
        when(
          [get(BYTE), i32(9), op.i32LeU],
          append(i64(10n), i64(limitOf(1)), [get(BYTE), op.i64ExtendI32U]),
          advance(i32(1)),
          goTo(more),
        ),
      ),
    ),
  ];
}

/**
 * The number that the eight digits in EIGHT are, the first in the lowest byte: neighbours are added up to pairs, pairs
 * to fours in the upper half of two products, which add up to eight.
 */
const eightDigits: Code = [
  set(EIGHT, [get(EIGHT), i64(10n), op.i64Mul, get(EIGHT), i64(8n), op.i64ShrU, op.i64Add]),
  [get(EIGHT), i64(0x0000_00ff_0000_00ffn), op.i64And, i64(100n + (1_000_000n << 32n)), op.i64Mul],
  [get(EIGHT), i64(16n), op.i64ShrU, i64(0x0000_00ff_0000_00ffn), op.i64And, i64(1n + (10_000n << 32n)), op.i64Mul],
  [op.i64Add, i64(32n), op.i64ShrU],
];

/** Where a table of 64-bit integers has the entry for COUNT. */
const wordOffset = (): Code => [get(COUNT), i32(3), op.i32Shl];

/** The digits behind the point, eight at a time; FRACTION becomes their number. */
function readFraction(): Code {
  const more: Label = { name: "more of the fraction" };
  const everyByte = (byte: bigint): Code => i64(byte * 0x0101_0101_0101_0101n);
  return [
    advance(i32(1)),
    set(FRACTION, get(AT)),
    loop(
      more,
      // A digit becomes its value; only of a digit are the upper bits 0, with 6 added as well.
      set(EIGHT, [memory.loadI64(get(AT)), everyByte(0x30n), op.i64Xor]),
      set(OTHERS, [get(EIGHT), get(EIGHT), everyByte(0x06n), op.i64Add, op.i64Or, everyByte(0xf0n), op.i64And]),
      when(
        [get(OTHERS), op.i64Eqz],
        append(i64(10n ** BigInt(WORD_DIGITS)), i64(limitOf(WORD_DIGITS)), eightDigits),
        advance(i32(WORD_DIGITS)),
        goTo(more),
      ),
    ),
    // Fewer than eight: those behind are shifted away, and zeros come before the others.
    set(COUNT, [get(OTHERS), op.i64Ctz, i64(3n), op.i64ShrU, op.i32WrapI64]),
    set(EIGHT, [
      get(EIGHT),
      [i32(63), get(COUNT), i32(3), op.i32Shl, op.i32Sub, op.i64ExtendI32U, op.i64Shl],
      [i64(1n), op.i64Shl],
    ]),
    append(
      memory.loadI64(wordOffset(), ADDRESSES.integerPowers),
      memory.loadI64(wordOffset(), ADDRESSES.limits),
      eightDigits,
    ),
    advance(get(COUNT)),
    set(FRACTION, [get(AT), get(FRACTION), op.i32Sub]),
    stopIf(get(FRACTION), op.i32Eqz),
    stopIf(get(FRACTION), i32(LARGEST_POWER), op.i32GtS),
  ];
}

/** An exponent of one or two digits; POWER changes by it. */
function readExponent(): Code {
  return [
    advance(i32(1)),
    set(BYTE, byteAt()),
    set(EXPONENT, [isByte(0x2d)]),
    when([isByte(0x2d), isByte(0x2b), op.i32Or], advance(i32(1))),
    readDigit(),
    stopIf(isNoDigit()),
    advance(i32(1)),
    set(COUNT, get(BYTE)),
    readDigit(),
    when(
      [get(BYTE), i32(9), op.i32LeU],
      advance(i32(1)),
      set(COUNT, [get(COUNT), i32(10), op.i32Mul, get(BYTE), op.i32Add]),
    ),
    // Minus it, if there was a minus.
    when(get(EXPONENT), set(COUNT, [i32(0), get(COUNT), op.i32Sub])),
    set(POWER, [get(POWER), get(COUNT), op.i32Add]),
    stopIf(get(POWER), i32(LARGEST_POWER), op.i32GtS),
    stopIf([i32(-LARGEST_POWER), get(POWER), op.i32GtS]),
  ];
}

/** VALUE becomes MANTISSA x 10^POWER, and is stored. */
function storeValue(): Code {
  const address = (power: Code): Code => [power, i32(3), op.i32Shl];
  return [
    set(VALUE, [get(MANTISSA), op.f64ConvertI64S]),
    when(
      [i32(0), get(POWER), op.i32GtS],
      set(VALUE, [get(VALUE), memory.loadF64(address([i32(0), get(POWER), op.i32Sub]), ADDRESSES.powers), op.f64Div]),
    ),
    when(
      [get(POWER), i32(0), op.i32GtS],
      set(VALUE, [get(VALUE), memory.loadF64(address(get(POWER)), ADDRESSES.powers), op.f64Mul]),
    ),
    when(get(IS_NEGATIVE), set(VALUE, [get(VALUE), op.f64Neg])),
    when(
      [get(STEP), i32(4), op.i32Eq],
      // Not exact for many digits, but near enough to tell the nearest single, unless it is next to a midpoint.
      stopIf(
        [get(VALUE), f64(BELOW_ONE), op.f64Mul, op.f32DemoteF64],
        [get(VALUE), f64(ABOVE_ONE), op.f64Mul, op.f32DemoteF64],
        op.f32Ne,
      ),
      memory.storeF32(get(OUT), [get(VALUE), op.f32DemoteF64]),
    ),
    when(
      [get(STEP), i32(8), op.i32Eq],
      stopIf(get(MANTISSA), i64(2n ** 53n), op.i64GtU),
      memory.storeF64(get(OUT), get(VALUE)),
    ),
    set(OUT, [get(OUT), get(STEP), op.i32Add]),
  ];
}

const SCAN: Code = [
  set(START, get(AT)),
  block(
    done,
    loop(
      next,
      stopIf(get(OUT), get(OUT_END), op.i32GeU),
      passSpace(),
      set(IS_NEGATIVE, i32(0)),
      when(isByte(0x2d), set(IS_NEGATIVE, i32(1)), advance(i32(1))),
      readWhole(),
      set(FRACTION, i32(0)),
      set(BYTE, byteAt()),
      when(isByte(0x2e), readFraction(), set(BYTE, byteAt())),
      set(POWER, [i32(0), get(FRACTION), op.i32Sub]),
      when([get(BYTE), i32(0x20), op.i32Or, i32(0x65), op.i32Eq], readExponent()),
      passSpace(),
      stopIf(get(BYTE), i32(0x2c), op.i32Ne),
      storeValue(),
      advance(i32(1)),
      set(START, get(AT)),
      goTo(next),
    ),
  ),
  memory.storeI32(i32(0), get(OUT)),
  get(START),
];

/** The module's bytes: it exports its `memory`, and `scan` as {@link Scan}. */
export function floatScanModule(): Uint8Array<ArrayBuffer> {
  const fn = {
    name: "scan",
    parameters: ["i32", "i32", "i32", "i32"],
    result: "i32",
    locals: ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i64", "i64", "i64", "f64"],
    body: SCAN,
  } as const;
  return wasmModule(fn, PAGES);
}

/** Reads elements from an address of the text; the result is the address of the first that is left. */
export type Scan = (at: number, out: number, outEnd: number, step: number) => number;
