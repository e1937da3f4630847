import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from "express";
import type { ServableHandle } from "../core/servable.ts";
import { ServingError } from "../errors.ts";
import { modelMetadata, serverMetadata } from "../protocol/v2/metadata.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import { parseModelName, parseVersion } from "./inference-route.ts";
import { requestIdOf } from "./request-head.ts";
import { errorAnswer, jsonAnswer, type Answer } from "./respond.ts";
import { answerUnread } from "./unread-body.ts";

type Answering = (request: Request) => Answer | Promise<Answer>;

const MODEL_PATHS = ["/v2/models/:model", "/v2/models/:model/versions/:version"];

/** Answers all that is not inference: health, metadata, metrics; and 404 for everything else. */
export function createRestApp(options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean): Express {
  const { servables } = options;
  const isReady = (): boolean => !isDraining() && servables.isReady();
  const app = express();
  // What is not the path itself is another path.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");

  const get = (path: string, answer: Answering): void => {
    app.route(path).get(handler(answer)).all(methodNotAllowed);
  };
  const handler =
    (answer: Answering): RequestHandler =>
    async (request, response) => {
      send(request, response, await answer(request));
    };
  // Nobody reads bodies here.
  const send = (request: Request, response: Response, answer: Answer): void => {
    const headers = { ...answer.headers, "x-request-id": requestIdOf(request.headers) };
    const unread = { isLast: isDraining(), lingerMs: limits.lingerMs, expectsContinue: "expect" in request.headers };
    void answerUnread({ request, response }, { ...answer, headers }, unread);
  };
  const methodNotAllowed: RequestHandler = (request, response) => {
    const error = new ServingError("MethodNotAllowed", "method: expected GET or HEAD, got another");
    send(request, response, errorAnswer(error, { allow: "GET, HEAD" }));
  };

  get("/v2/health/live", () => jsonAnswer(200, { live: true }));
  get("/v2/health/ready", () => {
    const ready = isReady();
    return jsonAnswer(ready ? 200 : 503, { ready });
  });
  get("/v2", () => jsonAnswer(200, serverMetadata(options.version)));
  get("/v2/models", () => jsonAnswer(200, { models: servables.models().map(({ name }) => name) }));
  for (const path of MODEL_PATHS) {
    get(path, (request) => {
      using handle = acquire(options, request);
      const status = servables.models().find(({ name }) => name === handle.id.name);
      if (status === undefined) throw new ServingError("NotFound", "model: expected a served one, got another");
      return jsonAnswer(200, modelMetadata(status, handle.signature));
    });
    get(`${path}/ready`, (request) => {
      const ready = !isDraining() && canAcquire(options, request);
      return jsonAnswer(ready ? 200 : 503, { name: request.params["model"], ready });
    });
  }
  get("/metrics", async () => {
    const { contentType, body } = await options.metricsPages.render();
    return { status: 200, contentType, body };
  });

  app.use((request, response) => {
    send(request, response, errorAnswer(noSuchPath()));
  });
  // Express knows a handler of errors by its four parameters.
  app.use((thrown: unknown, request: Request, response: Response, _next: NextFunction) => {
    const error = fromExpress(thrown);
    if (error.code === "Internal") {
      options.logger.error({ requestId: requestIdOf(request.headers), err: error.cause ?? error }, "request failed");
    }
    send(request, response, errorAnswer(error));
  });
  return app;
}

function noSuchPath(): ServingError {
  return new ServingError("NotFound", "path: expected one such as /v2/models/MODEL/infer or /predict, got another");
}

/** Express throws errors of its own, such as for a path that is not percent-encoded properly. */
function fromExpress(thrown: unknown): ServingError {
  if (thrown instanceof URIError) return noSuchPath();
  return ServingError.from(thrown);
}

function acquire({ servables }: HttpServerOptions, { params }: Request): ServableHandle {
  const { model, version } = params;
  const name = typeof model === "string" ? parseModelName(model) : undefined;
  if (name === undefined) throw new ServingError("NotFound", "path: expected the name of a model, got none");
  if (version === undefined) return servables.acquire(name);
  const number = typeof version === "string" ? parseVersion(version) : undefined;
  if (number === undefined)
    throw new ServingError("NotFound", "path: expected an integer as version, got another word");
  return servables.acquire(name, number);
}

function canAcquire(options: HttpServerOptions, request: Request): boolean {
  try {
    acquire(options, request)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof ServingError && error.code === "Unavailable") return false;
    throw error;
  }
}
