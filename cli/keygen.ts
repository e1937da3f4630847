import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { publicKeyText } from "../runtime/storage/manifest-signature.ts";
import { CliError } from "./cli-error.ts";

/** Makes a key pair for signing: the private key into a new file, the public one is shown. Throws {@link CliError}. */
export async function keygen(file: string): Promise<void> {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" });
  try {
    await writeFile(file, pem, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    throw new CliError(
      exists ? `${file} exists: a key is never overwritten, name another file` : `${file} cannot be written`,
      {
        cause,
      },
    );
  }
  process.stdout.write(
    `The private key is in ${file}: keep it secret. The public one, for storage.verify.publicKey:\n${publicKeyText(publicKey)}\n`,
  );
}
