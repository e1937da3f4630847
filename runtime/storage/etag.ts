/**
 * An etag that promises the same bytes, in the form that If-Match wants; undefined for one that is weak or empty, as
 * some S3-compatible servers have. Others leave the quotes out in listings.
 */
export function strongEtag(etag: string | undefined): string | undefined {
  const opaque = /^"?([^"]+)"?$/.exec(etag ?? "")?.[1];
  return opaque === undefined || opaque.startsWith("W/") ? undefined : `"${opaque}"`;
}
