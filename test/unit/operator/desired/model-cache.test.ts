import { describe, expect, test } from "vitest";
import { checkHostPath, HostPathRefusedError } from "../../../../operator/desired/model-cache.ts";
import { CONFIG, inferenceService } from "../fixtures.ts";

function check(path: string, allowed: boolean, prefixes: readonly string[] = ["/var/cache/lockstep", "/data/"]): void {
  const isvc = inferenceService({ modelCache: { hostPath: { path }, maxSize: "1Gi" } });
  checkHostPath(isvc, {
    LOCKSTEP_ALLOW_HOST_PATH_CACHE: allowed,
    LOCKSTEP_HOST_PATH_CACHE_PREFIXES: prefixes,
  });
}

describe("a folder of the node", () => {
  test("is refused unless the operator allows it", () => {
    expect(CONFIG.LOCKSTEP_ALLOW_HOST_PATH_CACHE).toBe(false);
    expect(() => check("/var/cache/lockstep", false)).toThrow(HostPathRefusedError);
    expect(() => check("/var/cache/lockstep", false)).toThrow(
      "modelCache.hostPath is not allowed by the operator (LOCKSTEP_ALLOW_HOST_PATH_CACHE): use modelCache.persistentVolumeClaim",
    );
  });

  test.each(["/var/cache/lockstep", "/var/cache/lockstep/team-a", "/data/x"])("%s is one of the allowed", (path) => {
    expect(() => check(path, true)).not.toThrow();
  });

  test.each(["/", "/var/cache", "/var/cache/lockstep-other", "/etc", "/database"])("%s is none", (path) => {
    expect(() => check(path, true)).toThrow(
      "lie in one: /var/cache/lockstep, /data (LOCKSTEP_HOST_PATH_CACHE_PREFIXES)",
    );
    expect(() => check(path, true, [])).toThrow("lie in one: none");
  });

  test("is nobody's business where the cache is a claim, or there is none", () => {
    const claim = inferenceService({ modelCache: { persistentVolumeClaim: { claimName: "c" }, maxSize: "1Gi" } });
    expect(() => checkHostPath(claim, CONFIG)).not.toThrow();
    expect(() => checkHostPath(inferenceService(), CONFIG)).not.toThrow();
  });
});
