import express, { type Express, type Request, type Response } from "express";
import {
  COMMAND_PATH,
  LOAD_PATH,
  parseRebalance,
  parseReplicaCommand,
  REBALANCE_PATH,
  SIGNATURE_HEADER,
  STATE_PATH,
  type CommandRefusal,
  type ReplicaCommand,
  type ReplicaLoad,
  type ReplicaReport,
} from "../../common/admin-api.ts";
import { parseProfile, type Profile } from "../../common/drift/profile.ts";
import {
  MONITORING_PATH,
  OUTCOMES_PATH,
  parseForwardedOutcomes,
  parseReferenceAssignment,
  PROFILE_PATH,
  REFERENCE_PATH,
  type ForwardedOutcomes,
  type ReferenceAssignment,
  type ReplicaMonitoring,
} from "../../common/monitoring-api.ts";
import type { OperatorKeys } from "./operator-keys.ts";
import type { Revision } from "./revision.ts";

/** What the admin port shows and does. */
export interface AdminAppOptions {
  readonly report: () => ReplicaReport;
  readonly load: () => ReplicaLoad;
  readonly monitoring: () => ReplicaMonitoring;
  /** Raised with each change of the report. */
  readonly revision: Revision;
  /** Does what the operator says; returns why not, or undefined. */
  readonly carryOut: (command: ReplicaCommand) => Omit<CommandRefusal, "report"> | undefined;
  /** Asks the clients of all open connections to make others, spread over a time. */
  readonly rebalance: (withinMs: number) => void;
  /** Joins outcomes that other replicas were told. */
  readonly takeOutcomes: (forwarded: ForwardedOutcomes) => Promise<void>;
  /** Takes a reference that drift is measured against, or learns one anew; false if there is no such version. */
  readonly assignReference: (
    assignment: Omit<ReferenceAssignment, "profile"> & { readonly profile: Profile | undefined },
  ) => boolean;
  /** The profile with a hash that some version is counted by. */
  readonly profile: (hash: string) => Profile | undefined;
  /** Whom to obey. Undefined: nobody, and everybody may ask for the state. */
  readonly operatorKeys: OperatorKeys | undefined;
}

/** A command is small: 64 versions with their digests, and 16 labels. */
const MAX_COMMAND_BYTES = 64 * 1024;
/** Outcomes of requests of many rows: whoever has more of them sends several bodies. */
const MAX_OUTCOMES_BYTES = 4 * 1024 * 1024;
/** A reference has up to 512 features. */
const MAX_REFERENCE_BYTES = 2 * 1024 * 1024;
/** As long as anybody may wait for a change. */
const LONGEST_WAIT_MS = 60_000;

/**
 * What the admin port answers: the report at {@link STATE_PATH}, the load at {@link LOAD_PATH} and what it did at
 * {@link MONITORING_PATH}, to GET; commands at {@link COMMAND_PATH}, references at {@link REFERENCE_PATH}, which can be read at
 * {@link PROFILE_PATH}, what is asked of connections at {@link REBALANCE_PATH}, and outcomes at {@link OUTCOMES_PATH}.
 */
