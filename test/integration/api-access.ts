import { request } from "node:https";

/** What a request to an API server needs. */
export interface ApiAccess {
  /** Such as https://127.0.0.1:6443. */
  readonly server: string;
  /** A bearer token. */
  readonly token: string;
  /** PEM text of the certificate that signed the server's. */
  readonly certificateAuthority: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends one request to an API server without any client library, for what must not depend on the code under test. */
export async function callApi(
  access: ApiAccess,
  method: string,
  resource: string,
  content?: { readonly type: string; readonly body: string },
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL(resource, access.server),
      {
        method,
        ca: access.certificateAuthority,
        agent: false,
        timeout: 10_000,
        headers: {
          authorization: `Bearer ${access.token}`,
          ...(content === undefined ? {} : { "content-type": content.type }),
        },
      },
      (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          body += chunk;
        });
        response.on("end", () => {
          resolve({ status: response.statusCode ?? 0, body });
        });
        response.on("error", reject);
      },
    );
    sent.on("timeout", () => sent.destroy(new Error(`${method} ${resource} had no answer within 10 s`)));
    sent.on("error", reject);
    sent.end(content?.body);
  });
}
