import { h, type JSX } from "preact";
import { outputsOf, timingSpans, type OutputView, type Score } from "./answer-view.ts";
import { shapeText } from "./model-facts.ts";
import { errorText, type RawAnswer } from "./replica-api.ts";

/** What has become of a request. */
export type Outcome =
  | { readonly kind: "waiting" }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "answered"; readonly answer: RawAnswer };

/** More of an answer is not shown as it is. */
const LONGEST_RAW = 20_000;

/** The answer to a request. */
export function AnswerPane({ outcome }: { readonly outcome: Outcome | undefined }): JSX.Element {
  return h(
    "section",
    { class: "answer", "aria-live": "polite", "aria-label": "Answer" },
    h("h3", {}, "Answer"),
    content(outcome),
  );
}

function content(outcome: Outcome | undefined): JSX.Element | JSX.Element[] {
  if (outcome === undefined)
    return h("p", { class: "hint" }, "Send the request, and the model's answer is shown here.");
  if (outcome.kind === "waiting") return h("p", { class: "hint" }, "Waiting for the answer…");
  if (outcome.kind === "failed") return h("p", { class: "trouble", role: "alert" }, `No answer: ${outcome.message}.`);
  return answered(outcome.answer);
}

function answered(answer: RawAnswer): JSX.Element[] {
  const { status, text, elapsedMs, headers } = answer;
  const isGood = status >= 200 && status < 300;
  const outputs = isGood ? outputsOf(text) : undefined;
  return [
    h(
      "p",
      { class: "summary", key: "summary" },
      h("span", { class: `badge ${isGood ? "good" : "bad"}` }, `status ${status}`),
      h("strong", { title: "From the call until the whole answer was here" }, `${elapsedMs.toFixed(1)} ms`),
      headerFact(headers, "x-lockstep-model-version", "version"),
      headerFact(headers, "x-request-id", "request"),
    ),
    h(Timing, { key: "timing", header: headers.get("server-timing") }),
    ...(isGood ? [] : [h("p", { class: "trouble", role: "alert", key: "error" }, errorText(status, text))]),
    ...(isGood && outputs === undefined
      ? [h("p", { class: "trouble", role: "alert", key: "odd" }, "The answer is not one of this protocol.")]
      : []),
    ...(outputs ?? []).map((output) => h(Output, { key: output.name, output })),
    h(
      "details",
      { key: "raw" },
      h("summary", {}, "As it came"),
      h(
        "pre",
        { tabIndex: 0, "aria-label": "The answer as it came" },
        text.length > LONGEST_RAW ? `${text.slice(0, LONGEST_RAW)}…` : text,
      ),
    ),
  ];
}

function headerFact(headers: RawAnswer["headers"], name: string, label: string): JSX.Element | null {
  const value = headers.get(name);
  return value === undefined ? null : h("span", { class: "fact" }, `${label} `, h("code", {}, value));
}

const SPAN_NAMES: Readonly<Record<string, string>> = {
  queue: "waiting for its turn",
  compute: "the model's run",
  codec: "reading and writing",
};

/** Where the time went, in the replica. */
function Timing({ header }: { readonly header: string | undefined }): JSX.Element | null {
  const spans = timingSpans(header);
  const total = spans.reduce((sum, { durationMs }) => sum + durationMs, 0);
  if (total === 0) return null;
  return h(
    "div",
    { class: "timing" },
    h(
      "div",
      { class: "bar", "aria-hidden": "true" },
      spans.map(({ name, durationMs }) =>
        h("span", {
          key: name,
          class: `span ${SPAN_NAMES[name] === undefined ? "" : name}`,
          style: { flexGrow: durationMs },
        }),
      ),
    ),
    h(
      "ul",
      { "aria-label": "Where the time went" },
      spans.map(({ name, durationMs, description }) =>
        h(
          "li",
          { key: name },
          h("span", { class: `dot ${SPAN_NAMES[name] === undefined ? "" : name}`, "aria-hidden": "true" }),
          `${SPAN_NAMES[name] ?? name} ${durationMs.toFixed(3)} ms${description === "" ? "" : `, ${description}`}`,
        ),
      ),
    ),
  );
}

function Output({ output }: { readonly output: OutputView }): JSX.Element {
  const { name, datatype, shape, rows, hidden, scores } = output;
  return h(
    "div",
    { class: "output" },
    h(
      "div",
      { class: "scroll", tabIndex: 0, role: "region", "aria-label": `Output ${name}` },
      h(
        "table",
        {},
        h("caption", {}, h("code", {}, name), h("span", { class: "hint" }, ` ${datatype}, ${shapeText(shape)}`)),
        h(
          "tbody",
          {},
          rows.map((row, index) =>
            h(
              "tr",
              { key: index },
              row.map((cell, column) => h("td", { key: column }, cell)),
            ),
          ),
        ),
      ),
    ),
    hidden > 0 ? h("p", { class: "hint" }, `and ${hidden} more elements`) : null,
    scores.length > 0 ? h(Scores, { scores, rowCount: rows.length }) : null,
  );
}

/** Shares of classes as bars. */
function Scores({ scores, rowCount }: { readonly scores: readonly Score[]; readonly rowCount: number }): JSX.Element {
  return h(
    "ol",
    { class: "scores", "aria-label": rowCount > 1 ? "Shares in the first row" : "Shares" },
    scores.map(({ index, value }) =>
      h(
        "li",
        { key: index },
        h("span", { class: "class" }, `class ${index}`),
        h("span", { class: "track", "aria-hidden": "true" }, h("span", { style: { width: `${value * 100}%` } })),
        h("span", { class: "share" }, `${(value * 100).toFixed(1)} %`),
      ),
    ),
  );
}
