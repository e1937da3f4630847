/** Something that the user can mend: the message says how, and is all that is shown. */
export class CliError extends Error {
  override name = "CliError";
}
