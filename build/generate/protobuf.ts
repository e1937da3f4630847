import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor.js";

/** Folder of the proto files, from the project's root; generated files are put there as well. */
const FOLDER = "runtime/grpc/proto";

/** Modules of message types, each of some packages. The older reflection package has the messages of the newer one. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  inference: ["inference"],
  tensorflow: ["tensorflow", "tensorflow.serving", "tensorflow.error", "google.protobuf"],
  health: ["grpc.health.v1"],
  reflection: ["grpc.reflection.v1"],
};

const SCALARS: ReadonlySet<string> = new Set([
  "double",
  "float",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
  "string",
  "bytes",
]);

interface ProtoFile {
  /** As other files import it. */
  readonly name: string;
  readonly package: string;
  readonly imports: readonly string[];
  readonly types: readonly protobuf.Type[];
  readonly enums: readonly protobuf.Enum[];
  readonly services: readonly protobuf.Service[];
}

/** Makes the tables that messages are read and written by, and the descriptors for reflection, by path. */
export function protobufFiles(root: string): [path: string, content: string][] {
  const files = parseFiles(path.join(root, FOLDER));
  const modules = Object.entries(MODULES).map(([module, packages]): [string, string] => {
    const own = files.filter((file) => packages.includes(file.package));
    return [`${FOLDER}/${module}.gen.ts`, moduleOf(own)];
  });
  return [...modules, [`${FOLDER}/file-descriptors.gen.ts`, descriptorsOf(files)]];
}

function parseFiles(folder: string): ProtoFile[] {
  const root = new protobuf.Root();
  const parsed = globSync("**/*.proto", { cwd: folder })
    .sort()
    .map((name) => {
      const before = new Set(definitionsIn(root));
      const file = protobuf.parse(readFileSync(path.join(folder, name), "utf8"), root, { keepCase: true });
      const added = definitionsIn(root).filter((each) => !before.has(each));
      return { name, package: file.package ?? "", imports: file.imports ?? [], added };
    });
  root.resolveAll();
  return parsed.map(({ added, ...file }) => ({
    ...file,
    types: added.filter((each) => each instanceof protobuf.Type),
    enums: added.filter((each) => each instanceof protobuf.Enum),
    services: added.filter((each) => each instanceof protobuf.Service),
  }));
}

/** All that files define at their outermost level. */
function definitionsIn(namespace: protobuf.NamespaceBase): protobuf.ReflectionObject[] {
  return namespace.nestedArray.flatMap((each) => {
    if (each instanceof protobuf.Type || each instanceof protobuf.Enum || each instanceof protobuf.Service)
      return [each];
    return each instanceof protobuf.Namespace ? definitionsIn(each) : [];
  });
}

function moduleOf(files: readonly ProtoFile[]): string {
  const types = files.flatMap((file) => file.types.flatMap(withNested));
  const enums = [
    ...files.flatMap((file) => file.enums),
    ...types.flatMap((type) => type.nestedArray.filter((each) => each instanceof protobuf.Enum)),
  ];
  return `${head(files)}
import type { MessageType } from "../wire/message-type.ts";

${[...enums.map(enumCode), ...types.map(typeCode)].join("\n")}`;
}

function head(files: readonly ProtoFile[]): string {
  return `// Generated from ${files.map(({ name }) => name).join(", ")} by \`npm run generate\`. Do not edit.\n`;
}

function withNested(type: protobuf.Type): protobuf.Type[] {
  return [type, ...type.nestedArray.filter((each) => each instanceof protobuf.Type).flatMap(withNested)];
}

function enumCode(type: protobuf.Enum): string {
  const values = Object.entries(type.values).map(([name, value]) => `  ${name}: ${value},\n`);
  return `/** ${fullName(type)} */\nexport const ${typeName(type)} = {\n${values.join("")}} as const;\n`;
}

function typeCode(type: protobuf.Type): string {
  const name = typeName(type);
  const fields = [...type.fieldsArray].sort((a, b) => a.id - b.id);
  const properties = fields.map((field) => `  ${propertyName(field)}: ${propertyType(field)};\n`);
  const defaults = fields.map((field) => `${propertyName(field)}: ${defaultCode(field)}`);
  const rows = fields.map((field) => `    ${fieldCode(field)},\n`);
  return `/** ${fullName(type)} */
export interface ${name} {
${properties.join("")}}
export const ${name}: MessageType<${name}> = {
  name: ${JSON.stringify(fullName(type))},
  create: () => (${defaults.length === 0 ? "{}" : `{ ${defaults.join(", ")} }`}),
  fields: [
${rows.join("")}  ],
};
`;
}

function fieldCode(field: protobuf.Field): string {
  const parts = [`number: ${field.id}`, `name: ${JSON.stringify(propertyName(field))}`];
  const { resolvedType } = field;
  if (field instanceof protobuf.MapField) {
    if (field.keyType !== "string" || !(resolvedType instanceof protobuf.Type))
      throw new Error(`${field.fullName}: expected a map from texts to messages`);
    parts.push(`kind: "map"`, `type: () => ${typeName(resolvedType)}`);
  } else if (resolvedType instanceof protobuf.Type) {
    parts.push(`kind: "message"`, `type: () => ${typeName(resolvedType)}`);
  } else {
    parts.push(`kind: ${JSON.stringify(scalarKind(field))}`);
  }
  if (field.repeated) parts.push("isRepeated: true");
  const others = field.partOf?.fieldsArray.filter((other) => other !== field).map(propertyName);
  if (others !== undefined) parts.push(`others: ${JSON.stringify(others)}`);
  return `{ ${parts.join(", ")} }`;
}

