import type { ModelConfig } from "../../common/runtime-config.ts";
import { ReplicaFailureError } from "../errors.ts";
import type { SuitingRule } from "./aspiration.ts";
import type { ModelVersions } from "./model-versions.ts";
import type { ServableVersion } from "./servable-version.ts";
import { incompatibilityOf } from "./signature-compatibility.ts";
import type { Signature } from "./tensor.ts";

/** Keeps versions out that clients of another one could not use. */
export class SignatureGuard {
  readonly #config: Pick<ModelConfig, "switchedBy" | "signatureChange" | "state">;
  readonly #versions: Pick<ModelVersions, "get" | "activeVersion">;
  #rule: SuitingRule | undefined;
  /** Loaded while what they are to suit was not there. */
  #uncompared = new Set<number>();

  constructor(
    config: Pick<ModelConfig, "switchedBy" | "signatureChange" | "state">,
    versions: Pick<ModelVersions, "get" | "activeVersion">,
  ) {
    this.#config = config;
    this.#versions = versions;
  }

  /** Sets which version must suit the clients of which other one, as the operator says; undefined for none. */
  setRule(rule: SuitingRule | undefined): void {
    this.#rule = rule;
  }

  /**
   * Throws ReplicaFailureError (SignatureMismatch) if clients of the version that this one is to suit could not use it. Where that
   * version cannot be loaded there is nothing that clients could use; it is compared as soon as there is.
   */
  check(version: ServableVersion, signature: Signature): void {
    const { version: number } = version.id;
    const reference = this.#referenceOf(version);
    const serving = reference === undefined ? undefined : this.#versions.get(reference);
    this.#uncompared.delete(number);
    if (reference === undefined) return;
    if (serving?.state.kind !== "ready" || serving.signature === undefined) return void this.#uncompared.add(number);
    const stateInputs = new Set(this.#config.state.map(({ input }) => input));
    const why = incompatibilityOf(serving.signature, signature, stateInputs);
    if (why === undefined) return;
    throw new ReplicaFailureError("SignatureMismatch", `clients of version ${reference} could not use it: ${why}`);
  }

  /** After a version has become ready: those that are ready, were to suit it, and turn out not to. */
  refuseLate(ready: ServableVersion): readonly { readonly version: ServableVersion; readonly error: unknown }[] {
    if (ready.id.version !== this.#rule?.clientsOf) return [];
    const uncompared = this.#uncompared;
    this.#uncompared = new Set();
    const refused: { version: ServableVersion; error: unknown }[] = [];
    for (const number of uncompared) {
      const version = this.#versions.get(number);
      // What requests are answered by stays.
      if (version?.state.kind !== "ready" || number === this.#versions.activeVersion) continue;
      if (version.signature === undefined) continue;
      try {
        this.check(version, version.signature);
      } catch (error) {
        refused.push({ version, error });
      }
    }
    return refused;
  }

  /**
   * The version whose clients this one must suit. Where the model chooses its versions itself, that is the one that this
   * one would replace; an older version, and one that has answered before, may always come back.
   */
  #referenceOf({ id: { version }, wasReady }: ServableVersion): number | undefined {
    if (this.#config.switchedBy === "Operator")
      return this.#rule?.version === version ? this.#rule.clientsOf : undefined;
    const active = this.#versions.activeVersion;
    const isToReplace = active !== undefined && version > active && !wasReady;
    return isToReplace && this.#config.signatureChange === "Refuse" ? active : undefined;
  }
}
