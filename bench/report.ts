import { cpus, release } from "node:os";
import { goalRows, type GoalRow, type Unit } from "./goals.ts";
import { LOAD_CASES } from "./load-cases.ts";
import { PEERS } from "./peers/peer.ts";
import type { Failures, LoadRound, Results } from "./results.ts";
import { ratioSpread, spreadOf, type Spread } from "./statistics.ts";

/** A table: the first row is its head. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** All tables of a run; those without a row are left out. The last one is of the goals. */
export function tablesOf(results: Results): Table[] {
  const tables = [
    ...LOAD_CASES.map(({ name }) => loadTable(results, name)),
    limitTable(results),
    startTable(results),
    latencyTable(results),
    overloadTable(results),
    decodeTable(results),
    skippedTable(results),
    goalTable(goalRows(results)),
  ];
  return tables.filter(({ rows }) => rows.length > 0);
}

/** What the figures were taken on. */
export function machineOf(): string {
  const [{ model, speed } = { model: "unknown processor", speed: 0 }, ...others] = cpus();
  return `${others.length + 1} cores of ${model.trim()} (${speed} MHz), Linux ${release()}, Node.js ${process.versions.node}`;
}

/** A page of Markdown. */
export function asMarkdown(tables: readonly Table[]): string {
  const row = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return tables
    .map(({ title, head, rows }) =>
      [`### ${title}`, "", row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n"),
    )
    .join("\n\n");
}

/** The same for a terminal. */
export function asText(tables: readonly Table[]): string {
  return tables
    .map(({ title, head, rows }) => {
      const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
      const line = (cells: readonly string[]): string =>
        cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd();
      return [title, line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
    })
    .join("\n\n");
}

/** `1/18`, `5.2x`, `93 %`, `3.1 ms`. */
export function formatFigure(value: number, unit: Unit): string {
  switch (unit) {
    case "fraction":
      return value > 0.66 ? `${significant(value)}x` : `1/${significant(1 / value)}`;
    case "times":
      return `${significant(value)}x`;
    case "share":
      return `${significant(value * 100)} %`;
    case "ms":
    case "s":
    case "MB":
      return `${significant(value)} ${unit}`;
    default:
      return unit satisfies never;
  }
}

/** The median and, if there is more than one round, how far they go. */
export function formatSpread(spread: Spread | undefined, format: (value: number) => string): string {
  if (spread === undefined) return "-";
  if (spread.min === spread.max) return format(spread.median);
  return `${format(spread.median)} (${format(spread.min)} to ${format(spread.max)})`;
}

function loadTable({ loads }: Results, name: (typeof LOAD_CASES)[number]["name"]): Table {
  const each = LOAD_CASES.find((candidate) => candidate.name === name);
  const ofCase = loads[name] ?? {};
  const own = ofCase.lockstep?.rounds ?? [];
  const rows = PEERS.flatMap((peer) => {
    const load = ofCase[peer.name];
    if (load === undefined) return [];
    const column = (figure: (round: LoadRound) => number): Spread | undefined => spreadOf(load.rounds.map(figure));
    const cpu = (round: LoadRound): number => round.cpuMsPerRequest;
    return [
      [
        load.encoding === each?.encoding ? peer.name : `${peer.name}, by ${load.encoding}`,
        formatSpread(column(cpu), (value) => value.toFixed(3)),
        peer.name === "lockstep"
          ? "1x"
          : formatSpread(ratioSpread(load.rounds.map(cpu), own.map(cpu)), (value) => `${significant(value)}x`),
        formatSpread(
          column((round) => round.requestsPerSecond),
          (value) => String(Math.round(value)),
        ),
        formatSpread(
          column((round) => round.p50Ms),
          significant,
        ),
        formatSpread(
          column((round) => round.p99Ms),
          significant,
        ),
        formatSpread(
          column((round) => round.residentBytes / 1e6),
          (value) => String(Math.round(value)),
        ),
        formatFailures(load.rounds),
      ],
    ];
  });
  const head = ["server", "CPU ms a request", "to Lockstep's", "requests/s", "p50 ms", "p99 ms", "memory MB", "failed"];
  return { title: `${name}: ${each?.title ?? ""}`, head, rows };
}

function limitTable({ limits }: Results): Table {
  const rows = Object.entries(limits).flatMap(([model, batches]) =>
    Object.entries(batches).map(([batch, rounds]) => [
      model,
      batch,
      formatSpread(spreadOf(rounds), (value) => String(Math.round(value))),
      formatSpread(spreadOf(rounds.map((rowsPerCpuSecond) => 1000 / rowsPerCpuSecond)), (value) => value.toFixed(4)),
    ]),
  );
  return {
    title: "The limit: onnxruntime alone",
    head: ["model", "rows a run", "rows per CPU second", "CPU ms a row"],
    rows,
  };
}

function startTable({ starts }: Results): Table {
  const rows = PEERS.flatMap((peer) => {
    const start = starts.mlp?.[peer.name];
    if (start === undefined || "isConstant" in peer) return [];
    return [
      [
        peer.name,
        formatSpread(spreadOf(start.startMs), (value) => String(Math.round(value))),
        formatSpread(spreadOf(start.residentBytes), (value) => String(Math.round(value / 1e6))),
      ],
    ];
  });
  return { title: "start: to the first answer, with mlp", head: ["server", "ms", "memory MB"], rows };
}

function latencyTable({ latency }: Results): Table {
  const measured = Object.entries(latency).flatMap(([name, ofCase]) =>
    Object.entries(ofCase).map(([server, rounds]) => ({ name, server, rounds })),
  );
  const rows = measured.map(({ name, server, rounds }) => [
    name,
    server,
    formatSpread(spreadOf(rounds.map((round) => round.unloadedP50Ms)), significant),
    formatSpread(spreadOf(rounds.map((round) => round.requestsPerSecond)), (value) => String(Math.round(value))),
    formatSpread(spreadOf(rounds.map((round) => round.p50Ms)), significant),
    formatSpread(spreadOf(rounds.map((round) => round.p99Ms)), significant),
    formatFailures(rounds),
  ]);
  return {
    title: "latency: each server at half of its capacity",
    head: ["case", "server", "alone, p50 ms", "requests/s", "p50 ms", "p99 ms", "failed"],
    rows,
  };
}

function overloadTable({ overload }: Results): Table {
  const rows = overload.map((round, index) => [
    String(index + 1),
    `${round.factor}x`,
    String(Math.round(round.peakPerSecond)),
    String(Math.round(round.offeredPerSecond)),
    String(Math.round(round.goodputPerSecond)),
    String(Math.round(round.rejectedPerSecond)),
    Number.isNaN(round.rejectionP99Ms) ? "-" : significant(round.rejectionP99Ms),
    significant(round.goodP99Ms),
    Number.isFinite(round.recoverySeconds) ? String(round.recoverySeconds) : "none",
    formatFailures([round]),
  ]);
  const head = [
    "measurement",
    "load",
    "peak/s",
    "offered/s",
    "answered/s",
    "rejected/s",
    "rejection p99 ms",
    "answer p99 ms",
    "recovered in second",
    "failed",
  ];
  return { title: "overload: Lockstep at several times its capacity, CNN", head, rows };
}

function decodeTable({ decode }: Results): Table {
  const rows = Object.entries(decode).map(([elements, rounds]) => {
    const [own, other] = [rounds.map((round) => round.lockstepUs), rounds.map((round) => round.jsonParseUs)];
    return [
      elements,
      formatSpread(spreadOf(own), significant),
      formatSpread(spreadOf(other), significant),
      formatSpread(ratioSpread(other, own), (value) => `${significant(value)}x`),
    ];
  });
  return {
    title: "decode: numbers in JSON to a tensor",
    head: ["numbers", "Lockstep, us", "JSON.parse and copy, us", "times as fast"],
    rows,
  };
}

function skippedTable({ skipped }: Results): Table {
  const rows = skipped.map(({ what, why }) => [what, why.split("\n")[0] ?? ""]);
  return { title: "not measured", head: ["what", "why"], rows };
}

function goalTable(goals: readonly GoalRow[]): Table {
  const rows = goals.map(({ what, formula, unit, bound, measured, isMet }) => {
    const aim = bound.aim === undefined ? "" : ` (aim ${formatFigure(bound.aim, unit)})`;
    return [
      what,
      formula,
      `${bound.kind} ${formatFigure(bound.value, unit)}${aim}`,
      formatSpread(measured, (value) => formatFigure(value, unit)),
      isMet === undefined ? "not measured" : isMet ? "yes" : "no",
    ];
  });
  return { title: "goals", head: ["what", "formula", "goal", "measured", "met"], rows };
}

/** `none`, or `3 of 503, 1 of ECONNRESET`. */
export function formatFailures(rounds: readonly { readonly failures: Failures }[]): string {
  const counts = new Map<string, number>();
  for (const { failures } of rounds) {
    for (const [kind, count] of Object.entries(failures)) counts.set(kind, (counts.get(kind) ?? 0) + count);
  }
  const texts = [...counts].map(([kind, count]) => `${count} of ${kind}`);
  return texts.length === 0 ? "none" : texts.join(", ");
}

/** Three digits that count, without an exponent. */
function significant(value: number): string {
  if (!Number.isFinite(value)) return "-";
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