function scalarKind(field: protobuf.Field): string {
  if (field.resolvedType instanceof protobuf.Enum) return "enum";
  if (SCALARS.has(field.type)) return field.type;
  throw new Error(`${field.fullName}: ${field.type} is not among the kinds that are read and written`);
}

function elementType(field: protobuf.Field): string {
  if (field.resolvedType instanceof protobuf.Type) return typeName(field.resolvedType);
  const kind = scalarKind(field);
  if (kind === "string") return "string";
  if (kind === "bool") return "boolean";
  if (kind === "bytes") return "Uint8Array";
  return kind.endsWith("64") ? "bigint" : "number";
}

function propertyType(field: protobuf.Field): string {
  const element = elementType(field);
  if (field instanceof protobuf.MapField) return `Map<string, ${element}>`;
  if (field.repeated) return `${element}[]`;
  return hasPresence(field) ? `${element} | undefined` : element;
}

function hasPresence(field: protobuf.Field): boolean {
  return field.partOf !== null || field.resolvedType instanceof protobuf.Type;
}

function defaultCode(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) return "new Map()";
  if (field.repeated) return "[]";
  if (hasPresence(field)) return "undefined";
  const kind = scalarKind(field);
  if (kind === "string") return '""';
  if (kind === "bool") return "false";
  if (kind === "bytes") return "new Uint8Array()";
  return kind.endsWith("64") ? "0n" : "0";
}

/** The full name without the package and dots. */
function typeName(type: protobuf.Type | protobuf.Enum): string {
  const names: string[] = [];
  for (let at: protobuf.ReflectionObject | null = type; at instanceof protobuf.Type || at === type; at = at.parent)
    names.unshift(at.name);
  return names.join("");
}

function fullName(type: protobuf.ReflectionObject): string {
  return type.fullName.slice(1);
}

function propertyName(field: protobuf.Field): string {
  return field.name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function descriptorsOf(files: readonly ProtoFile[]): string {
  const rows = files.map((file) => {
    const symbols = [
      ...file.types.flatMap(withNested).flatMap((type) => [type, ...type.nestedArray]),
      ...file.enums,
      ...file.services.flatMap((service) => [service, ...service.methodsArray]),
    ].map(fullName);
    return `  {
    name: ${JSON.stringify(file.name)},
    imports: ${JSON.stringify(file.imports)},
    services: ${JSON.stringify(file.services.map(fullName))},
    symbols: ${JSON.stringify([...new Set(symbols)])},
    descriptor: ${JSON.stringify(Buffer.from(descriptorOf(file)).toString("base64"))},
  },
`;
  });
  return `${head(files)}
/** A proto file, for clients that ask what there is. */
export interface FileDescriptor {
  readonly name: string;
  readonly imports: readonly string[];
  /** Full names. */
  readonly services: readonly string[];
  /** Full names of all that is defined. */
  readonly symbols: readonly string[];
  /** A google.protobuf.FileDescriptorProto in Base64. */
  readonly descriptor: string;
}

export const FILE_DESCRIPTORS: readonly FileDescriptor[] = [
${rows.join("")}];
`;
}

function descriptorOf(file: ProtoFile): Uint8Array {
  const message = descriptor.FileDescriptorProto.fromObject({
    name: file.name,
    package: file.package,
    dependency: [...file.imports],
    messageType: file.types.map((type) => withMapEntries(type, type.toDescriptor("proto3"))),
    enumType: file.enums.map((type) => type.toDescriptor()),
    service: file.services.map((service) => service.toDescriptor()),
    syntax: "proto3",
  });
  return descriptor.FileDescriptorProto.encode(message).finish();
}

/** Gives the messages that stand for a map's entries the names that the specification wants. */
function withMapEntries(type: protobuf.Type, message: descriptor.IDescriptorProto): descriptor.IDescriptorProto {
  const nested = message.nestedType ?? [];
  for (const inner of type.nestedArray) {
    const found = nested.find(({ name }) => name === inner.name);
    if (inner instanceof protobuf.Type && found !== undefined) withMapEntries(inner, found);
  }
  for (const field of type.fieldsArray) {
    if (!(field instanceof protobuf.MapField)) continue;
    const row = message.field?.find(({ name }) => name === field.name);
    const entry = nested.find(
      ({ name, options }) => options?.mapEntry === true && row?.typeName?.endsWith(name ?? "."),
    );
    if (row === undefined || entry === undefined) throw new Error(`${field.fullName}: expected an entry, got none`);
    entry.name = `${propertyName(field).replace(/^./, (letter) => letter.toUpperCase())}Entry`;
    row.typeName = `${type.fullName}.${entry.name}`;
  }
  return message;
}
