import { Command, InvalidArgumentError, Option } from "commander";
import { LOG_LEVELS } from "../common/logger.ts";
import { HTTP_PORT } from "../common/ports.ts";
import packageJson from "../package.json" with { type: "json" };
import { endProcessNow } from "../runtime/end-process.ts";
import { CliError } from "./cli-error.ts";
import type { ServeOptions } from "./serve.ts";

/** The command line. What a command needs is imported when it runs, so that --help is instant. */

const program = new Command("lockstep")
  .description("Real-time model serving: every replica answers with the same model version.")
  .version(packageJson.version)
  .showHelpAfterError("(lockstep --help shows what there is)")
  .addHelpText(
    "after",
    `
Start here:
  $ lockstep serve -f examples/digits.yaml     serve an InferenceService, as a cluster would
  $ lockstep serve ./models/digits             serve a model from a folder
  $ lockstep serve --help                      more examples`,
  );

program
  .command("serve")
  .summary("serve models in this process")
  .description(
    "Serves models over HTTP in this process: those of InferenceServices (-f), or one by its place.\n" +
      "Each model is fetched, loaded, warmed up and asked once; the request is printed, to copy, with the answer.",
  )
  .argument(
    "[place]",
    "a folder or .onnx file, or an address such as s3://BUCKET/PREFIX, hf://ORG/REPO or https://HOST/PATH",
  )
  .option("-f, --file <file>", "a file with one or more InferenceServices; may be repeated", append, [])
  .option("-n, --name <name>", "name of the model in URLs (default: the last part of its place)")
  .addOption(
    new Option("-p, --port <port>", "port to listen on; 0 takes a free one").default(HTTP_PORT).argParser(port),
  )
  .addOption(
    new Option("--grpc-port <port>", "port for gRPC; 0 takes a free one, -1 goes without")
      .default(0)
      .argParser(grpcPort),
  )
  .option("--host <address>", "address to listen on; 0.0.0.0 lets other machines in", "127.0.0.1")
  .option(
    "--endpoint <url>",
    "address of the storage's server, such as an S3-compatible one (default: the cloud's own)",
  )
  .option("--pvc-root <dir>", "where claims of pvc://CLAIM/PATH are folders (default: the folder of the file)")
  .option("--model-dir <dir>", "where fetched models are kept (default: the user's cache)")
  .addOption(new Option("--log-level <level>", "log to standard error, as JSON").choices(LOG_LEVELS).default("silent"))
  .addHelpText(
    "after",
    `
Examples:
  The same file that \`kubectl apply -f\` takes. pvc://models/digits is the folder models/digits beside the file:
    $ lockstep serve -f examples/digits.yaml

  Several InferenceServices in one process:
    $ lockstep serve -f iris.yaml -f topic.yaml

  A folder. Its sub-folders named by integers are versions, and the newest is served:
    $ lockstep serve ./models/digits
    $ lockstep serve ./model.onnx --name digits

  An S3-compatible store; the keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY:
    $ lockstep serve s3://models/digits --endpoint http://localhost:9000

  Ask it:
    $ curl http://127.0.0.1:8080/v2/models/digits
    $ curl http://127.0.0.1:8080/metrics

Ctrl-C finishes the requests in flight and stops.`,
  )
  .action(async (place: string | undefined, options: Omit<ServeOptions, "place">) => {
    const { serve } = await import("./serve.ts");
    await serve({ ...options, place });
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`${error.message}\n`);
  // Another model may be being loaded meanwhile.
  endProcessNow(1);
}

function append(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function grpcPort(value: string): number {
  return value === "-1" ? -1 : port(value);
}

function port(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65_535) return number;
  throw new InvalidArgumentError("Expected a port from 0 to 65535.");
}
