import { ServingError } from "../../errors.ts";
import { parseJson, type JsonValue } from "../json/json-scanner.ts";
import { acquireByPath, isLoadedByPath, parseVersion } from "../model-path.ts";
import type { RestAnswer, RestRequest, RestRoute } from "../rest-route.ts";
import { noLogSettings, noSharedMemory, noSuchRegion, noTracing, TRACE_SETTINGS } from "./absent-features.ts";
import { answerFeedback } from "./feedback-route.ts";
import { modelMetadata, serverMetadata, statusOf } from "./metadata.ts";
import { modelConfiguration } from "./model-config.ts";
import { checkLoad, checkRepositoryName, refuseUnload, repositoryIndex } from "./model-repository.ts";
import { statisticsReport, type StatisticsTarget } from "./statistics.ts";

const MODEL = "/v2/models/:model";
const MODEL_PATHS = [MODEL, `${MODEL}/versions/:version`];
const REPOSITORY_PATHS = ["/v2/repository", "/v2/repository/:repository"];
const SHARED_MEMORY_PATHS = ["/v2/systemsharedmemory", "/v2/cudasharedmemory"];

/** What the Open Inference Protocol v2 has beside inference. Paths of words come before those of variables. */
export const V2_REST_ROUTES: readonly RestRoute[] = [
  get("/v2/health/live", () => json({ live: true })),
  get("/v2/health/ready", (_request, context) => {
    const ready = context.isReady();
    return json({ ready }, ready ? 200 : 503);
  }),
  get("/v2", (_request, { release }) => json(serverMetadata(release))),
  get("/v2/models", (_request, { servables }) => json({ models: servables.models().map(({ name }) => name) })),
  get("/v2/models/stats", (_request, context) => json(statisticsReport(context))),
  ...MODEL_PATHS.flatMap((path) => [
    get(path, ({ params }, { servables }) => {
      using handle = acquireByPath(servables, params);
      return json(modelMetadata(servables, handle));
    }),
    get(`${path}/ready`, ({ params }, { servables, isDraining }) => {
      const ready = !isDraining() && isLoadedByPath(servables, params);
      return json({ name: params["model"], ready }, ready ? 200 : 503);
    }),
    get(`${path}/config`, ({ params }, { servables }) => {
      using handle = acquireByPath(servables, params);
      return json(modelConfiguration(servables, handle));
    }),
    get(`${path}/stats`, (request, context) => json(statisticsReport(context, statisticsTarget(request)))),
    post(`${path}/feedback`, answerFeedback),
  ]),
  ...REPOSITORY_PATHS.flatMap((path) => [
    post(`${path}/index`, ({ params, body }, { servables }) => {
      checkRepositoryName(params["repository"]);
      return json(repositoryIndex(servables, { isReadyOnly: readIsReadyOnly(body) }));
    }),
    post(`${path}/models/:model/load`, ({ params, body }, { servables }) => {
      checkRepositoryName(params["repository"]);
      checkLoad(servables, params["model"] ?? "", readParameterNames(body));
      return DONE;
    }),
    post(`${path}/models/:model/unload`, ({ params }, { servables }) => {
      checkRepositoryName(params["repository"]);
      return refuseUnload(servables, params["model"] ?? "");
    }),
  ]),
  get("/v2/trace/setting", () => json(TRACE_SETTINGS)),
  post("/v2/trace/setting", () => refuse(noTracing())),
  get(`${MODEL}/trace/setting`, ({ params }, { servables }) => {
    statusOf(servables, params["model"] ?? "");
    return json(TRACE_SETTINGS);
  }),
  post(`${MODEL}/trace/setting`, () => refuse(noTracing())),
  get("/v2/logging", () => refuse(noLogSettings())),
  post("/v2/logging", () => refuse(noLogSettings())),
  ...SHARED_MEMORY_PATHS.flatMap((path) => [
    get(`${path}/status`, () => json([])),
    get(`${path}/region/:region/status`, () => refuse(noSuchRegion())),
    post(`${path}/region/:region/register`, () => refuse(noSharedMemory())),
    // Nothing is registered, so that nothing is left to be done: clients clean up before they start.
    post(`${path}/unregister`, () => DONE),
    post(`${path}/region/:region/unregister`, () => DONE),
  ]),
];

function get(path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol: "v2", method: "GET", path, answer };
}

function post(path: string, answer: RestRoute["answer"]): RestRoute {
  return { protocol: "v2", method: "POST", path, answer };
}

function json(value: unknown, status = 200): RestAnswer {
  return { status, body: JSON.stringify(value) };
}

const DONE: RestAnswer = { status: 200, body: "" };

function refuse(error: ServingError): never {
  throw error;
}

function statisticsTarget({ params }: RestRequest): StatisticsTarget {
  const { model = "", version } = params;
  if (version === undefined) return { model };
  const number = parseVersion(version);
  if (number === undefined) {
    throw new ServingError("NotFound", "path: expected an integer as version, got another word");
  }
  return { model, version: number };
}

/** The body `{"ready": true}`; nothing at all means false. Throws ServingError (InvalidArgument). */
function readIsReadyOnly(body: Uint8Array): boolean {
  const ready = readObject(body)["ready"] ?? false;
  if (typeof ready === "boolean") return ready;
  throw new ServingError("InvalidArgument", `ready: expected true or false, got a ${typeof ready}`);
}

/** The names in the body `{"parameters": {...}}`. Throws ServingError (InvalidArgument). */
function readParameterNames(body: Uint8Array): string[] {
  const parameters = readObject(body)["parameters"] ?? {};
  if (isObject(parameters)) return Object.keys(parameters);
  throw new ServingError("InvalidArgument", "parameters: expected an object, got another value");
}

function readObject(body: Uint8Array): { readonly [key: string]: JsonValue } {
  if (body.length === 0) return {};
  const value = parseJson(body);
  if (isObject(value)) return value;
  throw new ServingError("InvalidArgument", "body: expected an object, or nothing, got another value");
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
