import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeAuthority, makeCertificate, type KeyPairPem } from "../../operator/metrics-api/certificates.ts";
import { provideControlPlanePrograms, type ControlPlanePrograms } from "../programs/control-plane-programs.ts";
import { freePorts } from "../programs/free-ports.ts";
import { startSupervised, type SupervisedProcess } from "../programs/supervised-process.ts";
import { callApi, type ApiAccess } from "./api-access.ts";

/** A Kubernetes API server of its own for tests: no nodes, so pods exist but never run. */
export interface ControlPlane {
  /** A kubeconfig file for a cluster administrator. */
  readonly kubeconfig: string;
  /** The same access, for requests without a client library. */
  readonly access: ApiAccess;
  /** Whether Kubernetes' own controllers run: deployments, replica sets, autoscalers, the garbage collector, ... */
  readonly hasControllerManager: boolean;
  /** The kubectl that came with the programs, if one did. */
  readonly kubectl: string | undefined;
  /** All that the API server has logged. */
  readonly apiServerLog: () => string;
  /** Signs the certificate, for {@link FRONT_PROXY_NAME}, with which the API server proves itself to servers of aggregated APIs. */
  readonly frontProxyAuthority: KeyPairPem;
  /** Kills the programs, waits for their end and removes their data. */
  readonly stop: () => Promise<void>;
}

export interface ControlPlaneOptions {
  /**
   * Whether to run kube-controller-manager; default false. It is left out where the programs do not have it: see
   * {@link ControlPlane.hasControllerManager}.
   */
  readonly controllerManager?: boolean;
  /**
   * What to do when the API server answers, before the controllers start: the garbage collector looks for new kinds every
   * half minute only, so a CustomResourceDefinition that it shall know at once belongs here.
   */
  readonly beforeControllers?: (access: ApiAccess) => Promise<void>;
}

const READY_WITHIN_MS = 60_000;
/** Common name of the API server's certificate as a client of aggregated APIs. */
export const FRONT_PROXY_NAME = "front-proxy-client";
/** A port that was free may be taken when the program asks for it. */
const ATTEMPTS = 3;

/**
 * Starts etcd, kube-apiserver and, if asked, kube-controller-manager on free ports of 127.0.0.1, with keys, data and
 * logs in a temporary folder. Several can run at a time. They end with this process even if `stop` is not called.
 * Throws an Error with the end of the program's log when one does not start.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const programs = await provideControlPlanePrograms();
  for (let attempt = 1; ; attempt++) {
    const directory = await mkdtemp(path.join(tmpdir(), "lockstep-control-plane-"));
    const processes: SupervisedProcess[] = [];
    const stop = async () => {
      await Promise.all(processes.map(async (process) => process.stop()));
      await rm(directory, { recursive: true, force: true });
    };
    try {
      return { ...(await start({ programs, directory, processes, options })), stop };
    } catch (error) {
      const isPortTaken = processes.some((process) => process.logTail().includes("address already in use"));
      await stop();
      if (!isPortTaken || attempt === ATTEMPTS) throw error;
    }
  }
}

interface Start {
  readonly programs: ControlPlanePrograms;
  readonly directory: string;
  /** Gets every process that was started, also when a later one fails. */
  readonly processes: SupervisedProcess[];
  readonly options: ControlPlaneOptions;
}

