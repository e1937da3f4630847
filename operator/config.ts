import {
  choice,
  flag,
  integer,
  list,
  portRange,
  readEnvironment,
  text,
  type Environment,
  type ValuesOf,
} from "../common/environment.ts";
import { LOG_LEVELS } from "../common/logger.ts";

/** The operator's configuration: the one list of its variables. */
export const OPERATOR_VARIABLES = {
  LOCKSTEP_RUNTIME_IMAGE: text(undefined, "Image of the serving runtime that replicas run."),
  LOCKSTEP_RUNTIME_IMAGE_PULL_POLICY: choice(
    "IfNotPresent",
    ["IfNotPresent", "Always", "Never"],
    "When nodes pull the runtime's image.",
  ),
  LOCKSTEP_RUNTIME_LOG_LEVEL: choice("info", LOG_LEVELS, "The least severe messages that replicas log."),
  LOCKSTEP_RUNTIME_DRAIN_DELAY_MS: integer(
    8_000,
    "How long, in ms, a replica that is told to stop keeps accepting requests, so that load balancers can take it out.",
    { min: 0, max: 300_000 },
  ),
  LOCKSTEP_RUNTIME_UI: flag(true, "Whether replicas have a page for browsers, on which models can be tried."),
  LOCKSTEP_ALLOW_HOST_PATH_CACHE: flag(
    false,
    "Whether InferenceServices may have a folder of the node as predictor.modelCache.hostPath.",
  ),
  LOCKSTEP_HOST_PATH_CACHE_PREFIXES: list(
    "/var/cache/lockstep",
    "Folders of nodes that predictor.modelCache.hostPath may name, with all that is in them.",
  ),
  LOCKSTEP_WATCH_NAMESPACES: list("", "Namespaces to watch; none means all."),
  LOCKSTEP_CLUSTER_DOMAIN: text("cluster.local", "The DNS domain of the cluster, for status.url."),
  LOCKSTEP_LEADER_ELECTION: flag(
    true,
    "Whether replicas of the operator elect the one that works. Needs POD_NAME and POD_NAMESPACE.",
  ),
  LOCKSTEP_LEASE_DURATION_MS: integer(15_000, "How long, in ms, a leader that falls silent keeps the lead.", {
    min: 1_000,
    max: 300_000,
  }),
  LOCKSTEP_CONCURRENT_RECONCILES: integer(4, "How many InferenceServices are reconciled at a time.", {
    min: 1,
    max: 64,
  }),
  LOCKSTEP_NETWORK_POLICY: flag(
    true,
    "Whether a NetworkPolicy closes the replicas' admin ports to all namespaces but the operator's. Needs POD_NAMESPACE.",
  ),
  LOCKSTEP_FENCE_TTL_MS: integer(
    5_000,
    "How long, in ms, a replica holds requests during a switch of versions without hearing from the operator; then it refuses them.",
    { min: 100, max: 60_000 },
  ),
  LOCKSTEP_METRICS_API: flag(
    true,
    "Whether the operator serves custom.metrics.k8s.io, so that replicas can be scaled on requests in flight, requests per second and queue time. Needs POD_NAMESPACE.",
  ),
  LOCKSTEP_LOAD_INTERVAL_MS: integer(
    1_000,
    "How often, in ms, replicas are asked for their load that are scaled on it, or may sleep.",
    { min: 200, max: 10_000 },
  ),
  LOCKSTEP_MONITORING_INTERVAL_MS: integer(
    10_000,
    "How often, in ms, replicas are asked what they did: their requests, drift and outcomes.",
    { min: 200, max: 300_000 },
  ),
  LOCKSTEP_ACTIVATOR_PORTS: portRange(
    "20000-29999",
    "Ports on which the operator answers for InferenceServices whose replicas all went; each of these takes two.",
  ),
  LOCKSTEP_ACTIVATOR_DEADLINE_MS: integer(
    60_000,
    "How long, in ms, a connection is held for an InferenceService that wakes up.",
    { min: 1_000, max: 3_600_000 },
  ),
  LOCKSTEP_ACTIVATOR_DRAIN_MS: integer(
    10_000,
    "How long, in ms, an operator that is told to stop goes on to take connections for InferenceServices that are asleep.",
    { min: 0, max: 300_000 },
  ),
  LOCKSTEP_ACTIVATOR_MAX_HELD: integer(
    1_000,
    "How many connections are held for one InferenceService that wakes up; what is more is refused.",
    { min: 1, max: 100_000 },
  ),
  LOCKSTEP_ACTIVATOR_MAX_CONNECTIONS: integer(
    4_000,
    "How many connections for InferenceServices that are asleep, or were, an operator has in all; what is more is refused.",
    { min: 1, max: 100_000 },
  ),
  LOCKSTEP_OPERATOR_SERVICE: text(
    "",
    "Name of the Service of the operator's pods, by which they know of each other. Without it an operator knows of itself alone.",
  ),
  LOCKSTEP_HTTP_PORT: integer(8080, "Port of the operator's health checks and metrics.", { min: 0, max: 65_535 }),
  LOCKSTEP_CONSOLE_PORT: integer(8082, "Port of the web console; 0 takes a free one, -1 turns it off.", {
    min: -1,
    max: 65_535,
  }),
  LOCKSTEP_CONSOLE_REQUIRE_TOKEN: flag(
    false,
    "Whether the console shows an InferenceService only to who has a token that may list those of its namespace. To act takes a token of one's own in any case.",
  ),
  LOCKSTEP_CONSOLE_HOSTS: list(
    "",
    "Names of hosts, beside addresses and names of the cluster, by which browsers reach the console, such as an Ingress's.",
  ),
  LOCKSTEP_METRICS_API_PORT: integer(8443, "Port of that API, for the API server alone; 0 takes a free one.", {
    min: 0,
    max: 65_535,
  }),
  LOCKSTEP_METRICS_API_SERVICE: text(
    "lockstep-metrics",
    "Name of the Service, in the operator's namespace, by which API servers reach that port.",
  ),
  LOCKSTEP_LOG_LEVEL: choice("info", LOG_LEVELS, "The least severe messages that the operator logs."),
  POD_NAME: text("", "Name of the operator's pod, by which it holds the lead."),
  POD_IP: text("", "Address of the operator's pod. Without it nothing is scaled to zero."),
  POD_NAMESPACE: text("", "Namespace of the operator's pod, where the Lease is."),
} as const;

export type OperatorConfig = ValuesOf<typeof OPERATOR_VARIABLES>;

/** Reads the operator's configuration. Throws EnvironmentError. */
export function readOperatorConfig(environment: Environment): OperatorConfig {
  return readEnvironment(OPERATOR_VARIABLES, environment);
}
