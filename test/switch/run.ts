import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { FAULTS } from "./faults.ts";

/** `npm run test:switch`: the history checker for as long as one likes. */
const HELP = `Switches versions back to back under load and faults, and checks what the clients saw.

  npm run test:switch                                       30 switches, 3 replicas, 16 clients
  npm run test:switch -- --switches 1000 --requests 1000000 --replicas 5 --clients 64 --seed 7

  --seed N          which faults strike when and whom (default 1)
  --switches N      how often the version is changed
  --requests N      at least so many
  --replicas N      processes that serve
  --clients N       clients, each waiting for its answer
  --pause-ms N      of each client, between two requests (default 5)
  --faults NAMES    with commas, all or none: ${Object.keys(FAULTS).join(", ")}
  --fault-share N   share of the switches that are struck (default 0.3)
  --consistency X   Strict or Eventual; Eventual is expected to fail: it promises less
`;

const names = [
  "seed",
  "switches",
  "requests",
  "replicas",
  "clients",
  "pause-ms",
  "faults",
  "fault-share",
  "consistency",
];
const { values } = parseArgs({
  options: {
    help: { type: "boolean" },
    ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  },
});
if (values["help"] === true) {
  process.stdout.write(HELP);
  process.exit(0);
}
const variables = Object.entries(values as Record<string, string>).map(([name, value]) => [
  `LOCKSTEP_SWITCH_${name.toUpperCase().replaceAll("-", "_")}`,
  value,
]);
const { status } = spawnSync(
  "npx",
  ["vitest", "run", "--project", "integration", "test/integration/switch-faults.test.ts"],
  {
    stdio: "inherit",
    env: { ...process.env, LOCKSTEP_SWITCH_TELL: "yes", ...(Object.fromEntries(variables) as Record<string, string>) },
  },
);
process.exitCode = status ?? 1;
