const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Reads a Kubernetes quantity as whole bytes, at most 2^53-1. Throws a TypeError for what is none: the schema lets none of those pass. */
export function quantityBytes(quantity: string | number): number {
  const [, number = "", suffix = "", exponent = "0"] =
    /^\+?(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)?|[eE]([-+]?\d+))$/.exec(String(quantity)) ?? [];
  const factor = SUFFIXES[suffix];
  if (number === "" || factor === undefined) throw new TypeError("expected a quantity such as 10Gi");
  return Math.min(Math.floor(Number(`${number}e${exponent}`) * factor), Number.MAX_SAFE_INTEGER);
}
