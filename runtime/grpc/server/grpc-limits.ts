/** Bounds on what clients can make the server do. */
export interface GrpcLimits {
  /** The largest message of a request, in bytes, as it comes and decompressed. Default 64 MiB. */
  readonly maxMessageBytes: number;
  /** Open connections; those beyond are closed. Default 10,000. */
  readonly maxConnections: number;
  /** Calls at a time on one connection; clients wait with those beyond. Default 1,000. */
  readonly maxStreams: number;
  /** Requests of one stream that are worked on at a time; then nothing more is read from it. Default 64. */
  readonly maxStreamItems: number;
  /** Time for a request's message to arrive, in ms; of a stream, for each message. Default 60 s. */
  readonly receiveTimeoutMs: number;
  /** Time for a client to take what it was sent, in ms; then the call is cut. Default 60 s. */
  readonly sendTimeoutMs: number;
  /** How long a connection may be without calls, in ms. Default 75 s. */
  readonly idleTimeoutMs: number;
  /**
   * How old a connection gets before its client is told to make a new one, in ms, a tenth more or less; 0 is for ever.
   * So clients find replicas that were added. Default 5 min.
   */
  readonly maxAgeMs: number;
  /** How long calls on such an old connection may go on, in ms. Default 60 s. */
  readonly ageGraceMs: number;
  /** A connection with calls on it is asked for a sign of life as often, in ms, and closed if none comes in time. Default 60 s. */
  readonly keepAliveMs: number;
  /** How often connections and calls are looked at, in ms. Default 1 s. */
  readonly checkIntervalMs: number;
}

/** Fills in defaults and checks. Throws RangeError for a limit that is not a whole number, or too small. */
export function completeGrpcLimits(given: Partial<GrpcLimits> = {}): GrpcLimits {
  const limits: GrpcLimits = {
    maxMessageBytes: given.maxMessageBytes ?? 64 * 1024 * 1024,
    maxConnections: given.maxConnections ?? 10_000,
    maxStreams: given.maxStreams ?? 1_000,
    maxStreamItems: given.maxStreamItems ?? 64,
    receiveTimeoutMs: given.receiveTimeoutMs ?? 60_000,
    sendTimeoutMs: given.sendTimeoutMs ?? 60_000,
    idleTimeoutMs: given.idleTimeoutMs ?? 75_000,
    maxAgeMs: given.maxAgeMs ?? 300_000,
    ageGraceMs: given.ageGraceMs ?? 60_000,
    keepAliveMs: given.keepAliveMs ?? 60_000,
    checkIntervalMs: given.checkIntervalMs ?? 1_000,
  };
  for (const [name, value] of Object.entries(limits)) {
    const least = name === "maxAgeMs" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${name}: expected a whole number of at least ${least}, got ${value}`);
    }
  }
  return limits;
}
