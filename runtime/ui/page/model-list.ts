import { h, type JSX } from "preact";
import type { Choice } from "./app.ts";
import type { VersionEntry } from "./replica-api.ts";

/** The models with their versions, to choose from. */
export function ModelList({
  versions,
  choice,
  onChoose,
}: {
  readonly versions: readonly VersionEntry[];
  readonly choice: Choice | undefined;
  readonly onChoose: (choice: Choice) => void;
}): JSX.Element {
  const models = [...new Set(versions.map(({ name }) => name))];
  return h(
    "nav",
    { class: "models", "aria-label": "Models" },
    models.map((name) =>
      h(
        "div",
        { class: "model", key: name },
        h(
          "button",
          {
            type: "button",
            "aria-current": choice?.model === name && choice.version === undefined ? "true" : undefined,
            onClick: () => onChoose({ model: name, version: undefined }),
          },
          name,
        ),
        h(
          "ul",
          {},
          versions
            .filter((entry) => entry.name === name)
            .map((entry) => h("li", { key: entry.version ?? "" }, h(Version, { entry, choice, onChoose }))),
        ),
      ),
    ),
  );
}

function Version({
  entry: { name, version, state, reason },
  choice,
  onChoose,
}: {
  readonly entry: VersionEntry;
  readonly choice: Choice | undefined;
  readonly onChoose: (choice: Choice) => void;
}): JSX.Element {
  if (version === undefined) return h("span", { class: "hint" }, reason);
  const kind = state === "READY" ? "good" : state === "UNAVAILABLE" ? "bad" : "wait";
  return h(
    "div",
    {},
    h(
      "button",
      {
        type: "button",
        class: "version",
        "aria-current": choice?.model === name && choice.version === version ? "true" : undefined,
        onClick: () => onChoose({ model: name, version }),
      },
      `version ${version}`,
      h("span", { class: `badge ${kind}` }, state.toLowerCase()),
    ),
    reason === "" ? null : h("p", { class: "reason" }, reason),
  );
}
