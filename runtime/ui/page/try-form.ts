import { h, type JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { AnswerPane, type Outcome } from "./answer-pane.ts";
import type { Choice } from "./app.ts";
import { curlLine, LONGEST_INLINE } from "./curl-line.ts";
import { InputEditor } from "./input-editor.ts";
import { infer, modelPath, type ModelView, type RawAnswer } from "./replica-api.ts";
import { draftOf, requestOf, type InputDraft } from "./request-draft.ts";

type Mode = "inputs" | "json";

/** Asks a model, and shows what it says. */
export function TryForm({ choice, model }: { readonly choice: Choice; readonly model: ModelView }): JSX.Element {
  const signature = JSON.stringify(model.inputs);
  const [drafts, setDrafts] = useState<readonly InputDraft[]>(() => draftOf(model.inputs));
  const [mode, setMode] = useState<Mode>("inputs");
  const [json, setJson] = useState("");
  const [outcome, setOutcome] = useState<Outcome>();
  const sending = useRef<AbortController | undefined>(undefined);
  useEffect(() => {
    setDrafts(draftOf(model.inputs));
    setMode("inputs");
  }, [signature]);
  useEffect(() => () => sending.current?.abort(), []);

  const request = useMemo(() => requestOf(drafts), [drafts]);
  const problems = "problems" in request && mode === "inputs" ? request.problems : NO_PROBLEMS;
  const body = mode === "json" ? json : "body" in request ? request.body : undefined;
  const path = `${modelPath(choice.model, choice.version)}/infer`;

  const send = async (): Promise<void> => {
    if (body === undefined) return;
    sending.current?.abort();
    const controller = new AbortController();
    sending.current = controller;
    setOutcome({ kind: "waiting" });
    const next = await outcomeOf(infer(path, body, controller.signal));
    if (!controller.signal.aborted) setOutcome(next);
  };
  const change = (index: number, draft: InputDraft): void =>
    setDrafts((all) => all.map((own, at) => (at === index ? draft : own)));
  const switchTo = (next: Mode): void => {
    if (next === "json" && "body" in request) setJson(request.body);
    setMode(next);
  };

  return h(
    "div",
    { class: "try" },
    h(
      "form",
      {
        "aria-label": `Try ${choice.model}`,
        onSubmit: (event: Event) => {
          event.preventDefault();
          void send();
        },
        onKeyDown: (event: KeyboardEvent) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          void send();
        },
      },
      h("h3", {}, "Try it"),
      h(
        "fieldset",
        { class: "modes" },
        h("legend", { class: "unseen" }, "How to write the request"),
        modeOption("inputs", "Inputs", mode, switchTo, false),
        modeOption("json", "Whole request", mode, switchTo, !("body" in request)),
      ),
      mode === "inputs"
        ? drafts.map((draft, index) =>
            h(InputEditor, {
              key: draft.spec.name,
              draft,
              problem: problems.get(draft.spec.name),
              onChange: (next: InputDraft) => change(index, next),
            }),
          )
        : h(
            "label",
            { class: "whole" },
            h("span", {}, "Request"),
            h("textarea", {
              rows: 12,
              spellcheck: false,
              value: json,
              onInput: (event: Event) => setJson((event.currentTarget as HTMLTextAreaElement).value),
            }),
          ),
      h(
        "div",
        { class: "send" },
        h("button", { type: "submit", class: "primary", disabled: body === undefined }, "Send"),
        h("span", { class: "hint" }, h("kbd", {}, "Ctrl"), " + ", h("kbd", {}, "Enter"), " sends, too"),
      ),
    ),
    h(AnswerPane, { outcome }),
    body === undefined ? null : h(Curl, { path, body }),
  );
}

async function outcomeOf(promise: Promise<RawAnswer>): Promise<Outcome> {
  try {
    return { kind: "answered", answer: await promise };
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

const NO_PROBLEMS: ReadonlyMap<string, string> = new Map();

function modeOption(
  mode: Mode,
  label: string,
  current: Mode,
  onChoose: (mode: Mode) => void,
  disabled: boolean,
): JSX.Element {
  return h(
    "label",
    {},
    h("input", {
      type: "radio",
      name: "mode",
      value: mode,
      checked: mode === current,
      disabled,
      onChange: () => onChoose(mode),
    }),
    h("span", {}, label),
  );
}

function Curl({ path, body }: { readonly path: string; readonly body: string }): JSX.Element {
  const [copied, setCopied] = useState("");
  const text = useRef<HTMLPreElement>(null);
  const line = curlLine(new URL(path, document.baseURI).href, body);
  useEffect(() => setCopied(""), [line]);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(line);
      setCopied("copied");
    } catch {
      // Browsers let pages of plain HTTP write nothing there, but select.
      if (text.current !== null) getSelection()?.selectAllChildren(text.current);
      setCopied("selected: copy it with the keyboard");
    }
  };
  return h(
    "details",
    { class: "curl" },
    h("summary", {}, "The same with curl"),
    h("pre", { ref: text, tabIndex: 0, "aria-label": "Command" }, line),
    h("button", { type: "button", onClick: () => void copy() }, "Copy"),
    body.length > LONGEST_INLINE ? h(Download, { body }) : null,
    h("span", { class: "hint", role: "status" }, copied),
  );
}

/** The request as a file, where it is too long for a command. */
function Download({ body }: { readonly body: string }): JSX.Element {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([body], { type: "application/json" }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [body]);
  return h("a", { class: "button", href: url, download: "request.json" }, "Save request.json");
}
