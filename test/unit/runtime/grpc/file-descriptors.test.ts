import protobuf from "protobufjs";
import descriptor, { type IFileDescriptorProto } from "protobufjs/ext/descriptor.js";
import { expect, test } from "vitest";
import { FILE_DESCRIPTORS } from "../../../../runtime/grpc/proto/file-descriptors.gen.ts";
import { loadProtos, MESSAGE_TYPES } from "./proto-types.ts";

const files = FILE_DESCRIPTORS.map(
  (file) => descriptor.FileDescriptorProto.decode(Buffer.from(file.descriptor, "base64")) as IFileDescriptorProto,
);

test("descriptors tell what the proto files do", () => {
  const told = protobuf.Root.fromDescriptor({ file: files });
  const written = loadProtos();
  for (const { name } of MESSAGE_TYPES) {
    const fields = (root: protobuf.Root) =>
      root.lookupType(name).fieldsArray.map(({ name: field, id, type, repeated }) => ({
        field: field.replaceAll("_", "").toLowerCase(),
        id,
        type: type.split(".").at(-1),
        repeated,
      }));
    expect(fields(told)).toEqual(fields(written));
  }
});

test("imports are there, and symbols are in one file only", () => {
  const names = new Set(FILE_DESCRIPTORS.map(({ name }) => name));
  expect(FILE_DESCRIPTORS.flatMap(({ imports }) => imports).filter((name) => !names.has(name))).toEqual([]);
  const symbols = FILE_DESCRIPTORS.flatMap((file) => file.symbols);
  expect(new Set(symbols).size).toBe(symbols.length);
  expect(symbols).toEqual(expect.arrayContaining(MESSAGE_TYPES.map(({ name }) => name)));
  expect(symbols).toContain("inference.GRPCInferenceService.ModelStreamInfer");
});

test("entries of maps have the names that the specification wants", () => {
  const entries = files.flatMap((file) =>
    (file.messageType ?? []).flatMap(({ name, field, nestedType }) =>
      (nestedType ?? []).filter(({ options }) => options?.mapEntry === true).map((entry) => ({ name, field, entry })),
    ),
  );
  expect(entries.length).toBeGreaterThan(5);
  for (const { field, entry } of entries) {
    const owner = field?.find(({ typeName }) => typeName?.endsWith(`.${entry.name}`));
    const camel = owner?.name?.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    expect(entry.name).toBe(`${camel}Entry`);
  }
});
