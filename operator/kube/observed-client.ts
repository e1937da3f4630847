import { ApiError } from "./cluster.ts";
import type { KubeClient } from "./client.ts";

/** Hears of each request to the API server when it has ended; of a watch when it is asked for. */
export type RequestObserver = (request: { readonly verb: string; readonly code: number }) => void;

/** A client whose requests are told of. Tries of the same request count once, by how the last one ended; 0 is no answer. */
export function observedClient(client: KubeClient, observe: RequestObserver): KubeClient {
  return {
    send: async (request) => {
      try {
        const answer = await client.send(request);
        observe({ verb: request.method, code: answer.status });
        return answer;
      } catch (error) {
        observe({ verb: request.method, code: error instanceof ApiError ? error.status : 0 });
        throw error;
      }
    },
    stream: (request, signal) => {
      observe({ verb: "WATCH", code: 200 });
      return client.stream(request, signal);
    },
    close: () => client.close(),
  };
}
