/** Frames of HTTP/2 (RFC 9113), as far as a client of unary calls needs them. */
export const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;
export const SETTING = { headerTableSize: 1, enablePush: 2, maxStreams: 3, initialWindow: 4, maxFrame: 5 } as const;

export const FRAME_HEADER_BYTES = 9;
/** Of a frame's payload, unless the other side allows more. */
export const MAX_FRAME_BYTES = 16_384;
export const DEFAULT_WINDOW_BYTES = 65_535;
export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The bytes of a frame. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return frame(FRAME.settings, 0, 0, payload);
}

export function readSettings(payload: Buffer): ReadonlyMap<number, number> {
  const settings = new Map<number, number>();
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    settings.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  }
  return settings;
}

export function windowUpdateFrame(stream: number, bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, stream, payload);
}

/** The block in a HEADERS frame, without padding and priority. */
export function headerBlockOf({ flags, payload }: Frame): Buffer {
  const padding = (flags & FLAG.padded) === 0 ? 0 : (payload[0] ?? 0);
  const start = ((flags & FLAG.padded) === 0 ? 0 : 1) + ((flags & FLAG.priority) === 0 ? 0 : 5);
  return payload.subarray(start, payload.length - padding);
}

/** Cuts what arrives on a connection into frames. */
export class FrameReader {
  #kept: Buffer = Buffer.alloc(0);

  /** The frames that are complete now; payloads are only borrowed. Throws on one of more than 1 MiB. */
  push(arrived: Buffer): Frame[] {
    const bytes = this.#kept.length === 0 ? arrived : Buffer.concat([this.#kept, arrived]);
    const frames: Frame[] = [];
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const length = bytes.readUIntBE(at, 3);
      if (length > 2 ** 20) throw new Error("expected a frame of HTTP/2, got something else");
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > bytes.length) break;
      frames.push({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
        payload: bytes.subarray(at + FRAME_HEADER_BYTES, end),
      });
      at = end;
    }
    this.#kept = bytes.subarray(at);
    return frames;
  }
}
