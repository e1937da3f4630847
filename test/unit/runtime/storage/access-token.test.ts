import { describe, expect, test } from "vitest";
import { rememberToken } from "../../../../runtime/storage/access-token.ts";

const HOUR_MS = 3_600_000;

/** Tokens that live for an hour, by clocks that a test moves. */
class Bench {
  evenMs = 5_000;
  wallMs = 1_800_000_000_000;
  #given = 0;
  readonly token = rememberToken(
    () => Promise.resolve({ token: `token-${++this.#given}`, lifetimeMs: HOUR_MS }),
    [() => this.evenMs, () => this.wallMs],
  );

  pass(ms: number): void {
    this.evenMs += ms;
    this.wallMs += ms;
  }
}

describe("a token that is remembered", () => {
  test("is renewed two minutes before it expires", async () => {
    const bench = new Bench();
    expect(await bench.token()).toBe("token-1");
    bench.pass(HOUR_MS - 120_001);
    expect(await bench.token()).toBe("token-1");
    bench.pass(1);
    expect(await bench.token()).toBe("token-2");
  });

  test("lives no longer because the wall clock was set back", async () => {
    const bench = new Bench();
    await bench.token();
    bench.wallMs -= 48 * HOUR_MS;
    expect(await bench.token()).toBe("token-1");
    bench.pass(HOUR_MS);
    expect(await bench.token()).toBe("token-2");
  });

  test("is renewed after a sleep of the machine, through which only the wall clock goes on", async () => {
    const bench = new Bench();
    await bench.token();
    bench.wallMs += HOUR_MS;
    expect([await bench.token(), await bench.token()]).toEqual(["token-2", "token-2"]);
  });
});
