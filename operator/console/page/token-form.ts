import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { h } from "./element.ts";

/** Asks for a token of the cluster. It stays in the page's memory, and goes when the page does. */
export function TokenForm({ onToken, takesFocus }: { onToken: (token: string) => void; takesFocus?: boolean }): VNode {
  const id = useId();
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (takesFocus === true) field.current?.focus();
  }, []);
  return h(
    "form",
    {
      class: "token-form",
      onSubmit: (event: Event) => {
        event.preventDefault();
        if (text.trim() !== "") onToken(text.trim());
      },
    },
    h("label", { for: id }, "Token of the cluster"),
    h("input", {
      id,
      type: "password",
      value: text,
      autocomplete: "off",
      spellcheck: false,
      required: true,
      ref: field,
      "aria-describedby": `${id}-hint`,
      onInput: (event: Event) => setText((event.currentTarget as HTMLInputElement).value),
    }),
    h("button", { type: "submit", class: "primary" }, "Use this token"),
    h(
      "p",
      { id: `${id}-hint`, class: "quiet" },
      "Such as kubectl create token SERVICE_ACCOUNT --duration 1h prints. It is kept in this page's memory alone, and what you do is done with its rights, not with the operator's.",
    ),
  );
}
