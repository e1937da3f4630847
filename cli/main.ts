import { Command, InvalidArgumentError, Option } from "commander";
import { LOG_LEVELS } from "../common/logger.ts";
import { HTTP_PORT } from "../common/ports.ts";
import packageJson from "../package.json" with { type: "json" };
import { endProcessNow } from "../runtime/end-process.ts";
import { CliError, EXIT_CODES } from "./cli-error.ts";
import type { InspectOptions } from "./inspect.ts";
import type { ProfileOptions } from "./profile.ts";
import type { PushOptions } from "./push.ts";
import type { RollbackOptions } from "./rollback.ts";
import type { ServeOptions } from "./serve.ts";
import type { VersionsOptions } from "./versions.ts";

/** The command line. What a command needs is imported when it runs, so that --help is instant. */

const program = new Command("lockstep")
  .description("Real-time model serving: every replica answers with the same model version.")
  .version(packageJson.version)
  .showHelpAfterError("(lockstep --help shows what there is)")
  // After a command, --version is the command's.
  .enablePositionalOptions()
  .addHelpText(
    "after",
    `
Start here:
  $ lockstep serve -f examples/digits.yaml     serve an InferenceService, as a cluster would
  $ lockstep serve ./models/digits             serve a model from a folder
  $ lockstep inspect model.onnx                show what a model takes and gives
  $ lockstep push model.onnx s3://models/digits
                                               publish it as the next version
  $ lockstep rollback digits                   serve the version before, on all replicas at once
  $ lockstep push --help                       more examples, for each command

Exit codes:
  0    it was done
${Object.values(EXIT_CODES)
  .map(({ code, meaning }) => `  ${String(code).padEnd(4)} ${meaning}`)
  .join("\n")}`,
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

/** Options of all commands that go to a storage. */
const ENDPOINT = ["--endpoint <url>", "address of an S3-compatible server (default: AWS)"] as const;
const REGION = ["--region <region>", "region of the bucket (default: AWS_REGION, or us-east-1)"] as const;
const KEYS = "Keys are found as the AWS SDK finds them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...";

program
  .command("push")
  .summary("publish a model as a new version")
  .description(
    "Publishes a model as a new version of a repository. The model is loaded first, and refused if a replica could not " +
      "serve it. Files go up with their digests in a manifest, lockstep.json, which is written last: replicas see all of " +
      "the version or nothing. A version that is there is never overwritten.",
  )
  .argument("<model>", "an .onnx file, or a folder with one; files with its external data come along")
  .argument("<repository>", "s3://BUCKET/NAME, file:///PATH, or a path")
  .addOption(
    new Option("--version <number>", "number of the version (default: one more than the newest)").argParser(
      versionNumber,
    ),
  )
  .option("-k, --key <file>", "sign the manifest with this Ed25519 private key (PEM)")
  .option("-i, --include <file>", "take along this file of the model's folder; may be repeated", append, [])
  .option("-a, --all", "take along all files of the model's folder, but hidden ones and other models")
  .option(...ENDPOINT)
  .option(...REGION)
  .option("--json", "print the result as JSON")
  .addHelpText(
    "after",
    `
Examples:
  As the next version of digits, on AWS:
    $ lockstep push model.onnx s3://models/digits

  On an S3-compatible server, with requests for warm-up that lie beside the model:
    $ lockstep push ./export s3://models/digits --endpoint http://localhost:9000 --include warmup.jsonl

  Signed: replicas with storage.verify.publicKey take no other version:
    $ lockstep keygen private.pem
    $ lockstep push model.onnx s3://models/digits --key private.pem

  Into a folder, and serve it:
    $ lockstep push model.onnx ./models/digits && lockstep serve ./models/digits

${KEYS}
They must allow s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject.
Ends with ${EXIT_CODES.taken.code} if the version is there already, or somebody else is publishing it.`,
  )
  .action(async (model: string, repository: string, options: PushOptions) => {
    const { push } = await import("./push.ts");
    await push(model, repository, options);
  });

program
  .command("profile")
  .summary("describe a model's data, for drift to be measured against")
  .description(
    "Makes a profile of rows that a model was made for: for each feature, how its values are distributed. The model is asked " +
      "for the outputs that are no columns. Beside the model in a version's folder, as lockstep-profile.json, the profile is " +
      "what drift is measured against; push takes it along. Without one, the first requests are the reference.",
  )
  .argument("<rows>", "a file with rows: .csv, .json, .ndjson (or .jsonl), .parquet")
  .option("-m, --model <model>", "an .onnx file, or a folder with one: says which columns are inputs and outputs")
  .option("-o, --out <file>", "where to write it", "lockstep-profile.json")
  .option("--no-run", "do not ask the model: outputs are watched only if they are columns")
  .option("--output <column>", "this column is an output, where there is no --model; may be repeated", append, [])
  .option("--json", "print the profile as JSON")
  .addHelpText(
    "after",
    `
Columns have the names of inputs and outputs: x, or x[0], x[1], ... where one has several values a row; in .json, .ndjson and
.parquet one column may hold all of them as a list. A model with a single input also takes as many columns of any names, in
their order. Empty cells, NaN and null are missing values. Memory stays constant, except for .json, which is read as a whole.

Columns of outputs are taken as they are. All other outputs are the model's answers to the rows, if all of its inputs are
columns: it is run as a replica runs it, many rows at a time. Rows that it does not answer are told, and count by their inputs.

Without a profile, a reference that was learned from the wrong requests is learned anew by
    $ kubectl annotate isvc digits serving.lockstep.dev/relearn-drift="$(date)" --overwrite
and under \`lockstep serve\` by starting it again.

Examples:
  Of training data, into the folder that is published:
    $ lockstep profile train.csv --model ./export -o ./export/lockstep-profile.json
    $ lockstep push ./export s3://models/digits

  Of rows that were scored before, with predictions in column label; the model is not run:
    $ lockstep profile scored.parquet --model model.onnx --no-run

  Without the model's file:
    $ lockstep profile rows.csv --output label`,
  )
  .action(async (rows: string, options: ProfileOptions) => {
    const { profile } = await import("./profile.ts");
    await profile(rows, options);
  });

program
  .command("inspect")
  .summary("show what a model takes and gives")
  .description(
    "Shows inputs and outputs of a model, its opset, who made it, and whether requests can be run together. It is loaded " +
      "as a replica would load it. Of a version with a manifest, the manifest is shown, and nothing is downloaded.",
  )
  .argument("<model>", "an .onnx file, a folder with one or with versions, or s3://BUCKET/NAME")
  .addOption(new Option("--version <number>", "which version (default: the newest)").argParser(versionNumber))
  .option("--fetch", "download the model even if it has a manifest")
  .option(...ENDPOINT)
  .option(...REGION)
  .option("--json", "print it as JSON")
  .addHelpText(
    "after",
    `
Examples:
    $ lockstep inspect model.onnx
    $ lockstep inspect s3://models/digits --endpoint http://localhost:9000
    $ lockstep inspect s3://models/digits --version 3 --json | jq .inputs

${KEYS}`,
  )
  .action(async (model: string, options: InspectOptions) => {
    const { inspect } = await import("./inspect.ts");
    await inspect(model, options);
  });

program
  .command("versions")
  .summary("list the versions of a repository")
  .description(
    "Lists the versions of a repository, the newest first: size, when they were published, the digest of the model, " +
      "whether they are signed, and whether all files that the manifest names are there.",
  )
  .argument("<repository>", "s3://BUCKET/NAME, file:///PATH, or a path")
  .option("--public-key <key>", "a file with a public key, or the key in base64: what it has not signed is not trusted")
  .option(...ENDPOINT)
  .option(...REGION)
  .option("--json", "print them as JSON")
  .addHelpText(
    "after",
    `
Examples:
    $ lockstep versions s3://models/digits
    $ lockstep versions ./models/digits --public-key MCowBQYDK2VwAyEA...

STATE is one of: complete; no manifest (not made by lockstep push: nothing says which files belong to it); not finished
(somebody publishes it, or was interrupted: remove the folder if nobody does); broken, or not trusted (the reason is
below the table).

${KEYS}`,
  )
  .action(async (repository: string, options: VersionsOptions) => {
    const { showVersions } = await import("./versions.ts");
    await showVersions(repository, options);
  });

program
  .command("keygen")
  .summary("make a key for signing versions")
  .description("Makes an Ed25519 key pair: the private key in a new file, the public one is printed.")
  .argument("<file>", "where to write the private key, in PEM")
  .addHelpText(
    "after",
    `
Example:
    $ lockstep keygen private.pem

The same with openssl:
    $ openssl genpkey -algorithm ed25519 -out private.pem
    $ openssl pkey -in private.pem -pubout`,
  )
  .action(async (file: string) => {
    const { keygen } = await import("./keygen.ts");
    await keygen(file);
  });

program
  .command("rollback")
  .summary("serve another version again, on all replicas at once")
  .description(
    "Puts an InferenceService back to the version that it served before: versionPolicy names that version alone, and the " +
      "replicas change to it together. The cluster is reached by kubectl, with its own configuration.",
  )
  .argument("<name>", "name of the InferenceService")
  .addOption(
    new Option(
      "--to <version>",
      "another version than the one before (lockstep versions shows which there are)",
    ).argParser(versionNumber),
  )
  .option("-n, --namespace <namespace>", "namespace (default: kubectl's)")
  .option("--context <context>", "context of the kubeconfig (default: the current one)")
  .option("--no-wait", "do not wait until it is served")
  .addOption(
    new Option("--timeout <seconds>", "how long to wait").default(300).argParser((value) => {
      const seconds = Number(value);
      if (/^\d{1,6}$/.test(value) && seconds > 0) return seconds;
      throw new InvalidArgumentError("Expected a number of seconds.");
    }),
  )
  .addHelpText(
    "after",
    `
Examples:
    $ lockstep rollback digits
    $ lockstep rollback digits --to 3 --namespace blue

To follow the newest version again:
    $ kubectl patch isvc digits --type=merge -p \\
        '{"spec":{"predictor":{"model":{"versionPolicy":{"specific":null,"latest":{"count":1}}}}}}'`,
  )
  .action(async (name: string, options: RollbackOptions) => {
    const { rollback } = await import("./rollback.ts");
    await rollback(name, options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CliError)) throw error;
  process.stderr.write(`${error.message}\n`);
  // Another model may be being loaded meanwhile.
  endProcessNow(error.exitCode);
}

function append(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function grpcPort(value: string): number {
  return value === "-1" ? -1 : port(value);
}

function versionNumber(value: string): number {
  const number = Number(value);
  if (/^(0|[1-9]\d{0,15})$/.test(value) && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError("Expected a whole number without leading zeros.");
}

function port(value: string): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number <= 65_535) return number;
  throw new InvalidArgumentError("Expected a port from 0 to 65535.");
}
