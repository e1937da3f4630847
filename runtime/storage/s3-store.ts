import { Readable } from "node:stream";
import type * as S3Sdk from "@aws-sdk/client-s3";
import {
  refuseLongListing,
  type AnnouncedChecksum,
  type ObjectInfo,
  type ObjectStore,
  type OpenResult,
  type StoredEntry,
} from "./object-store.ts";
import { checksumFromBase64 } from "./announced-checksum.ts";
import { connectToBucket, type S3StoreOptions } from "./s3-connection.ts";
import { isChanged, isNoSuchKey, s3Failure } from "./s3-failure.ts";
import { strongEtag } from "./etag.ts";
import { discardBody, explained, parseContentRange } from "./response-body.ts";

/** Opens a bucket of AWS or any S3-compatible server. Does no I/O yet. */
export function createS3Store(options: S3StoreOptions): ObjectStore {
  const connection = connectToBucket(options);
  const { bucket, describe, context, attempt } = connection;

  return {
    describe,
    list: (folder, { recursive }, signal) =>
      attempt(folder, signal, async (sdk, client) => {
        const prefix = folder === "" ? "" : `${folder}/`;
        const entries: StoredEntry[] = [];
        let token: string | undefined;
        do {
          const page = await client.send(
            new sdk.ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              // Keys may have characters that XML cannot hold.
              EncodingType: "url",
              ...(recursive ? {} : { Delimiter: "/" }),
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
            { abortSignal: signal },
          );
          const decode = page.EncodingType === "url" ? decodeKey : (key: string): string => key;
          for (const { Prefix = "" } of page.CommonPrefixes ?? [])
            entries.push({ kind: "folder", name: decode(Prefix).slice(prefix.length, -1) });
          for (const { Key = "", Size = 0, ETag } of page.Contents ?? []) {
            const name = decode(Key).slice(prefix.length);
            // Consoles make folders visible by empty objects whose names end in a slash.
            if (name !== "" && !(name.endsWith("/") && Size === 0))
              entries.push({ kind: "file", name, sizeBytes: Size, etag: strongEtag(ETag) });
          }
          refuseLongListing(entries.length, describe(folder));
          token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
        } while (token !== undefined);
        return entries;
      }),
    head: (key, signal) =>
      attempt(key, signal, async (sdk, client): Promise<ObjectInfo | undefined> => {
        if (key === "") return undefined;
        try {
          const head = await client.send(new sdk.HeadObjectCommand({ Bucket: bucket, Key: key }), {
            abortSignal: signal,
          });
          return { sizeBytes: head.ContentLength, etag: strongEtag(head.ETag), checksums: announcedChecksums(head) };
        } catch (error) {
          if (isNoSuchKey(error)) return undefined;
          // The answer to HEAD has no body that would say why; the one to GET has.
          await (
            await client.send(new sdk.GetObjectCommand({ Bucket: bucket, Key: key, Range: "bytes=0-0" }), {
              abortSignal: signal,
            })
          ).Body?.transformToByteArray();
          throw error;
        }
      }),
    open: (key, { offset, ifMatch }, signal) =>
      attempt(key, signal, async (sdk, client): Promise<OpenResult> => {
        let answer: S3Sdk.GetObjectCommandOutput;
        try {
          answer = await client.send(
            new sdk.GetObjectCommand({
              Bucket: bucket,
              Key: key,
              ...(offset > 0 ? { Range: `bytes=${offset}-` } : {}),
              ...(ifMatch === undefined ? {} : { IfMatch: ifMatch }),
            }),
            { abortSignal: signal },
          );
        } catch (error) {
          if (isChanged(error)) return { kind: "changed" };
          throw error;
        }
        const body = answer.Body;
        if (!(body instanceof Readable)) throw new TypeError("expected a body");
        // Not every server heeds If-Match.
        const etag = strongEtag(answer.ETag);
        if (ifMatch !== undefined && etag !== ifMatch) {
          await discardBody(body);
          return { kind: "changed" };
        }
        const range = parseContentRange(answer.ContentRange);
        return {
          kind: "opened",
          offset: range?.start ?? 0,
          sizeBytes: range === undefined ? answer.ContentLength : range.total,
          etag,
          // Those of a part may be of the part.
          checksums: range === undefined ? announcedChecksums(answer) : [],
          body: explained(body, (error) => s3Failure(error, context(key)), signal),
          [Symbol.asyncDispose]: () => discardBody(body),
        };
      }),
    [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
  };
}

function announcedChecksums(answer: S3Sdk.GetObjectCommandOutput | S3Sdk.HeadObjectCommandOutput): AnnouncedChecksum[] {
  if (answer.ChecksumType === "COMPOSITE") return [];
  return [
    checksumFromBase64("sha256", answer.ChecksumSHA256),
    checksumFromBase64("sha1", answer.ChecksumSHA1),
    checksumFromBase64("crc64nvme", answer.ChecksumCRC64NVME),
    checksumFromBase64("crc32c", answer.ChecksumCRC32C),
    checksumFromBase64("crc32", answer.ChecksumCRC32),
  ].filter((checksum) => checksum !== undefined);
}

function decodeKey(key: string): string {
  return decodeURIComponent(key.replaceAll("+", "%20"));
}
