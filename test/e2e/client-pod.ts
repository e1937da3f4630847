import { RUNTIME_IMAGE } from "./installation.ts";
import { apply, kubectl } from "./kubectl.ts";

const NAME = "client";

/** Starts a pod from which requests can be sent as other pods of the cluster send them. */
export async function startClientPod(namespace: string): Promise<void> {
  await apply(
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: NAME },
      spec: {
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: NAME,
            image: RUNTIME_IMAGE,
            imagePullPolicy: "IfNotPresent",
            command: ["node", "-e", "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000)"],
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          },
        ],
      },
    },
    namespace,
  );
  await kubectl(["wait", "-n", namespace, "--for=condition=Ready", `pod/${NAME}`, "--timeout=60s"]);
}

const SCRIPT = `
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { url, body } = JSON.parse(text);
const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
console.log(JSON.stringify({ status: answer.status, body: await answer.text() }));
`;

/** Sends a POST request from within the cluster. */
export async function postFromPod(
  namespace: string,
  url: string,
  body: object,
): Promise<{ status: number; body: unknown }> {
  const input = JSON.stringify({ url, body: JSON.stringify(body) });
  const printed = await kubectl(
    ["exec", "-i", "-n", namespace, NAME, "--", "node", "--input-type=module", "-e", SCRIPT],
    input,
  );
  const answer = JSON.parse(printed) as { status: number; body: string };
  return { status: answer.status, body: JSON.parse(answer.body) };
}
