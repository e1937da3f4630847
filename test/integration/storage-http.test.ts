import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { RUNTIME_VARIABLES } from "../../runtime/config.ts";
import { bytesOf, fetchOutcome, listingOutcome, openRepository, sha256, signal } from "./storage-support.ts";
import { hostileUris } from "./storage-hostile-uris.ts";

const bytes = bytesOf("http", 1_000_000);
const DENY = RUNTIME_VARIABLES.LOCKSTEP_STORAGE_DENY.parse(RUNTIME_VARIABLES.LOCKSTEP_STORAGE_DENY.fallback ?? "");

const servers: Server[] = [];
let requests: { path: string; headers: IncomingMessage["headers"] }[] = [];

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return (server.address() as AddressInfo).port;
}

/** Starts a web server; returns its origin. */
async function serve(listener: RequestListener): Promise<string> {
  const server = createHttpServer((request, response) => {
    requests.push({ path: request.url ?? "", headers: request.headers });
    listener(request, response);
  });
  return `http://127.0.0.1:${await listen(server)}`;
}

/** Answers as nginx would: with Range, If-Match and a strong etag. */
function sendFile(request: IncomingMessage, response: ServerResponse, etag = '"v1"', body = bytes): void {
  const ifMatch = request.headers["if-match"];
  if (ifMatch !== undefined && ifMatch !== etag) return void response.writeHead(412).end();
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const headers = { etag, "content-length": body.length - start };
  if (start === 0) response.writeHead(200, headers);
  else response.writeHead(206, { ...headers, "content-range": `bytes ${start}-${body.length - 1}/${body.length}` });
  response.end(body.subarray(start));
}

afterEach(() => {
  requests = [];
  for (const server of servers.splice(0)) {
    server.close();
    if ("closeAllConnections" in server && typeof server.closeAllConnections === "function")
      server.closeAllConnections();
  }
});

