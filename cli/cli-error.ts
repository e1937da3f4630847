/** Something that the user can mend: the message says how, and is all that is shown. */
export class CliError extends Error {
  override name = "CliError";
  /** What the process ends with. Default: 1. */
  readonly exitCode: number;

  constructor(message: string, options: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What commands end with, beside 0; for `--help` and the reference. */
export const EXIT_CODES = {
  failed: { code: 1, meaning: "it failed; the message says why, and what to do" },
  taken: { code: 2, meaning: "push: the version is there already, or somebody else is publishing it" },
  interrupted: { code: 130, meaning: "interrupted by Ctrl-C (143 by SIGTERM); what push had uploaded was removed" },
} as const;
