/** Parts of the page of an InferenceService. */
export const SECTIONS = ["overview", "traffic", "replicas", "drift", "history"] as const;
export type Section = (typeof SECTIONS)[number];

/** Where in the console one is: it stands behind the `#` of the address. */
export type Route =
  | { readonly page: "list" }
  | { readonly page: "service"; readonly namespace: string; readonly name: string; readonly section: Section };

/** Reads the part of an address from `#` on; what is not understood is the list. */
export function parseRoute(hash: string): Route {
  const [first, namespace, name, section = "overview"] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (first !== "services" || !namespace || !name) return { page: "list" };
  return { page: "service", namespace, name, section: SECTIONS.find((each) => each === section) ?? "overview" };
}

/** The address of a place in the console. */
export function hrefOf(route: Route): string {
  if (route.page === "list") return "#/";
  const { namespace, name, section } = route;
  const path = ["services", namespace, name, ...(section === "overview" ? [] : [section])];
  return `#/${path.map(encodeURIComponent).join("/")}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
