import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { parseProfile, PROFILE_FILE, type Profile } from "../../../common/drift/profile.ts";

/** No profile of as many features as there may be is larger. */
const MAX_PROFILE_BYTES = 8 * 1024 * 1024;
const MAX_SHOWN = 3;

/** Thrown for a file that is no profile; the message completes "lockstep-profile.json ...", and holds none of its values. */
export class ProfileError extends Error {
  override name = "ProfileError";
}

/** The profile that was published with a version, beside its model's file; undefined where there is none. Throws {@link ProfileError}. */
export async function readPublishedProfile(modelFile: string): Promise<Profile | undefined> {
  const text = await readText(join(dirname(modelFile), PROFILE_FILE));
  return text === undefined ? undefined : parseProfileText(text);
}

/** Reads a profile's text. Throws {@link ProfileError}. */
export function parseProfileText(text: string): Profile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ProfileError("is not JSON", { cause });
  }
  try {
    return parseProfile(json);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const problems = error.issues.slice(0, MAX_SHOWN).map(({ path, message }) => `${path.join(".")}: ${message}`);
    throw new ProfileError(`is no profile: ${problems.join("; ")}`, { cause: error });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > MAX_PROFILE_BYTES) throw new ProfileError(`is larger than ${MAX_PROFILE_BYTES} bytes`);
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof ProfileError) throw error;
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new ProfileError("cannot be read", { cause: error });
  }
}
