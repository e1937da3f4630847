import { parquetWriteBuffer, type ColumnSource } from "hyparquet-writer";
import { tensorsOf, type EncodedBody, type EncodedPayload } from "./payload-encoder.ts";
import { roundedMs } from "./payload-file.ts";

/** A file of Parquet with a row for each payload; tensors are JSON in text, as models differ in what they take. */
export function parquetFileOf(payloads: readonly EncodedPayload[]): Uint8Array<ArrayBuffer> {
  const column = (
    name: string,
    type: NonNullable<ColumnSource["type"]>,
    of: (payload: EncodedPayload) => unknown,
  ): ColumnSource => ({
    name,
    type,
    data: payloads.map(of),
  });
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { ...column("request_id", "STRING", ({ head }) => head.id), nullable: false },
        column("client_id", "STRING", ({ head }) => head.clientId),
        { ...column("time", "TIMESTAMP", ({ head }) => new Date(head.startedAtMs)), nullable: false },
        { ...column("model", "STRING", ({ head }) => head.model), nullable: false },
        { ...column("version", "INT64", ({ head }) => BigInt(head.version)), nullable: false },
        { ...column("digest", "STRING", ({ head }) => head.digest), nullable: false },
        { ...column("code", "STRING", ({ head }) => head.code), nullable: false },
        { ...column("latency_ms", "DOUBLE", ({ head }) => roundedMs(head.totalMs)), nullable: false },
        column("queue_ms", "DOUBLE", ({ head }) => head.timing && roundedMs(head.timing.queueMs)),
        column("compute_ms", "DOUBLE", ({ head }) => head.timing && roundedMs(head.timing.computeMs)),
        column("batch_size", "INT32", ({ head }) => head.timing?.batchSize),
        column("inputs", "STRING", ({ request }) => textOf(request)),
        column("outputs", "STRING", ({ response }) => textOf(response)),
      ],
      createdBy: "lockstep",
      // One for all of it: files are small.
      rowGroupSize: payloads.length,
    }),
  );
}

function textOf(body: EncodedBody | undefined): string | undefined {
  if (body?.tensorsAt === undefined) return undefined;
  return Buffer.concat(tensorsOf(body)).toString("utf8");
}
