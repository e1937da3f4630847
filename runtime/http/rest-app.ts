import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from "express";
import { ServingError } from "../errors.ts";
import type { RestContext, RestRoute } from "../protocol/rest-route.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import { PROTOCOL_PATHS } from "./protocols.ts";
import { BodyBudget, readBody } from "./request-body.ts";
import { checkLength, requestIdOf } from "./request-head.ts";
import { errorAnswer, type Answer } from "./respond.ts";
import { answerUnread } from "./unread-body.ts";

/** Bodies of calls that are not inference are short. */
const MAX_REST_BODY_BYTES = 1024 * 1024;
/** All of them together. */
const MAX_REST_BODIES_BYTES = 16 * MAX_REST_BODY_BYTES;

/** Answers all that is not inference: health, metadata, repository, metrics; and 404 for everything else. */
export function createRestApp(options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean): Express {
  return new RestApp(options, limits, isDraining).app;
}

type Route = Omit<RestRoute, "protocol">;

class RestApp {
  readonly app: Express = express();
  readonly #options: HttpServerOptions;
  readonly #limits: HttpLimits;
  readonly #isDraining: () => boolean;
  readonly #context: RestContext;
  readonly #maxBodyBytes: number;
  readonly #budget = new BodyBudget(MAX_REST_BODIES_BYTES);

  constructor(options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean) {
    this.#options = options;
    this.#limits = limits;
    this.#isDraining = isDraining;
    this.#maxBodyBytes = Math.min(limits.maxBodyBytes, MAX_REST_BODY_BYTES);
    const { servables, statistics, protocols } = options;
    this.#context = {
      servables,
      statistics,
      isReady: () => !isDraining() && servables.isReady(),
      isDraining,
      release: options.version,
      protocols,
    };
    const { app } = this;
    // What is not the path itself is another path.
    app.enable("strict routing");
    app.enable("case sensitive routing");
    app.disable("x-powered-by");
    app.disable("etag");
    app.disable("query parser");
    this.#addRoutes();
    app.use((request, response) => {
      this.#send(request, response, errorAnswer(noSuchPath()));
    });
    // Express knows a handler of errors by its four parameters.
    app.use((thrown: unknown, request: Request, response: Response, _next: NextFunction) => {
      this.#sendError(request, response, fromExpress(thrown));
    });
  }

  #addRoutes(): void {
    const ofProtocols = PROTOCOL_PATHS.flatMap(({ restRoutes }) => restRoutes);
    const routes = [
      ...ofProtocols.filter(({ protocol }) => this.#options.protocols.has(protocol)),
      this.#metricsRoute(),
    ];
    for (const [path, ofPath] of Map.groupBy(routes, (route) => route.path)) {
      const added = this.app.route(path);
      const methods = new Set<string>();
      for (const route of ofPath) {
        if (route.method === "GET") added.get(this.#handler(route));
        else added.post(this.#handler(route));
        methods.add(route.method);
      }
      added.all(this.#methodNotAllowed(methods));
    }
  }

  #metricsRoute(): Route {
    return {
      method: "GET",
      path: "/metrics",
      answer: async () => ({ status: 200, ...(await this.#options.metricsPages.render()) }),
    };
  }

  #handler(route: Route): RequestHandler {
    return async (request, response) => {
      try {
        const body = route.method === "POST" ? await this.#read(request) : EMPTY;
        const params = Object.fromEntries(Object.entries(request.params).map(([name, value]) => [name, String(value)]));
        this.#send(request, response, await route.answer({ params, body }, this.#context));
      } catch (thrown) {
        this.#sendError(request, response, ServingError.from(thrown), route.writeError);
      }
    };
  }

  async #read(request: Request): Promise<Uint8Array> {
    checkLength(request.headers, this.#maxBodyBytes);
    if ("expect" in request.headers) request.res?.writeContinue();
    let takenBytes = 0;
    const limits = {
      maxBodyBytes: this.#maxBodyBytes,
      budget: this.#budget,
      onTaken: (sizeBytes: number) => {
        takenBytes += sizeBytes;
      },
    };
    try {
      return await readBody(request, limits, new AbortController().signal);
    } finally {
      this.#budget.giveBack(takenBytes);
    }
  }

  #methodNotAllowed(methods: ReadonlySet<string>): RequestHandler {
    const allowed = [...(methods.has("GET") ? ["GET", "HEAD"] : []), ...(methods.has("POST") ? ["POST"] : [])];
    const error = new ServingError("MethodNotAllowed", `method: expected ${allowed.join(" or ")}, got another`);
    return (request, response) => {
      this.#send(request, response, errorAnswer(error, { allow: allowed.join(", ") }));
    };
  }

  #sendError(request: Request, response: Response, error: ServingError, write?: RestRoute["writeError"]): void {
    if (error.code === "Internal") {
      const requestId = requestIdOf(request.headers);
      this.#options.logger.error({ requestId, err: error.cause ?? error }, "request failed");
    }
    this.#send(request, response, errorAnswer(error, {}, write));
  }

  #send(request: Request, response: Response, answer: Answer): void {
    const headers = { ...answer.headers, "x-request-id": requestIdOf(request.headers) };
    const unread = {
      isLast: this.#isDraining(),
      lingerMs: this.#limits.lingerMs,
      expectsContinue: "expect" in request.headers,
    };
    void answerUnread({ request, response }, { ...answer, headers }, unread);
  }
}

const EMPTY = new Uint8Array(0);

function noSuchPath(): ServingError {
  return new ServingError("NotFound", "path: expected one such as /v2/models/MODEL/infer or /predict, got another");
}

/** Express throws errors of its own, such as for a path that is not percent-encoded properly. */
function fromExpress(thrown: unknown): ServingError {
  if (thrown instanceof URIError) return noSuchPath();
  return ServingError.from(thrown);
}
