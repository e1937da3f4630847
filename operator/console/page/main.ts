import { render } from "preact";
import { h } from "./element.ts";
import { App } from "./app.ts";

const root = document.querySelector("#page");
if (root !== null) {
  root.textContent = "";
  render(h(App, null), root);
}
