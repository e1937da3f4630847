/**
 * Makes install.yaml of what `helm template` wrote: the namespace comes first, which Helm leaves to its user, and the
 * labels go by which Helm knows its own objects.
 */
export function installYaml(rendered: string, namespace: string): string {
  const own = rendered
    .replaceAll(/^ *(helm\.sh\/chart|app\.kubernetes\.io\/managed-by): .*\n/gm, "")
    .replaceAll(/^# Source: .*\n/gm, "")
    .replace(/^---\n/, "");
  return `# Lockstep for \`kubectl apply -f install.yaml\`. Made from charts/lockstep by \`npm run install-yaml\`. Do not edit.
apiVersion: v1
kind: Namespace
metadata:
  name: ${namespace}
  labels:
    app.kubernetes.io/part-of: lockstep
    pod-security.kubernetes.io/enforce: restricted
---
${own}`;
}
