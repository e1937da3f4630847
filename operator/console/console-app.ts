import express, { type Express, type NextFunction, type Request, type Response } from "express";
import type { Logger } from "../../common/logger.ts";
import type { PersonAccess } from "../kube/person-access.ts";
import { doneMessage, parseAction, patchOf } from "./action.ts";
import { detailsOf, listOf, type ConsoleSources } from "./console-data.ts";
import type { ActionAnswer, ErrorAnswer, ListAnswer, ServiceAnswer } from "./console-views.ts";
import { isOwnHost } from "./hosts.ts";
import type { PageFiles } from "./page-files.ts";
import type { ReadingRights } from "./reading-rights.ts";
import { Refusal, refusalOf } from "./refusal.ts";

export interface ConsoleAppOptions {
  readonly sources: ConsoleSources;
  readonly files: PageFiles;
  /** Carries out what people do, with their own tokens. */
  readonly people: Pick<PersonAccess, "change">;
  /** Undefined: whoever reaches the port may read. */
  readonly readingRights: ReadingRights | undefined;
  /** More names by which the console is reached. */
  readonly hosts: readonly string[];
  readonly clusterDomain: string;
  readonly logger: Logger;
  /** Ends what is asked of the API server. */
  readonly signal: AbortSignal;
}

const API = "/api/v1/inferenceservices";
const MAX_BODY = "16kb";

const HEADERS = {
  // Nothing from elsewhere, nothing inline, in nobody's frame.
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
} as const;

/** What the console answers: its page, what it shows, and what people do. */
export function createConsoleApp(options: ConsoleAppOptions): Express {
  const { sources, files, people, readingRights, hosts, clusterDomain, logger, signal } = options;
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.enable("strict routing");
  app.use((request, response, next) => {
    response.set(HEADERS);
    if (!isOwnHost(request.headers.host, hosts, clusterDomain))
      throw new Refusal(
        421,
        "UnknownHost",
        "the console is not known by the name of the Host header: reach it by kubectl port-forward, or name it in console.hosts",
      );
    next();
  });
  app.use(API, (request, response, next) => {
    response.set("cache-control", "no-store");
    expectOwnOrigin(request);
    next();
  });

  /** Namespaces that may be read; undefined: all. */
  async function readable(request: Request, namespaces: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    return readingRights?.readable(expectToken(request), namespaces, signal);
  }

  app.get("/api/v1/inferenceservices", async (request, response) => {
    const namespaces = sources.world.inferenceServices().map(({ metadata }) => metadata.namespace ?? "");
    const services = listOf(sources, await readable(request, namespaces));
    response.json({
      services,
      staleKinds: sources.world.staleKinds(),
      takenAtMs: sources.nowMs(),
    } satisfies ListAnswer);
  });

  app.get(`${API}/:namespace/:name`, async (request, response: Response<ServiceAnswer>) => {
    const { namespace, name } = request.params;
    const namespaces = await readable(request, [namespace]);
    if (namespaces?.has(namespace) === false)
      throw new Refusal(403, "Forbidden", `Your token does not allow to list InferenceServices in ${namespace}.`);
    const service = await detailsOf(sources, `${namespace}/${name}`);
    if (service === undefined) throw new Refusal(404, "NotFound", `There is no InferenceService ${namespace}/${name}.`);
    response.json({ service, staleKinds: sources.world.staleKinds(), takenAtMs: sources.nowMs() });
  });

  app.post(
    `${API}/:namespace/:name/actions`,
    (request, _response, next) => {
      // A form of a stranger's page cannot send this type; and what it can send is not read.
      if (request.is("application/json") === false)
        throw new Refusal(415, "UnsupportedMediaType", "expected content-type application/json");
      expectToken(request);
      next();
    },
    express.json({ limit: MAX_BODY }),
    async (request, response: Response<ActionAnswer>) => {
      const token = expectToken(request);
      const action = parseAction(request.body);
      if (typeof action === "string") throw new Refusal(400, "BadRequest", action);
      const { namespace, name } = request.params;
      const told = { namespace, name, action };
      try {
        await people.change(
          token,
          { namespace, name },
          (isvc) => patchOf(isvc, action, new Date(sources.nowMs())),
          signal,
        );
      } catch (error) {
        logger.info({ ...told, refused: refusalOf(error)?.reason }, "an action by the console was not carried out");
        throw error;
      }
      logger.info(told, "an action by the console was carried out with the person's token");
      response.json({ message: doneMessage(name, action) });
    },
  );

  app.use((request, response, next) => {
    const file = files.get(request.path);
    if (file === undefined) throw new Refusal(404, "NotFound", "the console is at /");
    if (request.method !== "GET" && request.method !== "HEAD") {
      next();
      return;
    }
    // Small, and there may be a new release behind the same address.
    response.set({ "cache-control": "no-cache", etag: file.etag });
    if (request.headers["if-none-match"] === file.etag) response.status(304).end();
    else response.set("content-type", file.contentType).send(file.body);
  });
  app.use(() => {
    throw new Refusal(405, "MethodNotAllowed", "only GET");
  });
  // Express knows a handler of errors by its four parameters.
  app.use((error: unknown, _request: Request, response: Response<ErrorAnswer>, _next: NextFunction) => {
    const refusal = refusalOf(error);
    if (refusal === undefined) logger.error({ err: error }, "the console could not answer");
    const { status, reason, message } =
      refusal ?? new Refusal(500, "InternalError", "the console could not answer; the operator's log says why");
    if (status === 401) response.set("www-authenticate", 'Bearer realm="kubernetes"');
    response.status(status).json({ error: { reason, message } });
  });
  return app;
}

/** The person's token. Throws Refusal where there is none. */
function expectToken(request: Request): string {
  const [, token] = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (token === undefined) throw new Refusal(401, "TokenNeeded", "This needs a token of the cluster.");
  return token;
}

/** Throws Refusal where a browser says that another site's page sends this. */
function expectOwnOrigin({ headers }: Request): void {
  const { origin, host } = headers;
  const isForeign =
    origin !== undefined && !URL.canParse(origin) ? true : origin !== undefined && new URL(origin).host !== host;
  const site = headers["sec-fetch-site"];
  if (isForeign || site === "cross-site" || site === "same-site")
    throw new Refusal(403, "ForeignOrigin", "another site's page may not use the console");
}
