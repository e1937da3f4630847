import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ServiceView } from "../console-views.ts";
import { h } from "./element.ts";
import { act } from "./api-call.ts";
import { actionTitle, consequences, type Action } from "./action-text.ts";
import { Notice } from "./parts.ts";
import { TokenForm } from "./token-form.ts";

export interface ActionDialogProps {
  readonly service: ServiceView;
  readonly kind: Action["action"];
  readonly token: string;
  readonly onToken: (token: string) => void;
  readonly onDone: (message: string) => void;
  readonly onClose: () => void;
}

/** Says what will happen, and does it when it is confirmed. */
export function ActionDialog({ service, kind, token, onToken, onDone, onClose }: ActionDialogProps): VNode {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  // As it was when the dialog opened: what comes meanwhile must not change what is confirmed.
  const [draft, setDraft] = useState(() => draftOf(service, kind));
  const [trouble, setTrouble] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  useEffect(() => {
    if (token !== "") dialog.current?.querySelector<HTMLElement>("input, button[type=submit]")?.focus();
  }, [token]);
  const action = actionOf(kind, draft);

  const confirm = async (): Promise<void> => {
    if (action === undefined || isBusy) return;
    setIsBusy(true);
    setTrouble("");
    try {
      const { message } = await act(service, action, token);
      onDone(message);
    } catch (error) {
      setTrouble(error instanceof Error ? error.message : String(error));
      setIsBusy(false);
    }
  };

  return h(
    "dialog",
    { ref: dialog, "aria-labelledby": `${id}-title`, onClose },
    h("h2", { id: `${id}-title` }, `${actionTitle(kind)}: ${service.namespace}/${service.name}`),
    token === ""
      ? h(TokenForm, { onToken, takesFocus: true })
      : h(
          "form",
          {
            onSubmit: (event: Event) => {
              event.preventDefault();
              void confirm();
            },
          },
          kind === "pin" && versionField(id, service, draft, setDraft),
          kind === "scale" && replicaFields(id, draft, setDraft),
          h(
            "div",
            { class: "consequences" },
            action === undefined
              ? h(
                  "p",
                  null,
                  kind === "pin"
                    ? "Choose a version."
                    : "Say how many: whole numbers, the greatest at least 1 and not below the least.",
                )
              : consequences(service, action).map((sentence) => h("p", { key: sentence }, sentence)),
          ),
          trouble !== "" && h(Notice, { tone: "bad" }, trouble),
          h(
            "div",
            { class: "buttons" },
            h(
              "button",
              {
                type: "submit",
                class: kind === "stop" ? "danger" : "primary",
                disabled: action === undefined || isBusy,
              },
              isBusy ? "…" : action?.action === "pin" ? `Pin version ${action.version}` : actionTitle(kind),
            ),
            trouble !== "" && h("button", { type: "button", onClick: () => onToken("") }, "Use another token"),
          ),
        ),
    h("button", { type: "button", class: "cancel", onClick: () => dialog.current?.close() }, "Cancel"),
  );
}

interface Draft {
  readonly version: string;
  readonly min: string;
  readonly max: string;
}

function draftOf(service: ServiceView, kind: Action["action"]): Draft {
  const { previousVersion, activeVersion, minReplicas, maxReplicas } = service;
  return {
    version: kind === "pin" ? String(previousVersion ?? activeVersion ?? "") : "",
    min: String(minReplicas),
    max: maxReplicas === undefined ? "" : String(maxReplicas),
  };
}

function actionOf(kind: Action["action"], { version, min, max }: Draft): Action | undefined {
  if (kind === "stop" || kind === "start" || kind === "relearn") return { action: kind };
  if (kind === "pin") {
    const number = wholeNumber(version);
    return number === undefined ? undefined : { action: "pin", version: number };
  }
  const minReplicas = wholeNumber(min);
  const maxReplicas = max.trim() === "" ? null : wholeNumber(max);
  if (minReplicas === undefined || maxReplicas === undefined) return undefined;
  if (maxReplicas !== null && (maxReplicas < 1 || maxReplicas < minReplicas)) return undefined;
  return { action: "scale", minReplicas, maxReplicas };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}

type SetDraft = (change: (draft: Draft) => Draft) => void;

function versionField(id: string, service: ServiceView, draft: Draft, setDraft: SetDraft): VNode {
  return h(
    "div",
    { class: "field" },
    h("label", { for: `${id}-version` }, "Version"),
    h("input", {
      id: `${id}-version`,
      list: `${id}-versions`,
      inputMode: "numeric",
      value: draft.version,
      autocomplete: "off",
      onInput: (event: Event) => setDraft((known) => ({ ...known, version: valueOf(event) })),
    }),
    h(
      "datalist",
      { id: `${id}-versions` },
      service.versions
        .toReversed()
        .map(({ version, isActive, isPrevious }) =>
          h(
            "option",
            { key: version, value: String(version) },
            isActive ? "active" : isPrevious ? "active before" : "",
          ),
        ),
    ),
  );
}

function replicaFields(id: string, draft: Draft, setDraft: SetDraft): VNode {
  const field = (name: "min" | "max", label: string): VNode =>
    h(
      "div",
      { class: "field" },
      h("label", { for: `${id}-${name}` }, label),
      h("input", {
        id: `${id}-${name}`,
        inputMode: "numeric",
        value: draft[name],
        autocomplete: "off",
        onInput: (event: Event) => setDraft((known) => ({ ...known, [name]: valueOf(event) })),
      }),
    );
  return h("div", { class: "fields" }, field("min", "At least"), field("max", "At most (empty: the same)"));
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLInputElement).value;
}
