import { expect, inject, test } from "vitest";
import { callHttp } from "./http-client.ts";
import { randomNumbers } from "../fixtures/random-numbers.ts";
import { randomRequest, type RandomRequest } from "./random-requests.ts";
import { SEEDS } from "./random-seeds.ts";

const url = inject("httpUrl");
const REQUESTS = 10_000;
const AT_THE_SAME_TIME = 16;
const SEED = 20_261_122;
/** An overloaded server may say so. Nothing that is sent makes it fail otherwise. */
const ALLOWED_FAILURES: ReadonlySet<number> = new Set([503, 504]);

/** How many answers had each status; what must not happen is told as well, with the request. */
interface Outcome {
  readonly statuses: Map<number, number>;
  readonly failures: string[];
}

async function sendAll(seeds: (typeof SEEDS)[string]): Promise<Outcome> {
  const random = randomNumbers(SEED);
  const outcome: Outcome = { statuses: new Map(), failures: [] };
  let left = REQUESTS;
  const sendSome = async (): Promise<void> => {
    while (left-- > 0) await send(randomRequest(seeds, random), outcome);
  };
  await Promise.all(Array.from({ length: AT_THE_SAME_TIME }, sendSome));
  return outcome;
}

async function send(request: RandomRequest, { statuses, failures }: Outcome): Promise<void> {
  const { path, ...call } = request;
  const said = (): string =>
    `${request.method} ${path} ${JSON.stringify(request.headers)} ${request.body.toString("latin1").slice(0, 2_000)}`;
  try {
    const { status, body } = await callHttp(`${url}${path}`, call);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (status >= 500 && !ALLOWED_FAILURES.has(status)) failures.push(`${status} ${body.toString()} for ${said()}`);
  } catch (error) {
    failures.push(`${String(error)} for ${said()}`);
  }
}

test.each(Object.entries(SEEDS))(
  "10,000 random requests leave the replica well: %s",
  { timeout: 300_000 },
  async (_name, seeds) => {
    const { statuses, failures } = await sendAll(seeds);
    expect(failures).toEqual([]);
    // They are neither all harmless nor all fatal.
    const answered = statuses.get(200) ?? 0;
    expect(answered).toBeGreaterThan(REQUESTS / 10);
    expect(answered).toBeLessThan(REQUESTS * 0.95);
    expect((await callHttp(`${url}/v2/health/ready`)).status).toBe(200);
  },
);
