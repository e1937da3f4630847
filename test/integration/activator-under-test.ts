import { once } from "node:events";
import { createServer, request, type Agent, type IncomingMessage, type Server as HttpServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { Client, credentials, Server as GrpcServer, ServerCredentials, type ServiceError } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { createLogger } from "../../common/logger.ts";
import { HTTP_PORT } from "../../common/ports.ts";
import { Activator, type ActivatorLimits } from "../../operator/activator/activator.ts";
import { createTcpNetwork } from "../../operator/activator/network.ts";
import type { Refusal } from "../../operator/activator/refusal.ts";
import { activatorSlice } from "../../operator/desired/activator-slice.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import type { DeploymentObject, PodObject } from "../../operator/observed/observation.ts";
import type { ActivatorPorts } from "../../operator/sleep/port-allocation.ts";
import { freePorts } from "../programs/free-ports.ts";

export const KEY = "blue/digits";
const tcpNetwork = createTcpNetwork();
/** The method of {@link startReplica}. */
export const ECHO = "/test.Echo/Echo";

/** An activator on real ports, for one InferenceService in a world that the test sets. */
export interface ActivatorUnderTest {
  readonly activator: Activator;
  readonly ports: ActivatorPorts;
  /** How often it was woken. */
  readonly wakes: () => number;
  readonly passedOn: () => number;
  readonly refusals: Refusal[];
  /** Lets replicas be ready; none: it is asleep. */
  setReplicas(...replicas: readonly Replica[]): void;
  setStopped(isStopped: boolean): void;
  /** Whether slices name the ports. */
  setCovered(isCovered: boolean): void;
}

const ISVC: InferenceService = {
  apiVersion: "serving.lockstep.dev/v1alpha1",
  kind: "InferenceService",
  metadata: { name: "digits", namespace: "blue", uid: "uid" },
  spec: {
    stop: false,
    predictor: {
      minReplicas: 0,
      scaleMetric: "cpu",
      scaleTarget: 80,
      timeout: 60,
      onnx: { storageUri: "s3://models/digits" },
    },
  },
};

export async function startActivator(
  limits: Partial<ActivatorLimits> & { readonly wake?: () => Promise<boolean> } = {},
): Promise<ActivatorUnderTest> {
  const { wake, ...rest } = limits;
  const [http = 0, grpc = 0] = await freePorts(2);
  const ports = { http, grpc };
  let replicas: readonly Replica[] = [];
  let isvc = ISVC;
  let isCovered = true;
  let wakes = 0;
  let passedOn = 0;
  const refusals: Refusal[] = [];
  const deployment = (): KubeObject & DeploymentObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "digits-predictor" },
    spec: { replicas: replicas.length },
  });
  const slice = (): KubeObject => activatorSlice(ISVC, ports, [{ address: "192.0.2.1", isListening: true }], "me");
  const activator = new Activator({
    world: {
      inferenceService: (key) => (key === KEY ? isvc : undefined),
      ownedBy: () => (isCovered ? [deployment(), slice()] : [deployment()]),
      podsOf: () => replicas.map((_, index) => podOf(index)),
    },
    network: {
      listen: (port, accept) => tcpNetwork.listen(port, accept),
      // The last part of a pod's address says which of the replicas it is.
      connect: (address, port) => {
        const replica = replicas[Number(address.split(".")[3])];
        return tcpNetwork.connect("127.0.0.1", (port === HTTP_PORT ? replica?.http : replica?.grpc) ?? 1);
      },
    },
    wake: async () => {
      wakes++;
      return (await wake?.()) ?? true;
    },
    limits: { deadlineMs: 30_000, maxHeld: 100, maxConnections: 200, lingerMs: 0, ...rest },
    observer: { woken: () => {}, passedOn: () => passedOn++, refused: (refusal) => refusals.push(refusal) },
    logger: createLogger({ name: "test", level: "silent" }),
  });
  onTestFinished(() => activator.close({ listenMs: 0, finishMs: 0 }));
  if (!(await activator.listen(KEY, ports))) throw new Error("the ports are taken");
  return {
    activator,
    ports,
    wakes: () => wakes,
    passedOn: () => passedOn,
    refusals,
    setReplicas: (...now) => {
      replicas = now;
      activator.changed(KEY);
    },
    setStopped: (stop) => {
      isvc = { ...ISVC, spec: { ...ISVC.spec, stop } };
      activator.changed(KEY);
    },
    setCovered: (now) => {
      isCovered = now;
      activator.changed(KEY);
    },
  };
}

function podOf(index: number): PodObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `digits-${index}` },
    status: { podIP: `192.0.2.${index}`, conditions: [{ type: "Ready", status: "True" }] },
  };
}

/** Where a replica listens; HTTP_PORT and GRPC_PORT of its pod lead there. */
export interface Replica {
  readonly http: number;
  readonly grpc: number;
}

/** A replica that says its name and what it was sent, over HTTP and gRPC. */
export async function startReplica(name: string): Promise<Replica & { readonly server: HttpServer }> {
  const server = createServer((incoming, response) => {
    void bodyOf(incoming).then((body) => response.end(`${name}:${body}`));
  });
  const http = await listening(server);
  const rpc = new GrpcServer();
  const bytes = (message: Buffer): Buffer => message;
  rpc.addService(
    {
      Echo: {
        path: ECHO,
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      Echo: (call: { request: Buffer }, done: (error: null, answer: Buffer) => void) =>
        done(null, Buffer.from(`${name}:${call.request.toString()}`)),
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  rpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error === null ? resolve(port) : reject(error),
  );
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rpc.forceShutdown();
  });
  return { http, grpc: await promise, server };
}

export async function listening(server: {
  listen(port: number, host: string): unknown;
  address(): AddressInfo | string | null;
}): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server as HttpServer, "listening");
  return (server.address() as AddressInfo).port;
}

async function bodyOf(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

/** Sends a POST, by a connection of its own or an agent's. */
export function post(port: number, body: string, agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method: "POST", path: "/", agent }, (message) => {
      const { statusCode: status = 0, headers } = message;
      bodyOf(message).then((text) => resolve({ status, body: text, headers }), reject);
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

/** Calls Echo; rejects with grpc-js's error. The client keeps its connection until the test ends. */
export function grpcClient(port: number): (message: string) => Promise<string> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(() => client.close());
  const bytes = (message: Buffer): Buffer => message;
  return (message) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 30_000;
      client.makeUnaryRequest(
        ECHO,
        bytes,
        bytes,
        Buffer.from(message),
        { deadline },
        (error: ServiceError | null, answer) => {
          if (error === null) resolve(String(answer));
          else reject(error);
        },
      );
    });
}

/** A connection without a protocol; all that comes on it is collected. */
export async function rawConnection(port: number): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return { socket, received: () => Buffer.concat(chunks).toString() };
}
