import { ServingError } from "../../errors.ts";
import type { WireRequest } from "../dialect.ts";
import { parseModelName } from "../model-path.ts";
import { quoteNames } from "../wording.ts";

const HEADER = "x-amzn-sagemaker-target-model";

/**
 * Which of several models a request is for, by SageMaker's header: the name, or that of an archive, as its multi-model
 * endpoints have it (`iris.tar.gz`). Throws ServingError: InvalidArgument if there is no header, NotFound for no name.
 */
export function targetModelOf({ header }: Pick<WireRequest, "header">, names: readonly string[]): string {
  const target = header(HEADER);
  if (target === undefined) {
    throw new ServingError(
      "InvalidArgument",
      `X-Amzn-SageMaker-Target-Model: expected one of ${quoteNames(names)}, because there are several models, got none`,
    );
  }
  const name = parseModelName(target.replace(/^\//, "").replace(/\.tar\.gz$/, ""));
  if (name !== undefined) return name;
  throw new ServingError(
    "NotFound",
    `X-Amzn-SageMaker-Target-Model: expected one of ${quoteNames(names)}, got another text`,
  );
}
