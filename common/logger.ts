import { destination as open, pino, type Logger } from "pino";

export type { Logger };
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of fields that never reach a log, whatever object they come with. */
const SECRET_FIELDS = [
  "authorization",
  "password",
  "secret",
  "token",
  "accessKeyId",
  "secretAccessKey",
  "sessionToken",
];

/**
 * Makes the logger of a process: one JSON object a line on standard output, or on another stream.
 * Messages are constants; what varies goes into fields.
 */
export function createLogger(options: {
  readonly name: string;
  readonly level: LogLevel;
  readonly destination?: { write(line: string): void };
}): Logger {
  const settings = {
    name: options.name,
    level: options.level,
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "[redacted]" },
    base: {},
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // At once, not later: the last line before an end is the one that matters.
  return pino(settings, options.destination ?? open({ dest: 1, sync: true }));
}
