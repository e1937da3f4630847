import type { Logger } from "../../common/logger.ts";
import { SLICE_SERVICE_LABEL } from "../api/labels.ts";
import { Informer } from "../controller/informer.ts";
import type { EndpointSliceFields } from "../desired/owned-object.ts";
import type { KubeClient } from "../kube/client.ts";
import { createListWatch } from "../kube/list-watch.ts";
import type { KubeObject } from "../kube/object.ts";
import { RESOURCES } from "../kube/resources.ts";

export interface OperatorEndpointsOptions {
  readonly client: KubeClient;
  /** The Service of the operator's pods; empty: an operator knows of itself alone. */
  readonly service: string;
  readonly namespace: string;
  /** This operator's address. */
  readonly own: string;
  readonly logger: Logger;
  /** Told when operators come and go. */
  readonly changed: () => void;
}

/** Where the operators are. */
export interface OperatorEndpoints {
  start(): void;
  stop(): Promise<void>;
  /** Addresses of the other operators that are ready, of the same family; undefined while that is not known. */
  others(): readonly string[] | undefined;
}

/** Learns of the other operators from the EndpointSlices of their Service, for which no right to see pods is needed. */
export function createOperatorEndpoints(options: OperatorEndpointsOptions): OperatorEndpoints {
  const { client, service, namespace, own, logger, changed } = options;
  if (service === "" || namespace === "" || own === "")
    return { start: () => {}, stop: () => Promise.resolve(), others: () => [] };
  const informer = new Informer<KubeObject & Partial<EndpointSliceFields>>({
    sources: [
      createListWatch(client, {
        resource: RESOURCES.endpointSlices,
        namespace,
        labelSelector: `${SLICE_SERVICE_LABEL}=${service}`,
      }),
    ],
    logger: logger.child({ kind: "EndpointSlice of the operator" }),
  });
  informer.addHandler({ changed: () => changed() });
  return {
    start: () => informer.start(),
    stop: () => informer.stop(),
    others: () => (informer.hasSynced() ? othersIn(informer.list(), own) : undefined),
  };
}

function othersIn(slices: readonly Partial<EndpointSliceFields>[], own: string): string[] {
  const found = slices
    .flatMap(({ endpoints = [] }) => endpoints)
    .filter(({ conditions }) => conditions.ready)
    .flatMap(({ addresses }) => addresses)
    .filter((address) => address !== own && address.includes(":") === own.includes(":"));
  return [...new Set(found)].sort();
}
