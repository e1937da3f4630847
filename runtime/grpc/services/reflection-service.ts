import { ERROR_CODES } from "../../errors.ts";
import { FILE_DESCRIPTORS, type FileDescriptor } from "../proto/file-descriptors.gen.ts";
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
  type ServerReflectionRequest as Request,
  type ServerReflectionResponse as Response,
} from "../proto/reflection.gen.ts";
import type { Method, StreamContext } from "../server/method.ts";
import { decodeMessage } from "../wire/message-codec.ts";
import type { Init } from "../wire/message-type.ts";
import { frameOf, MAX_QUESTION_BYTES } from "./message-method.ts";

/**
 * The standard reflection service: tells clients such as grpcurl which of the services they can call, and what their
 * messages are. Its older version has the same messages under another name.
 */
export function reflectionService(services: readonly string[]): Readonly<Record<string, Method>> {
  const run = async (call: StreamContext): Promise<void> => {
    for (;;) {
      const message = await call.receive();
      if (message === undefined) return;
      const request = decodeMessage(ServerReflectionRequest, message.bytes);
      call.release(message);
      await call.send(
        frameOf(ServerReflectionResponse, {
          validHost: request.host,
          originalRequest: request,
          ...answer(request, services),
        }),
      );
    }
  };
  return { ServerReflectionInfo: { kind: "stream", maxMessageBytes: MAX_QUESTION_BYTES, run } };
}

function answer(request: Request, services: readonly string[]): Init<Response> {
  const { fileByFilename, fileContainingSymbol, allExtensionNumbersOfType } = request;
  if (request.listServices !== undefined)
    return { listServicesResponse: { service: services.map((name) => ({ name })) } };
  if (fileByFilename !== undefined) return files(FILE_DESCRIPTORS.find(({ name }) => name === fileByFilename));
  if (fileContainingSymbol !== undefined)
    return files(FILE_DESCRIPTORS.find(({ symbols }) => symbols.includes(fileContainingSymbol)));
  const isKnown = FILE_DESCRIPTORS.some(({ symbols }) => symbols.includes(allExtensionNumbersOfType ?? ""));
  // Messages of proto3 have no extensions.
  if (allExtensionNumbersOfType !== undefined && isKnown)
    return { allExtensionNumbersResponse: { baseTypeName: allExtensionNumbersOfType, extensionNumber: [] } };
  return notFound();
}

/** A file with all that it needs. */
function files(file: FileDescriptor | undefined): Init<Response> {
  if (file === undefined) return notFound();
  const found = new Set<FileDescriptor>([file]);
  for (const { imports } of found) {
    for (const name of imports) {
      const imported = FILE_DESCRIPTORS.find((each) => each.name === name);
      if (imported !== undefined) found.add(imported);
    }
  }
  const fileDescriptorProto = [...found].map(({ descriptor }) => new Uint8Array(Buffer.from(descriptor, "base64")));
  return { fileDescriptorResponse: { fileDescriptorProto } };
}

function notFound(): Init<Response> {
  const errorMessage = "symbol: expected one that this server has, got another";
  return { errorResponse: { errorCode: ERROR_CODES.NotFound.grpc, errorMessage } };
}