describe("a file on a web server", () => {
  test("is version 1, whatever its name, and nothing is asked for with credentials", async () => {
    const origin = await serve(sendFile);
    const uri = `${origin}/a/blob?download=1&X-Amz-Signature=canary`;
    expect(await listingOutcome(uri)).toBe("versions 1");
    expect(await fetchOutcome(uri)).toBe(sha256(bytes));
    expect(await fetchOutcome(uri, {}, 2)).toBe("VersionNotFound: version 2 is not in the repository; there is 1");
    for (const { path, headers } of requests) {
      expect(path).toBe("/a/blob?download=1&X-Amz-Signature=canary");
      expect(headers.authorization ?? headers.cookie ?? headers.referer).toBeUndefined();
    }
  });

  test("is resumed with If-Match after a cut, and has the exact digest", async () => {
    let cuts = 0;
    const origin = await serve((request, response) => {
      if (cuts++ > 4 || request.headers["if-match"] === undefined) return sendFile(request, response);
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(start === 0 ? 200 : 206, {
        etag: '"v1"',
        "content-length": bytes.length - start,
        ...(start === 0 ? {} : { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(start, start + 200_000), () => response.destroy());
    });
    expect(await fetchOutcome(`${origin}/model.onnx`)).toBe(sha256(bytes));
    expect(requests.some(({ headers }) => headers.range !== undefined)).toBe(true);
  });

  test.each([
    ["heeds neither Range nor If-Match", '"v1"', '"v2"'],
    ["has only weak etags", 'W/"v1"', 'W/"v1"'],
    ["has no etags", "", ""],
  ])("is never mixed if it changes on a server that %s", async (_, etagBefore, etagAfter) => {
    const after = bytesOf("after", 1_000_000);
    let gets = 0;
    const origin = await serve((_request, response) => {
      gets += 1;
      const changed = gets > 3;
      const etag = changed ? etagAfter : etagBefore;
      response.writeHead(200, { "content-length": bytes.length, ...(etag === "" ? {} : { etag }) });
      if (changed) response.end(after);
      else response.write(bytes.subarray(0, 300_000), () => response.destroy());
    });
    expect(await fetchOutcome(`${origin}/model.onnx`)).toBe(sha256(after));
  });

  test("without announced length is taken as it comes, up to the limit", async () => {
    const origin = await serve((_request, response) => {
      response.writeHead(200, { etag: '"v1"' });
      response.write(bytes.subarray(0, 500_000));
      response.end(bytes.subarray(500_000));
    });
    expect(await fetchOutcome(`${origin}/model.onnx`)).toBe(sha256(bytes));
    expect(await fetchOutcome(`${origin}/model.onnx`, { maxBytes: 999_999 })).toMatch(
      /^StorageFull: .*LOCKSTEP_MAX_MODEL_BYTES/,
    );
  });

  test("is checked against the digest in the answer's headers", async () => {
    const digest = Buffer.from(sha256(bytes).slice(7), "hex").toString("base64");
    const origin = await serve((request, response) => {
      response.setHeader("repr-digest", `sha-256=:${digest}:`);
      sendFile(request, response, '"v1"', request.url === "/good" ? bytes : bytesOf("other", 1_000_000));
    });
    expect(await fetchOutcome(`${origin}/good`)).toBe(sha256(bytes));
    expect(await fetchOutcome(`${origin}/bad`)).toMatch(/^ChecksumMismatch: .*announced sha256/);
  });

  test.each([
    [404, /^StorageNotFound: http:\/\/127.*\/model\.onnx does not exist \(status 404\)$/],
    [403, /^StorageAccessDenied: .*signed URLs that have not expired/],
    [401, /^StorageAccessDenied: .*status 401/],
    [500, /^StorageUnreachable: .*answered with status 500$/],
    [304, /^StorageUnreachable: .*answered with status 304$/],
  ])("that is answered with status %i", async (status, message) => {
    const origin = await serve((_request, response) => void response.writeHead(status).end());
    const outcome = await listingOutcome(`${origin}/model.onnx?signature=canary`);
    expect(outcome).toMatch(message);
    expect(outcome).not.toContain("canary");
  });

  test("that is compressed on the way is refused", async () => {
    const origin = await serve(
      (_request, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("x"),
    );
    expect(await listingOutcome(`${origin}/model.onnx`)).toMatch(/^StorageUnreachable: .*compressed/);
  });

  test("on a server that does not speak HTTP", async () => {
    const port = await listen(
      createTcpServer((socket) => void socket.on("error", () => {}).end("SSH-2.0-OpenSSH\r\n")),
    );
    expect(await listingOutcome(`http://127.0.0.1:${port}/model.onnx`)).toMatch(
      /^StorageUnreachable: .*does not speak HTTP/,
    );
  });
});

describe("redirects", () => {
  test("are followed three times, not four, and their target's query is never shown", async () => {
    const origin = await serve((request, response) => {
      const left = Number(/^\/r(\d)/.exec(request.url ?? "")?.[1] ?? 0);
      if (left === 0) return sendFile(request, response);
      response.writeHead(302, { location: `/r${left - 1}?signature=canary` }).end();
    });
    expect(await fetchOutcome(`${origin}/r3`)).toBe(sha256(bytes));
    const outcome = await listingOutcome(`${origin}/r4?token=canary`);
    expect(outcome).toMatch(/^StorageUnreachable: http:.*\/r4 redirects more than 3 times$/);
  });

  test.each([
    ["ftp://127.0.0.1/x", /not http\(s\)/],
    ["file:///etc/passwd", /not http\(s\)/],
    ["http://user:canary@127.0.0.1/x", /user name or password/],
    ["http://[", /not http\(s\)/],
    [undefined, /not http\(s\)/],
  ])("to %s are not followed", async (location, message) => {
    const origin = await serve(
      (_request, response) => void response.writeHead(302, location === undefined ? {} : { location }).end(),
    );
    const outcome = await listingOutcome(`${origin}/model.onnx`);
    expect(outcome).toMatch(/^StorageUnreachable/);
    expect(outcome).toMatch(message);
    expect(outcome).not.toContain("canary");
  });

  test("lead nowhere where a direct request may not", async () => {
    let connects = 0;
    const port = await listen(createTcpServer((socket) => void (connects++, socket.destroy())));
    const targets = [
      `http://127.0.0.2:${port}/`,
      `http://[::ffff:127.0.0.2]:${port}/`,
      `http://0x7f000002:${port}/`,
      `http://evil.example:${port}/`,
    ];
    for (const location of targets) {
      const origin = await serve((_request, response) => void response.writeHead(307, { location }).end());
      const resolveHost = (): Promise<{ address: string; family: number }[]> =>
        Promise.resolve([{ address: "127.0.0.2", family: 4 }]);
      expect(await listingOutcome(`${origin}/model.onnx`, { deny: ["127.0.0.2/32"], resolveHost })).toMatch(
        /^StorageUnreachable: .*LOCKSTEP_STORAGE_DENY/,
      );
    }
    expect(connects).toBe(0);
  });
});

describe("forbidden networks", () => {
  test("are not connected to, however the address is written", async () => {
    let connects = 0;
    const count = (): Server => createTcpServer((socket) => void (connects++, socket.destroy()));
    const port = await listen(count());
    const uris = hostileUris(port);
    expect(uris.length).toBeGreaterThanOrEqual(200);
    const refused = /^StorageUnreachable: .* LOCKSTEP_STORAGE_DENY forbids$|^StorageNotFound: (storageUri|expected) /;
    // Whatever the system's resolver makes of a name, here it leads to this machine.
    const resolveHost = (): Promise<{ address: string; family: number }[]> =>
      Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
    const options = { deny: DENY, resolveHost };
    const allowed: string[] = [];
    for (const uri of uris) {
      for (const outcome of [await listingOutcome(uri, options), await fetchOutcome(uri, options)])
        if (!refused.test(outcome)) allowed.push(`${uri}: ${outcome}`);
    }
    expect(allowed).toEqual([]);
    expect(connects).toBe(0);
    // The same server is reached as soon as nothing forbids it: the count above means something.
    await listingOutcome(`http://127.0.0.1:${port}/model.onnx`, { deny: [] });
    expect(connects).toBeGreaterThan(0);
  });

  test("are not reached by a name that resolves to another address the next time", async () => {
    const connects: string[] = [];
    const count = (): Server =>
      createTcpServer((socket) => void (connects.push(socket.localAddress ?? ""), socket.destroy()));
    const port = await listen(count());
    const forbidden = count();
    forbidden.listen(port, "127.0.0.2");
    await once(forbidden, "listening");
    servers.push(forbidden);
    let asked = 0;
    const resolveHost = (): Promise<{ address: string; family: number }[]> => {
      asked += 1;
      return Promise.resolve([{ address: asked === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }]);
    };
    const outcome = await listingOutcome(`http://rebind.example:${port}/model.onnx`, {
      deny: ["127.0.0.2"],
      resolveHost,
    });
    expect(outcome).toMatch(
      /rebind\.example \(127\.0\.0\.2\) lies in 127\.0\.0\.2, a network that LOCKSTEP_STORAGE_DENY forbids$/,
    );
    // Checked and connected to by one resolution each: the first try came through, the second was refused.
    expect([asked, connects]).toEqual([2, ["127.0.0.1"]]);
  });

  test("hold for storage.endpoint too", async () => {
    let connects = 0;
    const port = await listen(createTcpServer((socket) => void (connects++, socket.destroy())));
    const resolveHost = (): Promise<{ address: string; family: number }[]> =>
      Promise.resolve([{ address: "::1", family: 6 }]);
    for (const host of [
      "127.0.0.1",
      "2130706433",
      "0x7f.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "localhost",
      "minio.example",
    ]) {
      const storage = { endpoint: `http://${host}:${port}`, anonymous: true };
      expect(await listingOutcome("s3://models/x", { storage, deny: DENY, resolveHost })).toMatch(
        /^StorageUnreachable: .*LOCKSTEP_STORAGE_DENY/,
      );
    }
    expect(connects).toBe(0);
  });
});

describe("TLS", () => {
  let folder: string;
  let defaults: string[];
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });

  beforeAll(() => {
    defaults = getCACertificates("default");
    folder = mkdtempSync(join(tmpdir(), "lockstep-tls-"));
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Test authority", "-days", "2");
    openssl(
      "req",
      "-x509",
      ...key,
      "-keyout",
      "tls.key",
      "-out",
      "tls.crt",
      "-subj",
      "/CN=storage",
      "-days",
      "2",
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      "-CA",
      "ca.crt",
      "-CAkey",
      "ca.key",
      "-addext",
      "basicConstraints=critical,CA:FALSE",
    );
  });
  afterAll(() => {
    setDefaultCACertificates(defaults);
    rmSync(folder, { recursive: true, force: true });
  });

  async function serveTls(listener: RequestListener): Promise<number> {
    const credentials = { key: readFileSync(join(folder, "tls.key")), cert: readFileSync(join(folder, "tls.crt")) };
    return await listen(createHttpsServer(credentials, listener));
  }

  test("needs an authority that the process trusts, as storage.caBundle makes it do", async () => {
    const port = await serveTls(sendFile);
    const uri = `https://127.0.0.1:${port}/model.onnx`;
    setDefaultCACertificates(defaults);
    expect(await listingOutcome(uri)).toMatch(
      /^StorageUnreachable: https:.*certificate is not trusted .*storage\.caBundle$/,
    );
    expect(
      await listingOutcome("s3://models/x", { storage: { endpoint: `https://127.0.0.1:${port}`, anonymous: true } }),
    ).toMatch(/^StorageUnreachable: https:.*certificate is not trusted .*storage\.caBundle$/);
    setDefaultCACertificates([...defaults, readFileSync(join(folder, "ca.crt"), "utf8")]);
    expect(await fetchOutcome(uri)).toBe(sha256(bytes));
    const resolveHost = (): Promise<{ address: string; family: number }[]> =>
      Promise.resolve([{ address: "127.0.0.1", family: 4 }]);
    expect(await listingOutcome(`https://other.example:${port}/model.onnx`, { resolveHost })).toMatch(
      /^StorageUnreachable: .*certificate is for another host name$/,
    );
  });

  test("is not left by a redirect to http", async () => {
    setDefaultCACertificates([...defaults, readFileSync(join(folder, "ca.crt"), "utf8")]);
    const plain = await serve(sendFile);
    const port = await serveTls(
      (_request, response) => void response.writeHead(302, { location: `${plain}/x?canary` }).end(),
    );
    expect(await listingOutcome(`https://127.0.0.1:${port}/model.onnx`)).toBe(
      `StorageUnreachable: https://127.0.0.1:${port}/model.onnx redirects from https to http, which is not followed`,
    );
    expect(requests).toEqual([]);
  });
});

test("connections end with the repository", async () => {
  const server = createHttpServer(sendFile);
  const port = await listen(server);
  const repository = openRepository(`http://127.0.0.1:${port}/model.onnx`);
  await repository.listVersions(signal);
  await repository[Symbol.asyncDispose]();
  const open = (): Promise<number> =>
    new Promise((resolve, reject) => {
      server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
    });
  await expect.poll(open).toBe(0);
});
