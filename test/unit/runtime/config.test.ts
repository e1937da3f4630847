import { describe, expect, test } from "vitest";
import { EnvironmentError } from "../../../common/environment.ts";
import { grpcLimitsOf, httpLimitsOf, readRuntimeProcessConfig } from "../../../runtime/config.ts";
import { completeHttpLimits } from "../../../runtime/http/http-server-options.ts";

describe("a replica's variables", () => {
  test.each(["10.0.0.0/33", "example.com", "10.0.0.0/8,::1/129", "10.0.0.0/8/8", "300.0.0.1"])(
    "refuse %s as networks, before anything starts",
    (LOCKSTEP_STORAGE_DENY) => {
      expect(() => readRuntimeProcessConfig({ LOCKSTEP_STORAGE_DENY })).toThrow(
        new EnvironmentError("LOCKSTEP_STORAGE_DENY: expected networks such as 10.0.0.0/8 or fd00::/8"),
      );
    },
  );

  test("take no network at all, and addresses", () => {
    const denied = (value: string): readonly string[] =>
      readRuntimeProcessConfig({ LOCKSTEP_STORAGE_DENY: value }).LOCKSTEP_STORAGE_DENY;
    expect(denied("")).toEqual([]);
    expect(denied("10.0.0.1, fd00::/8")).toEqual(["10.0.0.1", "fd00::/8"]);
  });

  test("have the HTTP server's own limits as their defaults", () => {
    expect(completeHttpLimits(httpLimitsOf(readRuntimeProcessConfig({})))).toEqual(completeHttpLimits());
  });

  test.each([
    ["LOCKSTEP_HEADERS_TIMEOUT_MS", "headersTimeoutMs"],
    ["LOCKSTEP_RECEIVE_TIMEOUT_MS", "receiveTimeoutMs"],
    ["LOCKSTEP_SEND_TIMEOUT_MS", "sendTimeoutMs"],
    ["LOCKSTEP_STREAM_IDLE_TIMEOUT_MS", "streamIdleTimeoutMs"],
    ["LOCKSTEP_KEEP_ALIVE_TIMEOUT_MS", "keepAliveTimeoutMs"],
  ] as const)("%s bounds how long the HTTP server waits", (variable, limit) => {
    expect(httpLimitsOf(readRuntimeProcessConfig({ [variable]: "1234" }))[limit]).toBe(1_234);
    for (const wrong of ["0", "1e12", "1.5", "soon"])
      expect(() => readRuntimeProcessConfig({ [variable]: wrong })).toThrow(`${variable}: expected a whole number`);
  });

  test("bound the age of connections of both protocols, and what clients do not read", () => {
    const config = readRuntimeProcessConfig({ LOCKSTEP_MAX_CONNECTION_AGE_MS: "0", LOCKSTEP_MAX_UNSENT_BYTES: "5000" });
    expect(httpLimitsOf(config)).toMatchObject({ maxAgeMs: 0, maxUnsentBytes: 5_000 });
    expect(grpcLimitsOf(config)).toMatchObject({ maxAgeMs: 0 });
  });

  test("bound the bodies in memory, but never below the greatest single one", () => {
    const limits = (environment: Record<string, string>): number | undefined =>
      httpLimitsOf(readRuntimeProcessConfig({ LOCKSTEP_MAX_BODY_BYTES: "2000", ...environment })).maxBufferedBytes;
    expect(limits({ LOCKSTEP_MAX_BUFFERED_BYTES: "5000" })).toBe(5_000);
    expect(limits({ LOCKSTEP_MAX_BUFFERED_BYTES: "1000" })).toBe(2_000);
    expect(limits({})).toBeUndefined();
  });
});
