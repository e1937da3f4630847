import type { Outcome } from "../../../common/monitoring-api.ts";
import { ServingError } from "../../errors.ts";
import { parseVersion } from "../model-path.ts";
import type { RestAnswer, RestContext, RestRequest } from "../rest-route.ts";
import { readFeedbackRequest } from "./feedback-request.ts";
import { statusOf } from "./metadata.ts";

/** So many problems are told of one by one. */
const MAX_PROBLEMS = 10;

/** What became of an outcome, in the words of the answer. */
export interface FeedbackReception {
  readonly result: "joined" | "waiting" | "duplicate" | "refused";
  /** Why it was refused. */
  readonly problem?: string;
}

/** Who takes outcomes. */
export interface FeedbackTaker {
  isEnabled(model: string): boolean;
  /** Says in their order what became of them. */
  take(model: string, version: number | undefined, outcomes: readonly Outcome[]): Promise<readonly FeedbackReception[]>;
}

/**
 * Takes outcomes of predictions. Status 200 says that none waits for its prediction, 202 that some do. Throws ServingError:
 * NotFound for the model, Unimplemented where feedback is switched off, InvalidArgument for a body that is not understood, and where
 * all of it was refused.
 */
export async function answerFeedback(
  { params, body }: RestRequest,
  { servables, feedback }: RestContext,
): Promise<RestAnswer> {
  const { model = "", version } = params;
  statusOf(servables, model);
  const number = version === undefined ? undefined : parseVersion(version);
  if (version !== undefined && number === undefined)
    throw new ServingError("NotFound", "path: expected an integer as version, got another word");
  if (feedback?.isEnabled(model) !== true)
    throw new ServingError(
      "Unimplemented",
      "feedback: it is switched off for this model (monitoring.feedback.enabled)",
    );
  const receptions = await feedback.take(model, number, readFeedbackRequest(body));
  const count = (result: FeedbackReception["result"]): number =>
    receptions.filter((reception) => reception.result === result).length;
  const problems = receptions.flatMap(({ problem }, index) => (problem === undefined ? [] : [{ index, problem }]));
  const [first] = problems;
  if (first !== undefined && problems.length === receptions.length)
    throw new ServingError("InvalidArgument", first.problem);
  const waiting = count("waiting");
  const answer = {
    joined: count("joined"),
    waiting,
    duplicate: count("duplicate"),
    refused: problems.length,
    ...(problems.length > 0 && { problems: problems.slice(0, MAX_PROBLEMS) }),
  };
  return { status: waiting > 0 ? 202 : 200, body: JSON.stringify(answer) };
}
