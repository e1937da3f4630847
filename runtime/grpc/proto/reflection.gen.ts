// Generated from grpc/reflection/v1/reflection.proto by `npm run generate`. Do not edit.

import type { MessageType } from "../wire/message-type.ts";

/** grpc.reflection.v1.ServerReflectionRequest */
export interface ServerReflectionRequest {
  host: string;
  fileByFilename: string | undefined;
  fileContainingSymbol: string | undefined;
  fileContainingExtension: ExtensionRequest | undefined;
  allExtensionNumbersOfType: string | undefined;
  listServices: string | undefined;
}
export const ServerReflectionRequest: MessageType<ServerReflectionRequest> = {
  name: "grpc.reflection.v1.ServerReflectionRequest",
  create: () => ({ host: "", fileByFilename: undefined, fileContainingSymbol: undefined, fileContainingExtension: undefined, allExtensionNumbersOfType: undefined, listServices: undefined }),
  fields: [
    { number: 1, name: "host", kind: "string" },
    { number: 3, name: "fileByFilename", kind: "string", others: ["fileContainingSymbol","fileContainingExtension","allExtensionNumbersOfType","listServices"] },
    { number: 4, name: "fileContainingSymbol", kind: "string", others: ["fileByFilename","fileContainingExtension","allExtensionNumbersOfType","listServices"] },
    { number: 5, name: "fileContainingExtension", kind: "message", type: () => ExtensionRequest, others: ["fileByFilename","fileContainingSymbol","allExtensionNumbersOfType","listServices"] },
    { number: 6, name: "allExtensionNumbersOfType", kind: "string", others: ["fileByFilename","fileContainingSymbol","fileContainingExtension","listServices"] },
    { number: 7, name: "listServices", kind: "string", others: ["fileByFilename","fileContainingSymbol","fileContainingExtension","allExtensionNumbersOfType"] },
  ],
};

/** grpc.reflection.v1.ExtensionRequest */
export interface ExtensionRequest {
  containingType: string;
  extensionNumber: number;
}
export const ExtensionRequest: MessageType<ExtensionRequest> = {
  name: "grpc.reflection.v1.ExtensionRequest",
  create: () => ({ containingType: "", extensionNumber: 0 }),
  fields: [
    { number: 1, name: "containingType", kind: "string" },
    { number: 2, name: "extensionNumber", kind: "int32" },
  ],
};

/** grpc.reflection.v1.ServerReflectionResponse */
export interface ServerReflectionResponse {
  validHost: string;
  originalRequest: ServerReflectionRequest | undefined;
  fileDescriptorResponse: FileDescriptorResponse | undefined;
  allExtensionNumbersResponse: ExtensionNumberResponse | undefined;
  listServicesResponse: ListServiceResponse | undefined;
  errorResponse: ErrorResponse | undefined;
}
export const ServerReflectionResponse: MessageType<ServerReflectionResponse> = {
  name: "grpc.reflection.v1.ServerReflectionResponse",
  create: () => ({ validHost: "", originalRequest: undefined, fileDescriptorResponse: undefined, allExtensionNumbersResponse: undefined, listServicesResponse: undefined, errorResponse: undefined }),
  fields: [
    { number: 1, name: "validHost", kind: "string" },
    { number: 2, name: "originalRequest", kind: "message", type: () => ServerReflectionRequest },
    { number: 4, name: "fileDescriptorResponse", kind: "message", type: () => FileDescriptorResponse, others: ["allExtensionNumbersResponse","listServicesResponse","errorResponse"] },
    { number: 5, name: "allExtensionNumbersResponse", kind: "message", type: () => ExtensionNumberResponse, others: ["fileDescriptorResponse","listServicesResponse","errorResponse"] },
    { number: 6, name: "listServicesResponse", kind: "message", type: () => ListServiceResponse, others: ["fileDescriptorResponse","allExtensionNumbersResponse","errorResponse"] },
    { number: 7, name: "errorResponse", kind: "message", type: () => ErrorResponse, others: ["fileDescriptorResponse","allExtensionNumbersResponse","listServicesResponse"] },
  ],
};

/** grpc.reflection.v1.FileDescriptorResponse */
export interface FileDescriptorResponse {
  fileDescriptorProto: Uint8Array[];
}
export const FileDescriptorResponse: MessageType<FileDescriptorResponse> = {
  name: "grpc.reflection.v1.FileDescriptorResponse",
  create: () => ({ fileDescriptorProto: [] }),
  fields: [
    { number: 1, name: "fileDescriptorProto", kind: "bytes", isRepeated: true },
  ],
};

/** grpc.reflection.v1.ExtensionNumberResponse */
export interface ExtensionNumberResponse {
  baseTypeName: string;
  extensionNumber: number[];
}
export const ExtensionNumberResponse: MessageType<ExtensionNumberResponse> = {
  name: "grpc.reflection.v1.ExtensionNumberResponse",
  create: () => ({ baseTypeName: "", extensionNumber: [] }),
  fields: [
    { number: 1, name: "baseTypeName", kind: "string" },
    { number: 2, name: "extensionNumber", kind: "int32", isRepeated: true },
  ],
};

/** grpc.reflection.v1.ListServiceResponse */
export interface ListServiceResponse {
  service: ServiceResponse[];
}
export const ListServiceResponse: MessageType<ListServiceResponse> = {
  name: "grpc.reflection.v1.ListServiceResponse",
  create: () => ({ service: [] }),
  fields: [
    { number: 1, name: "service", kind: "message", type: () => ServiceResponse, isRepeated: true },
  ],
};

/** grpc.reflection.v1.ServiceResponse */
export interface ServiceResponse {
  name: string;
}
export const ServiceResponse: MessageType<ServiceResponse> = {
  name: "grpc.reflection.v1.ServiceResponse",
  create: () => ({ name: "" }),
  fields: [
    { number: 1, name: "name", kind: "string" },
  ],
};

/** grpc.reflection.v1.ErrorResponse */
export interface ErrorResponse {
  errorCode: number;
  errorMessage: string;
}
export const ErrorResponse: MessageType<ErrorResponse> = {
  name: "grpc.reflection.v1.ErrorResponse",
  create: () => ({ errorCode: 0, errorMessage: "" }),
  fields: [
    { number: 1, name: "errorCode", kind: "int32" },
    { number: 2, name: "errorMessage", kind: "string" },
  ],
};
