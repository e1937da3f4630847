/** How an image starts node, beside what to run. */
export interface ImageStart {
  readonly variables: Readonly<Record<string, string>>;
  /** Of node. */
  readonly options: readonly string[];
}

/** Reads a target of our Dockerfile. Throws if it does not start node as expected. */
export function imageStart(dockerfile: string, target: string): ImageStart {
  const stages = dockerfile.split(/^(?=FROM )/m);
  const stage = stages.find((text) => new RegExp(`^FROM .* AS ${target}$`, "m").test(text)) ?? "";
  const variables = [...stage.matchAll(/^ENV (.*)$/gm)].flatMap(([, line = ""]) =>
    line.split(" ").map((variable): [string, string] => {
      const [name = "", value] = variable.split("=");
      if (value === undefined) throw new Error(`Dockerfile, target ${target}: expected NAME=VALUE, got ${variable}`);
      return [name, value];
    }),
  );
  const [, entrypoint] = /^ENTRYPOINT (\[.*\])$/m.exec(stage) ?? [];
  const [program, ...options] = JSON.parse(entrypoint ?? "[]") as string[];
  if (program !== "node" || options.pop()?.endsWith(".mjs") !== true)
    throw new Error(`Dockerfile, target ${target}: expected an entrypoint of node, got ${entrypoint ?? "none"}`);
  return { variables: Object.fromEntries(variables), options };
}
