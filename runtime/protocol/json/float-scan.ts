import {
  ADDRESSES,
  floatScanModule,
  LARGEST_POWER,
  limitOf,
  MOST_ELEMENTS,
  PADDING_BYTES,
  WINDOW_BYTES,
  WORD_DIGITS,
  type Scan,
} from "./float-scan-code.ts";

/** The part of the global object that is used; its types are the browser's, which are not installed. */
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

/** The function, and parts of its memory. */
interface Scanner {
  readonly scan: Scan;
  readonly text: Uint8Array;
  /** Where the results end. */
  readonly resultEnd: Uint32Array;
  readonly singles: Float32Array;
  readonly doubles: Float64Array;
}

/** Made for the first text: most servers are asked for few numbers at a time, and some in binary only. */
let made: Scanner | undefined;

function scanner(): Scanner {
  made ??= makeScanner();
  return made;
}

function makeScanner(): Scanner {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(floatScanModule()));
  // As the module says.
  const { scan, memory: wasmMemory } = exports as { scan: Scan; memory: { buffer: ArrayBuffer } };
  const { buffer } = wasmMemory;
  for (let power = 0; power <= LARGEST_POWER; power++)
    new Float64Array(buffer, ADDRESSES.powers)[power] = Number(`1e${power}`);
  for (let count = 0; count < WORD_DIGITS; count++) {
    new BigInt64Array(buffer, ADDRESSES.integerPowers)[count] = 10n ** BigInt(count);
    new BigInt64Array(buffer, ADDRESSES.limits)[count] = limitOf(count);
  }
  return {
    scan,
    text: new Uint8Array(buffer, ADDRESSES.text, WINDOW_BYTES + PADDING_BYTES),
    resultEnd: new Uint32Array(buffer, 0, 1),
    singles: new Float32Array(buffer, ADDRESSES.results, MOST_ELEMENTS),
    doubles: new Float64Array(buffer, ADDRESSES.results, MOST_ELEMENTS),
  };
}

/** Puts text where {@link scanWindow} reads; at most {@link WINDOW_BYTES}. */
export function loadWindow(bytes: Uint8Array): void {
  const { text } = scanner();
  text.set(bytes);
  text.fill(0, bytes.length, bytes.length + PADDING_BYTES);
}

/** What a scan of the window found. */
export interface WindowScan {
  /** Index in the window of the first element that is left. */
  end: number;
  /** Elements that were read. */
  count: number;
}

/** So many elements are copied one by one in less time than all at once. */
const FEW = 32;

/** Reads elements of the window from `start` into `data` from `from`, at most `room` of them; `found` becomes the result. */
export function scanWindow(
  start: number,
  data: Float32Array | Float64Array,
  { from, room }: { readonly from: number; readonly room: number },
  found: WindowScan,
): void {
  const { scan, resultEnd, singles, doubles } = scanner();
  const step = data.BYTES_PER_ELEMENT;
  const most = Math.min(room, MOST_ELEMENTS);
  const { text, results: out } = ADDRESSES;
  found.end = scan(text + start, out, out + most * step, step) - text;
  found.count = ((resultEnd[0] as number) - out) / step;
  const results = data instanceof Float32Array ? singles : doubles;
  if (found.count > FEW) data.set(results.subarray(0, found.count), from);
  else for (let index = 0; index < found.count; index++) data[from + index] = results[index] as number;
}
