import { expect, test } from "vitest";
import { localDiskFailure } from "../../../../runtime/storage/local-disk.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";

test.each([
  ["ENOSPC", "StorageFull", "the replica's disk is full (ENOSPC)"],
  ["EDQUOT", "StorageFull", "the replica's disk is full (EDQUOT)"],
  ["EROFS", "InternalError", "LOCKSTEP_MODEL_DIR cannot be written to (EROFS)"],
  ["EACCES", "InternalError", "LOCKSTEP_MODEL_DIR cannot be written to (EACCES)"],
  ["EIO", "InternalError", "the replica's disk failed (EIO)"],
])("%s is %s, and the path stays in the log", (code, reason, message) => {
  const error = Object.assign(new Error(`${code}: write /secret/path`), { code });
  expect(localDiskFailure(error)).toMatchObject({ reason, message, cause: error });
});

test("what is not of the system is passed on", () => {
  const failure = new StorageFailure("StorageAccessDenied", "x");
  const bug = new TypeError("y");
  expect(localDiskFailure(failure)).toBe(failure);
  expect(localDiskFailure(bug)).toBe(bug);
});
