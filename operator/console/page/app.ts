import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { ListAnswer, ServiceAnswer } from "../console-views.ts";
import { h } from "./element.ts";
import { apiPath, type ApiFailure } from "./api-call.ts";
import { ListPage } from "./list-page.ts";
import { Notice } from "./parts.ts";
import { usePolled } from "./polling.ts";
import { hrefOf, parseRoute, type Route } from "./route.ts";
import { ServicePage } from "./service-page.ts";
import { TokenForm } from "./token-form.ts";

/** The console. */
export function App(): VNode {
  const route = useRoute();
  const [token, setToken] = useState("");
  const [asksToken, setAsksToken] = useState(false);
  const main = useRef<HTMLElement>(null);
  const place = hrefOf(route.page === "list" ? route : { ...route, section: "overview" });
  useFocusOnHeading(main, place);
  useEffect(() => {
    document.title = route.page === "list" ? "Lockstep" : `${route.name} · Lockstep`;
  }, [place]);

  const onToken = (text: string): void => {
    setToken(text);
    setAsksToken(false);
  };
  return h(
    "div",
    null,
    h(
      "header",
      { class: "top" },
      h(
        "a",
        {
          class: "skip",
          href: place,
          onClick: (event: Event) => {
            event.preventDefault();
            main.current?.focus();
          },
        },
        "Skip to the content",
      ),
      h(
        "a",
        { class: "brand", href: "#/" },
        h("img", { src: "/console.svg", alt: "", width: 26, height: 26 }),
        "Lockstep",
      ),
      h(
        "button",
        {
          type: "button",
          onClick: () => (token === "" ? setAsksToken(!asksToken) : onToken("")),
          "aria-expanded": token === "" ? asksToken : undefined,
        },
        token === "" ? "Use a token" : "Forget the token",
      ),
    ),
    h(
      "main",
      { ref: main, tabIndex: -1 },
      asksToken && h("div", { class: "card" }, h(TokenForm, { onToken, takesFocus: true })),
      route.page === "list" ? h(List, { token, onToken }) : h(Service, { key: place, route, token, onToken }),
    ),
  );
}

interface TokenProps {
  readonly token: string;
  readonly onToken: (token: string) => void;
}

function List({ token, onToken }: TokenProps): VNode {
  const { data, failure } = usePolled<ListAnswer>(apiPath(), token);
  return h("div", null, h(Troubles, { data, failure, onToken }), data !== undefined && h(ListPage, { answer: data }));
}

function Service({ route, token, onToken }: TokenProps & { route: Route & { page: "service" } }): VNode {
  const { data, failure, refresh } = usePolled<ServiceAnswer>(apiPath(route), token);
  return h(
    "div",
    null,
    h(Troubles, { data, failure, onToken }),
    data !== undefined && h(ServicePage, { answer: data, section: route.section, token, onToken, onChanged: refresh }),
  );
}

function Troubles(props: {
  data: { readonly staleKinds: readonly string[] } | undefined;
  failure: ApiFailure | undefined;
  onToken: (token: string) => void;
}): VNode {
  const { data, failure, onToken } = props;
  const needsToken = failure?.status === 401 || failure?.status === 403;
  return h(
    "div",
    null,
    data === undefined && failure === undefined && h("p", { class: "empty", role: "status" }, "Loading…"),
    failure !== undefined && h(Notice, { tone: "bad" }, failure.message),
    failure?.status === 404 && h("p", null, h("a", { href: "#/" }, "All InferenceServices")),
    needsToken && h("div", { class: "card" }, h(TokenForm, { onToken, takesFocus: true })),
    data !== undefined &&
      data.staleKinds.length > 0 &&
      h(Notice, { tone: "warn" }, `What the operator knows of these kinds may be old: ${data.staleKinds.join(", ")}.`),
  );
}

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = (): void => setHash(location.hash);
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  return parseRoute(hash);
}

/** After a step to another page, its heading has the focus, as a page that is loaded begins at its top. */
function useFocusOnHeading(main: { readonly current: HTMLElement | null }, place: string): void {
  const isFirst = useRef(true);
  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
      return undefined;
    }
    scrollTo(0, 0);
    const focus = (): boolean => {
      const heading = main.current?.querySelector<HTMLElement>("h1");
      heading?.focus();
      return heading !== undefined && heading !== null;
    };
    if (focus()) return undefined;
    // It comes with the data.
    const observer = new MutationObserver(() => {
      if (focus()) observer.disconnect();
    });
    if (main.current !== null) observer.observe(main.current, { childList: true, subtree: true });
    return () => observer.disconnect();
  }, [place]);
}
