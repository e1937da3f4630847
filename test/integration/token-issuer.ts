import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A request as the issuer saw it. */
export interface IssuerRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Stands in the place of a cloud's services that give tokens; undefined is a refusal. */
export interface TokenIssuer extends AsyncDisposable {
  readonly endpoint: string;
  readonly requests: IssuerRequest[];
  answer: (request: IssuerRequest) => unknown;
}

/** Starts an issuer that refuses everybody, until told otherwise. */
export async function startTokenIssuer(): Promise<TokenIssuer> {
  const requests: IssuerRequest[] = [];
  const httpServer = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => {
      const seen = { path: request.url ?? "", headers: request.headers, body };
      requests.push(seen);
      const answer = self.answer(seen);
      response.writeHead(answer === undefined ? 400 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(answer ?? { error: "invalid_grant" }));
    });
  });
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  const self: TokenIssuer = {
    endpoint: `http://127.0.0.1:${(httpServer.address() as AddressInfo).port}`,
    requests,
    answer: () => undefined,
    [Symbol.asyncDispose]: async () => {
      httpServer.closeAllConnections();
      httpServer.close();
      await once(httpServer, "close");
    },
  };
  return self;
}
