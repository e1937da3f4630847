import express, { type Express } from "express";
import { STATE_PATH, type ReplicaReport } from "../../common/admin-api.ts";

/** What the admin port answers: the report at {@link STATE_PATH}, to GET. */
export function createAdminApp(report: () => ReplicaReport): Express {
  const app = express();
  // What is not the path itself is another path.
  app.enable("strict routing");
  app.enable("case sensitive routing");
  app.disable("x-powered-by");
  app.disable("etag");
  app.disable("query parser");
  app.use((request, response, next) => {
    // Nothing here takes a body.
    request.resume();
    response.set("cache-control", "no-store");
    next();
  });
  app
    .route(STATE_PATH)
    .get((_request, response) => void response.json(report()))
    .all((_request, response) => void response.status(405).set("allow", "GET, HEAD").json({ error: "expected GET" }));
  app.use((_request, response) => void response.status(404).json({ error: "no such path" }));
  return app;
}