async function start({ programs, directory, processes, options }: Start): Promise<Omit<ControlPlane, "stop">> {
  const [etcdPort, peerPort, apiPort] = await freePorts(3);
  const file = (name: string) => path.join(directory, name);
  const run = (name: string, ...command: string[]) => {
    const process = startSupervised(name, command, file(`${name}.log`));
    processes.push(process);
    return process;
  };
  const controllerManagerProgram = options.controllerManager === true ? programs.controllerManager : undefined;
  const hasControllerManager = controllerManagerProgram !== undefined;
  const adminToken = randomBytes(24).toString("base64url");
  const managerToken = randomBytes(24).toString("base64url");
  const { publicKey, privateKey } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const validity = { notBefore: new Date(Date.now() - 3_600_000), notAfter: new Date(Date.now() + 30 * 86_400_000) };
  const frontProxyAuthority = makeAuthority("front-proxy-ca", validity);
  const frontProxy = makeCertificate({
    authority: frontProxyAuthority,
    commonName: FRONT_PROXY_NAME,
    use: { kind: "client" },
    validity,
  });
  await mkdir(file("certificates"));
  await Promise.all([
    writeFile(file("front-proxy-ca.crt"), frontProxyAuthority.certificatePem),
    writeFile(file("front-proxy.crt"), frontProxy.certificatePem),
    writeFile(file("front-proxy.key"), frontProxy.privateKeyPem, { mode: 0o600 }),
    writeFile(
      file("tokens.csv"),
      `${adminToken},administrator,1,"system:masters"\n${managerToken},system:kube-controller-manager,2\n`,
      { mode: 0o600 },
    ),
    writeFile(file("service-accounts.pub"), publicKey),
    writeFile(file("service-accounts.key"), privateKey, { mode: 0o600 }),
  ]);

  run(
    "etcd",
    programs.etcd,
    `--data-dir=${file("etcd")}`,
    "--unsafe-no-fsync",
    "--log-level=warn",
    `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
    `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  );
  run(
    "kube-apiserver",
    programs.apiServer,
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${apiPort}`,
    // Makes its own certificate there; kubeconfig files name it.
    `--cert-dir=${file("certificates")}`,
    `--token-auth-file=${file("tokens.csv")}`,
    "--authorization-mode=RBAC",
    "--service-cluster-ip-range=10.96.0.0/16",
    "--endpoint-reconciler-type=none",
    "--allow-privileged",
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${file("service-accounts.pub")}`,
    `--service-account-signing-key-file=${file("service-accounts.key")}`,
    // How it proves itself to servers of aggregated APIs.
    `--requestheader-client-ca-file=${file("front-proxy-ca.crt")}`,
    `--requestheader-allowed-names=${FRONT_PROXY_NAME}`,
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${file("front-proxy.crt")}`,
    `--proxy-client-key-file=${file("front-proxy.key")}`,
    // Without the controllers nobody makes service accounts.
    ...(hasControllerManager ? [] : ["--disable-admission-plugins=ServiceAccount"]),
    "--v=0",
  );
  const server = `https://127.0.0.1:${apiPort}`;
  const certificateFile = file("certificates/apiserver.crt");
  await until(processes, "the API server", async () => {
    const access = { server, token: adminToken, certificateAuthority: readFileSync(certificateFile, "utf8") };
    return (await callApi(access, "GET", "/readyz")).status === 200;
  });
  const access: ApiAccess = {
    server,
    token: adminToken,
    certificateAuthority: readFileSync(certificateFile, "utf8"),
  };
  await writeFile(file("kubeconfig"), kubeconfigText(access), { mode: 0o600 });

  await options.beforeControllers?.(access);
  if (controllerManagerProgram !== undefined) {
    await writeFile(file("controller-manager.kubeconfig"), kubeconfigText({ ...access, token: managerToken }), {
      mode: 0o600,
    });
    run(
      "kube-controller-manager",
      controllerManagerProgram,
      `--kubeconfig=${file("controller-manager.kubeconfig")}`,
      "--secure-port=0",
      "--leader-elect=false",
      "--use-service-account-credentials",
      `--root-ca-file=${certificateFile}`,
      `--service-account-private-key-file=${file("service-accounts.key")}`,
      // As on a real cluster, only quicker to notice.
      "--horizontal-pod-autoscaler-sync-period=2s",
      "--kube-api-qps=500",
      "--kube-api-burst=1000",
      "--v=0",
    );
    await until(
      processes,
      "the controller manager",
      async () => (await callApi(access, "GET", "/api/v1/namespaces/default/serviceaccounts/default")).status === 200,
    );
  }
  return {
    kubeconfig: file("kubeconfig"),
    access,
    hasControllerManager,
    kubectl: programs.kubectl,
    apiServerLog: () => readFileSync(file("kube-apiserver.log"), "utf8"),
    frontProxyAuthority,
  };
}

/** Waits until the check is true; what it throws counts as not yet. */
async function until(processes: readonly SupervisedProcess[], what: string, check: () => Promise<boolean>) {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    if (await check().catch(() => false)) return;
    const ended = processes.find((process) => !process.isRunning());
    if (ended !== undefined) throw new Error(`${ended.name} ended; its log says:\n${ended.logTail()}`);
    if (Date.now() > deadline) {
      const log = processes.at(-1)?.logTail() ?? "";
      throw new Error(`${what} was not ready within ${READY_WITHIN_MS / 1000} s; its log says:\n${log}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

/** As JSON, which is YAML too. */
function kubeconfigText(access: ApiAccess): string {
  const name = "lockstep-test";
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name,
        cluster: {
          server: access.server,
          "certificate-authority-data": Buffer.from(access.certificateAuthority).toString("base64"),
        },
      },
    ],
    users: [{ name, user: { token: access.token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
