/**
 * URIs that lead, or try to, where LOCKSTEP_STORAGE_DENY's default forbids: this machine, link-local addresses and
 * metadata services, each in every notation that some parser or resolver takes.
 */
export function hostileUris(port: number): readonly string[] {
  const v4 = ["127.0.0.1", "127.1.2.3", "127.255.255.254", "169.254.169.254", "169.254.170.2", "0.0.0.0", "0.0.0.1"];
  const hosts = [...v4.flatMap(notationsOf), ...V6.map((address) => `[${address}]`), ...NAMES];
  const plain = hosts.map((host) => `http://${host}:${port}/model.onnx`);
  const tls = v4.map((host) => `https://${host}:${port}/model.onnx`);
  return [...plain, ...tls, ...confusing(port)];
}

const V6 = [
  "::1",
  "0:0:0:0:0:0:0:1",
  "0000:0000:0000:0000:0000:0000:0000:0001",
  "::",
  "0::0",
  "fe80::1",
  "fe80::a9fe:a9fe",
  "febf::1",
  "fd00:ec2::254",
  "fd00:0ec2:0:0:0:0:0:254",
  "FD00:EC2::254",
];

const NAMES = ["localhost", "LOCALHOST", "localhost.", "%6cocalhost", "ⓛocalhost", "localhost%00.example.com"];

/** One IPv4 address in the ways in which it can be written. */
function notationsOf(address: string): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const octal = (value: number): string => `0${value.toString(8)}`;
  const high = (a * 256 + b).toString(16);
  const low = (c * 256 + d).toString(16);
  const wide = address.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))).replaceAll(".", "。");
  return [
    address,
    `${address}.`,
    String(number),
    hex(number),
    hex(number).toUpperCase().replace("0X", "0x"),
    `0${number.toString(8)}`,
    [a, b, c, d].map(hex).join("."),
    [a, b, c, d].map(octal).join("."),
    `${hex(a)}.${octal(b)}.${c}.${d}`,
    `${a}.${b * 65_536 + c * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${hex(a)}.${hex(b * 65_536 + c * 256 + d)}`,
    address.replaceAll(".", "%2e"),
    wide,
    `[::ffff:${address}]`,
    `[::ffff:${high}:${low}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[::${address}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b::${high}:${low}]`,
    `[64:ff9b:1::${address}]`,
    `[2002:${high}:${low}::1]`,
    `[::ffff:0:${address}]`,
  ];
}

/** What tries to make two parsers see two hosts, or smuggles something into the request. */
function confusing(port: number): string[] {
  const host = `127.0.0.1:${port}`;
  return [
    `http://public.example@${host}/model.onnx`,
    `http://public.example:80@${host}/model.onnx`,
    `http://public.example%40${host}/model.onnx`,
    `http://public.example\\@${host}/model.onnx`,
    `http://${host}\\@public.example/model.onnx`,
    `http://${host}#@public.example/model.onnx`,
    `http://${host}?@public.example/model.onnx`,
    `http:\\\\${host}\\model.onnx`,
    `http:/${host}/model.onnx`,
    `http:${host}/model.onnx`,
    `http:///${host}/model.onnx`,
    `HTTP://${host}/model.onnx`,
    `http://${host}/a/../model.onnx`,
    `http://${host}/%2e%2e/model.onnx`,
    `http://${host}/a%0d%0aHost:%20public.example/model.onnx`,
    `http://${host}/model.onnx\r\nHost: public.example`,
    `http://${host}\t/model.onnx`,
    `http://\t${host}/model.onnx`,
    ` http://${host}/model.onnx`,
    `ht\ntp://${host}/model.onnx`,
    `http://[::1%25lo]:${port}/model.onnx`,
    `http://[::1]evil:${port}/model.onnx`,
    `gopher://${host}/model.onnx`,
    `ftp://${host}/model.onnx`,
    `ws://${host}/model.onnx`,
    `data:,${host}`,
    `//${host}/model.onnx`,
    `${host}/model.onnx`,
    `s3+http://${host}/model.onnx`,
    `jar:http://${host}/model.onnx`,
  ];
}
