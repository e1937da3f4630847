import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { onTestFinished } from "vitest";

/** An event as it came over the wire. */
export interface ReceivedEvent {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A server that events are posted to. It is gone after the test. */
export interface EventReceiver {
  readonly url: string;
  readonly received: readonly ReceivedEvent[];
  /** Connections that are open, and the most that there were. */
  readonly connections: { open: number; most: number };
  /** What becomes of an event whose body has arrived. Default: it is kept, and answered with 202. */
  answer: (response: ServerResponse, keep: () => void) => void;
}

export async function startEventReceiver(): Promise<EventReceiver> {
  const received: ReceivedEvent[] = [];
  const sockets = new Set<Socket>();
  const connections = { open: 0, most: 0 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const event = { headers: request.headers, text: Buffer.concat(chunks).toString("utf8") };
      receiver.answer(response, () => received.push(event));
    });
  });
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    connections.open++;
    connections.most = Math.max(connections.most, connections.open);
    socket.on("close", () => {
      sockets.delete(socket);
      connections.open--;
    });
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  const { port } = server.address() as AddressInfo;
  const receiver: EventReceiver = {
    url: `http://127.0.0.1:${port}/events?of=iris`,
    received,
    connections,
    answer: (response, keep) => {
      keep();
      response.writeHead(202).end("taken");
    },
  };
  return receiver;
}
