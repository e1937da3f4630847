import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

/** A way to an API server that a test can break. */
export interface BreakableWay {
  /** A kubeconfig whose server is reached this way. */
  readonly kubeconfig: string;
  /**
   * `open`: as if it were not there. `refuse`: all connections are reset, new ones too. `silent`: connections stay open
   * and nothing passes any more, as behind a cable that was pulled; new ones are fine.
   */
  set(mode: "open" | "refuse" | "silent"): void;
  stop(): Promise<void>;
}

/** Puts a TCP proxy on 127.0.0.1 before the server of a kubeconfig. */
export async function breakableWay(kubeconfigFile: string): Promise<BreakableWay> {
  const config = JSON.parse(readFileSync(kubeconfigFile, "utf8")) as { clusters: { cluster: { server: string } }[] };
  const cluster = config.clusters[0]?.cluster;
  if (cluster === undefined) throw new Error("expected a cluster in the kubeconfig");
  const target = new URL(cluster.server);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isRefusing = false;

  const server = createServer((inward) => {
    const outward = connect(Number(target.port), target.hostname);
    const pair = [inward, outward] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    if (isRefusing) {
      inward.resetAndDestroy();
      return;
    }
    inward.pipe(outward);
    outward.pipe(inward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cluster.server = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const directory = mkdtempSync(path.join(tmpdir(), "lockstep-way-"));
  const kubeconfig = path.join(directory, "kubeconfig");
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 });

  return {
    kubeconfig,
    set: (mode) => {
      isRefusing = mode === "refuse";
      if (mode === "refuse") for (const [inward] of pairs) inward.resetAndDestroy();
      if (mode !== "silent") return;
      for (const [inward, outward] of pairs) {
        inward.unpipe(outward).pause();
        outward.unpipe(inward).pause();
      }
    },
    stop: async () => {
      for (const [inward] of pairs) inward.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      rmSync(directory, { recursive: true });
    },
  };
}
