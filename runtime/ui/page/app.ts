import { h, type JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import { ModelFacts } from "./model-facts.ts";
import { ModelList } from "./model-list.ts";
import { readModel, readReplica, type ModelView, type ReplicaView } from "./replica-api.ts";
import { TryForm } from "./try-form.ts";

/** How often the replica is asked for its state while the page is looked at. */
const REFRESH_MS = 5_000;

/** A model, and the version that was chosen; without one, whichever serves. */
export interface Choice {
  readonly model: string;
  readonly version: string | undefined;
}

type Loaded<T> = { readonly value: T } | { readonly error: string };

/** All of the page. */
export function App(): JSX.Element {
  const replica = useReplica();
  const [chosen, choose] = useChoice();
  const versions = replica !== undefined && "value" in replica ? replica.value.versions : [];
  const choice = chosen ?? firstChoice(versions);
  const state = versions.map(({ name, version, state: own }) => `${name}/${version}/${own}`).join();
  const model = useModel(choice, state);
  return h(
    "div",
    { class: "page" },
    h(Header, { replica }),
    replica !== undefined && "error" in replica
      ? h("p", { class: "trouble", role: "alert" }, `${replica.error}. The page asks again every few seconds.`)
      : null,
    h(
      "div",
      { class: "columns" },
      h(ModelList, { versions, choice, onChoose: choose }),
      h(
        "main",
        {},
        choice === undefined
          ? h("p", { class: "hint" }, replica === undefined ? "Loading…" : "This replica serves no model yet.")
          : h(ModelPane, { key: `${choice.model}/${choice.version}`, choice, model }),
      ),
    ),
  );
}

function Header({ replica }: { readonly replica: Loaded<ReplicaView> | undefined }): JSX.Element {
  const view = replica !== undefined && "value" in replica ? replica.value : undefined;
  const [word, kind] =
    view === undefined
      ? [replica === undefined ? "asking" : "no answer", "bad"]
      : view.isReady
        ? ["ready", "good"]
        : ["not ready", "wait"];
  return h(
    "header",
    {},
    h("h1", {}, h("span", { class: "mark", "aria-hidden": "true" }), "Lockstep"),
    view === undefined ? null : h("span", { class: "release" }, view.release),
    h("span", { class: `badge ${kind}`, role: "status" }, word),
    h(
      "nav",
      { "aria-label": "Other pages of this replica" },
      h("a", { href: "metrics" }, "Metrics"),
      h("a", { href: "v2/models/stats" }, "Statistics"),
    ),
  );
}

function ModelPane({
  choice,
  model,
}: {
  readonly choice: Choice;
  readonly model: Loaded<ModelView> | undefined;
}): JSX.Element {
  const title = h(
    "h2",
    {},
    choice.model,
    h("small", {}, choice.version === undefined ? "the version that serves" : `version ${choice.version}`),
  );
  if (model === undefined) return h("section", {}, title, h("p", { class: "hint" }, "Loading…"));
  if ("error" in model)
    return h("section", {}, title, h("p", { class: "trouble", role: "alert" }, sentence(model.error)));
  return h("section", {}, title, h(ModelFacts, { model: model.value }), h(TryForm, { choice, model: model.value }));
}

/** The first version that answers, or whatever there is. */
function firstChoice(versions: ReplicaView["versions"]): Choice | undefined {
  const first = versions.find(({ state }) => state === "READY") ?? versions[0];
  return first === undefined ? undefined : { model: first.name, version: undefined };
}

function useReplica(): Loaded<ReplicaView> | undefined {
  const [replica, set] = useState<Loaded<ReplicaView>>();
  useEffect(() => {
    const controller = new AbortController();
    const refresh = (): void => {
      if (document.visibilityState !== "visible") return;
      void settle(readReplica(controller.signal), controller.signal, set);
    };
    refresh();
    const timer = setInterval(refresh, REFRESH_MS);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
      controller.abort();
    };
  }, []);
  return replica;
}

/** Read anew when another is chosen, and when the states of versions change. */
function useModel(choice: Choice | undefined, state: string): Loaded<ModelView> | undefined {
  const [found, set] = useState<{ readonly of: string; readonly model: Loaded<ModelView> }>();
  const { model, version } = choice ?? {};
  const wanted = JSON.stringify([model, version]);
  useEffect(() => {
    if (model === undefined) return undefined;
    const controller = new AbortController();
    void settle(readModel(model, version, controller.signal), controller.signal, (value) =>
      set({ of: wanted, model: value }),
    );
    return () => controller.abort();
  }, [wanted, state]);
  return found?.of === wanted ? found.model : undefined;
}

/** Kept in the address, so that it can be passed on: #digits or #digits/2. */
function useChoice(): [Choice | undefined, (choice: Choice) => void] {
  const [choice, set] = useState(readAddress);
  useEffect(() => {
    const follow = (): void => set(readAddress());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  const choose = useCallback(({ model, version }: Choice) => {
    location.hash = [model, ...(version === undefined ? [] : [version])].map(encodeURIComponent).join("/");
  }, []);
  return [choice, choose];
}

function readAddress(): Choice | undefined {
  try {
    const [model, version] = location.hash.slice(1).split("/").map(decodeURIComponent);
    return model === undefined || model === "" ? undefined : { model, version };
  } catch {
    return undefined;
  }
}

async function settle<T>(promise: Promise<T>, signal: AbortSignal, set: (loaded: Loaded<T>) => void): Promise<void> {
  let loaded: Loaded<T>;
  try {
    loaded = { value: await promise };
  } catch (error) {
    loaded = { error: error instanceof Error ? error.message : String(error) };
  }
  if (!signal.aborted) set(loaded);
}

function sentence(text: string): string {
  return text === "" ? text : `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}