export function createAdminApp(options: AdminAppOptions): Express {
  const app = express();
  // What is not the path itself is another path.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.use(OUTCOMES_PATH, express.text({ type: () => true, limit: MAX_OUTCOMES_BYTES }));
  app.use(REFERENCE_PATH, express.text({ type: () => true, limit: MAX_REFERENCE_BYTES }));
  app.use(express.text({ type: () => true, limit: MAX_COMMAND_BYTES }));
  app.use((request, response, next) => {
    response.set("cache-control", "no-store");
    if (isAllowed(request, options.operatorKeys)) next();
    else response.status(401).json({ error: `expected a ${SIGNATURE_HEADER} of the operator` });
  });
  app
    .route(STATE_PATH)
    .get((request, response) => answerState(request, response, options))
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app
    .route(LOAD_PATH)
    .get((_request, response) => void response.json(options.load()))
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app
    .route(MONITORING_PATH)
    .get((_request, response) => void response.json(options.monitoring()))
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app
    .route(COMMAND_PATH)
    .post((request, response) => answerCommand(request, response, options))
    .all((_request, response) => void response.status(405).set("allow", "POST").json({ error: "expected POST" }));
  app
    .route(REBALANCE_PATH)
    .post((request, response) => answerRebalance(request, response, options))
    .all((_request, response) => void response.status(405).set("allow", "POST").json({ error: "expected POST" }));
  app
    .route(OUTCOMES_PATH)
    .post((request, response) => answerOutcomes(request, response, options))
    .all((_request, response) => void response.status(405).set("allow", "POST").json({ error: "expected POST" }));
  app
    .route(REFERENCE_PATH)
    .post((request, response) => answerReference(request, response, options))
    .all((_request, response) => void response.status(405).set("allow", "POST").json({ error: "expected POST" }));
  app
    .route(PROFILE_PATH)
    .get((request, response) => {
      const profile = options.profile(new URL(request.originalUrl, "http://replica").searchParams.get("hash") ?? "");
      if (profile === undefined)
        response.status(404).json({ error: "no version is counted by a profile of this hash" });
      else response.json(profile);
    })
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app.use((_request, response) => void response.status(404).json({ error: "no such path" }));
  app.use((error: unknown, _request: Request, response: Response, _next: unknown) => {
    const status = error instanceof Error && "status" in error && typeof error.status === "number" ? error.status : 500;
    response.status(status).json({ error: status < 500 ? "the body cannot be read" : "the state cannot be told" });
  });
  return app;
}

function isAllowed(request: Request, keys: OperatorKeys | undefined): boolean {
  if (keys === undefined) return request.method !== "POST";
  const { method, originalUrl: path } = request;
  return keys.verify({ method, path, body: bodyOf(request) }, request.get(SIGNATURE_HEADER) ?? "");
}

function bodyOf(request: Request): string {
  const body: unknown = request.body;
  return typeof body === "string" ? body : "";
}

async function answerState(request: Request, response: Response, options: AdminAppOptions): Promise<void> {
  const query = new URLSearchParams(request.originalUrl.split("?", 2)[1] ?? "");
  const seen = query.get("seen");
  if (seen !== null) {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const waitMs = Math.min(Number(query.get("waitMs")) || 0, LONGEST_WAIT_MS);
    await options.revision.pass(Number(seen), waitMs, gone.signal);
  }
  response.json(options.report());
}

function answerCommand(request: Request, response: Response, { carryOut, report }: AdminAppOptions): void {
  let command: ReplicaCommand;
  try {
    command = parseReplicaCommand(JSON.parse(bodyOf(request)));
  } catch {
    response.status(400).json({ error: "expected a command in JSON" });
    return;
  }
  const refusal = carryOut(command);
  if (refusal === undefined) response.json(report());
  else response.status(409).json({ ...refusal, report: report() });
}

function answerRebalance(request: Request, response: Response, { rebalance }: AdminAppOptions): void {
  let withinMs: number;
  try {
    ({ withinMs } = parseRebalance(JSON.parse(bodyOf(request))));
  } catch {
    response.status(400).json({ error: "expected withinMs in JSON, at most a minute" });
    return;
  }
  rebalance(withinMs);
  response.status(204).end();
}

async function answerOutcomes(request: Request, response: Response, { takeOutcomes }: AdminAppOptions): Promise<void> {
  let forwarded: ForwardedOutcomes;
  try {
    forwarded = parseForwardedOutcomes(JSON.parse(bodyOf(request)));
  } catch {
    response.status(400).json({ error: "expected a model and its outcomes in JSON" });
    return;
  }
  await takeOutcomes(forwarded);
  response.status(204).end();
}

function answerReference(request: Request, response: Response, { assignReference }: AdminAppOptions): void {
  let assignment: Parameters<AdminAppOptions["assignReference"]>[0];
  try {
    const body = parseReferenceAssignment(JSON.parse(bodyOf(request)));
    assignment = { ...body, profile: body.profile === undefined ? undefined : parseProfile(body.profile) };
  } catch {
    response.status(400).json({ error: "expected model, version, digest, and a profile or none, in JSON" });
    return;
  }
  if (assignReference(assignment)) response.status(204).end();
  else response.status(409).json({ error: "the version is not loaded, or is another file" });
}
