import { ServingError } from "../errors.ts";
import { BodyBudget } from "../serving/body-budget.ts";
import { requestIdFrom } from "../serving/request-id.ts";
import type { RestContext } from "../protocol/rest-route.ts";
import { contentCodingOf, decompress } from "./content-encoding.ts";
import { checkHeaders } from "./header-text.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import { noSuchPath, pageRoutes } from "./page-routes.ts";
import { PROTOCOL_PATHS } from "./protocols.ts";
import { BodyAllowance } from "./request-body.ts";
import { checkLength } from "./request-head.ts";
import { errorAnswer, type Answer } from "./respond.ts";
import { RestRouter, type RestMatch, type Route } from "./rest-router.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** Bodies of calls that are not inference are short. */
const MAX_REST_BODY_BYTES = 1024 * 1024;
/** All of them together. */
const MAX_REST_BODIES_BYTES = 16 * MAX_REST_BODY_BYTES;

/** The probes of the replica's pod: there whatever protocols are. */
const PROBES: ReadonlySet<string> = new Set(["/v2/health/live", "/v2/health/ready"]);

const EMPTY = new Uint8Array(0);

/** Answers all that is not inference: health, metadata, repository, metrics; and 404 for everything else. */
export class RestHandler {
  readonly #options: HttpServerOptions;
  readonly #context: RestContext;
  readonly #router: RestRouter;
  readonly #maxBodyBytes: number;
  readonly #budget = new BodyBudget(MAX_REST_BODIES_BYTES);

  constructor(options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean) {
    this.#options = options;
    this.#maxBodyBytes = Math.min(limits.maxBodyBytes, MAX_REST_BODY_BYTES);
    const { servables, statistics, protocols, version, feedback } = options;
    const isReady = (): boolean => !isDraining() && servables.isReady();
    this.#context = { servables, statistics, isReady, isDraining, release: version, protocols, feedback };
    const ofProtocols = PROTOCOL_PATHS.flatMap(({ restRoutes }) => restRoutes);
    const routes = ofProtocols.filter(({ protocol, path }) => protocols.has(protocol) || PROBES.has(path));
    // The page asks as clients of v2 do.
    const page = protocols.has("v2") && options.page !== undefined ? pageRoutes(options.page, routes) : [];
    this.#router = new RestRouter([...page, ...routes, this.#metricsRoute()]);
  }

  /** `path` is without the query. */
  match(method: string, path: string): RestMatch {
    return this.#router.match(method, path);
  }

  /** Answers a request, whatever happens; never throws. Who is returned must be told what becomes of the transport. */
  handle(transport: Transport, match: RestMatch): TransportListener {
    const call = new RestCall(transport, new BodyAllowance(this.#budget, this.#maxBodyBytes));
    void this.#run(call, match);
    return call;
  }

  async #run(call: RestCall, match: RestMatch): Promise<void> {
    try {
      if (match.kind === "unknown") throw noSuchPath();
      if (match.kind === "method-not-allowed") throw methodNotAllowed(match.allowed);
      const body = match.route.method === "POST" ? await this.#receive(call) : EMPTY;
      const accept = call.transport.header("accept");
      const given = match.route.answer({ params: match.params, body, accept }, this.#context);
      const answer = given instanceof Promise ? await given : given;
      checkHeaders(answer);
      call.send(answer);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      if (error.code === "Internal")
        this.#options.logger.error({ requestId: call.requestId, err: error.cause ?? error }, "request failed");
      const allow = match.kind === "method-not-allowed" ? { allow: match.allowed.join(", ") } : {};
      call.send(errorAnswer(error, allow, match.kind === "route" ? match.route.writeError : undefined));
    }
  }

  async #receive({ transport, allowance, signal }: RestCall): Promise<Uint8Array> {
    const coding = contentCodingOf(transport.header("content-encoding"));
    checkLength(transport.contentLength, this.#maxBodyBytes);
    const body = await transport.receive(allowance, signal);
    return coding === undefined ? body : await decompress(body, coding, allowance, signal);
  }

  #metricsRoute(): Route {
    return {
      method: "GET",
      path: "/metrics",
      answer: async ({ accept }) => ({
        status: 200,
        ...(await this.#options.metricsPages.render(accept)),
        headers: { vary: "accept" },
      }),
    };
  }
}

/** One request that is not inference. */
class RestCall implements TransportListener {
  readonly transport: Transport;
  readonly allowance: BodyAllowance;
  readonly requestId: string;
  readonly #controller = new AbortController();

  constructor(transport: Transport, allowance: BodyAllowance) {
    this.transport = transport;
    this.allowance = allowance;
    this.requestId = requestIdFrom(transport.header("x-request-id"));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  send(answer: Answer): void {
    this.transport.send({ ...answer, headers: { ...answer.headers, "x-request-id": this.requestId } });
  }

  failReceiving(error: ServingError): void {
    this.#controller.abort(error);
  }

  end(): void {
    this.allowance.end();
  }
}

function methodNotAllowed(allowed: readonly string[]): ServingError {
  return new ServingError("MethodNotAllowed", `method: expected ${allowed.join(" or ")}, got another`);
}
