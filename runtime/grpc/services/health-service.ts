import { ServingError } from "../../errors.ts";
import { HealthCheckRequest, HealthCheckResponse, HealthCheckResponseServingStatus } from "../proto/health.gen.ts";
import type { Method, StreamContext } from "../server/method.ts";
import { decodeMessage } from "../wire/message-codec.ts";
import { frameOf, MAX_QUESTION_BYTES, messageMethod } from "./message-method.ts";

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponseServingStatus;

/** How often, in ms, it is looked whether anything has changed, while anybody watches. */
const LOOK_INTERVAL_MS = 250;

/** The health of a service: whether it serves; undefined for one that this server does not have. */
export type HealthOf = (service: string) => boolean | undefined;

/** The standard health service. Dispose of it at the end. */
export interface HealthService extends Disposable {
  /** By their names. */
  readonly methods: Readonly<Record<string, Method>>;
  /** Tells those who watch at once what has changed. */
  look(): void;
}

/** Makes the standard health service. */
export function createHealthService(healthOf: HealthOf): HealthService {
  const watchers = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    for (const watcher of watchers) watcher();
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };

  const watch = async (call: StreamContext): Promise<void> => {
    const message = await call.receive();
    if (message === undefined) throw new ServingError("InvalidArgument", "messages: expected one, got none");
    const { service } = decodeMessage(HealthCheckRequest, message.bytes);
    call.release(message);
    let wake = (): void => undefined;
    const watcher = (): void => wake();
    watchers.add(watcher);
    timer ??= setInterval(look, LOOK_INTERVAL_MS).unref();
    call.signal.addEventListener("abort", watcher);
    try {
      for (let told: number | undefined; !call.isStopping;) {
        call.signal.throwIfAborted();
        const changed = new Promise<void>((resolve) => {
          wake = resolve;
        });
        const status = statusOf(healthOf(service)) ?? SERVICE_UNKNOWN;
        if (status !== told) await call.send(frameOf(HealthCheckResponse, { status }));
        told = status;
        await changed;
      }
      throw new ServingError("Unavailable", "the server stops: watch another replica");
    } finally {
      watchers.delete(watcher);
      if (watchers.size === 0) stop();
    }
  };

  return {
    methods: {
      Check: messageMethod(HealthCheckRequest, HealthCheckResponse, ({ service }) => {
        const status = statusOf(healthOf(service));
        if (status !== undefined) return { status };
        throw new ServingError("NotFound", "service: expected one that this server has, got another");
      }),
      Watch: { kind: "stream", maxMessageBytes: MAX_QUESTION_BYTES, run: watch },
    },
    look,
    [Symbol.dispose]: stop,
  };
}

function statusOf(isServing: boolean | undefined): number | undefined {
  if (isServing === undefined) return undefined;
  return isServing ? SERVING : NOT_SERVING;
}
