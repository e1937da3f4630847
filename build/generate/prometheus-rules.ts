import { dump } from "js-yaml";
import type { Alert, RuleGroup } from "../monitoring/rule-table.ts";
import { code, notice, table } from "./markdown.ts";

const PAGE = "docs/alerts.md";

/** Makes a file of rules as Prometheus reads it. `sources` are named at its top. */
export function prometheusRules(groups: readonly RuleGroup[], sources: readonly string[]): string {
  const document = {
    groups: groups.map(({ name, recordings, alerts }) => ({
      name,
      rules: [...recordings.map((rule) => ({ ...rule })), ...alerts.map(alertRule)],
    })),
  };
  return `# Generated from ${sources.join(" and ")} by \`npm run generate\`. Do not edit.
${dump(document, { lineWidth: -1, quoteStyle: "double" })}`;
}

function alertRule({ name, expr, for: forText, severity, summary, description }: Alert): object {
  return {
    alert: name,
    expr,
    for: forText,
    labels: { severity },
    annotations: { summary, description, runbook: `${PAGE}#${name.toLowerCase()}` },
  };
}

/** Makes docs/alerts.md, with a heading for each alert. */
export function alertsPage(groups: readonly RuleGroup[], source: string): string {
  const alerts = groups.flatMap((group) => group.alerts);
  const rows = alerts.map(({ name, severity, for: forText, when }) => [
    `[${name}](#${name.toLowerCase()})`,
    severity,
    forText,
    when,
  ]);
  return `${notice(source)}

# Alerts

What the alerts of Lockstep mean, and what to do. [Monitoring](monitoring-stack.md) says how to install them. \`critical\` wants somebody to look
now, \`warning\` today.

${table(["Alert", "Severity", "After", "When"], rows)}

${alerts.map(section).join("\n")}
## Recorded series

Alerts are made of these; they are cheap to use on dashboards of your own.

${table(
  ["Series", "Expression"],
  groups.flatMap(({ recordings }) =>
    recordings.map(({ record, expr }) => [code(record), code(expr.replaceAll(/\s*\n\s*/g, " "))]),
  ),
)}
`;
}

function section({ name, expr, meaning, steps }: Alert): string {
  return `## ${name}

${meaning}

${steps.map((step, index) => `${index + 1}. ${step}`).join("\n")}

\`\`\`promql
${expr}
\`\`\`
`;
}
