import { ApiError } from "../kube/cluster.ts";

/** Why the console does not do what it is asked for; shown to the person. */
export class Refusal extends Error {
  override name = "Refusal";
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** An error in words for the person; undefined where it is none of those that are foreseen. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (error instanceof ApiError) return refusalOfApi(error);
  const { status, type } = (error ?? {}) as { status?: unknown; type?: unknown };
  if (error instanceof URIError) return new Refusal(400, "BadRequest", "the path is not well encoded");
  // Of the reader of bodies.
  if (type === "entity.too.large") return new Refusal(413, "TooLarge", "the body is larger than 16 KiB");
  if (status === 400) return new Refusal(400, "BadRequest", "expected an object in JSON");
  return undefined;
}

function refusalOfApi({ status, reason, message }: ApiError): Refusal {
  switch (status) {
    case 401:
      return new Refusal(401, "Unauthorized", "The API server does not know this token, or it has expired.");
    case 403:
      return new Refusal(403, reason, `Your token does not allow this. The API server says: ${message}`);
    case 404:
      return new Refusal(404, reason, `It is gone. The API server says: ${message}`);
    case 409:
      return new Refusal(409, reason, "It was changed by somebody else at the same time: look at it and try again.");
    case 400:
    case 422:
      return new Refusal(422, reason, `The API server does not take this: ${message}`);
    default:
      return new Refusal(502, reason, `The API server could not do it: ${message}`);
  }
}
