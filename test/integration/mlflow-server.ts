import path from "node:path";
import { providePython } from "../programs/python-environment.ts";
import { startStorageServer, type StorageServer } from "./storage-server.ts";

const REQUIREMENTS = path.join(import.meta.dirname, "../programs/mlflow/requirements.txt");

/** A tracking server of MLflow with its registry, which passes artifacts on. */
export interface MlflowServer extends StorageServer {
  /** Registers a new version of a model with these artifacts, as logged models are by MLflow 3; returns its number. */
  register(name: string, artifacts: Readonly<Record<string, Buffer>>): Promise<string>;
  /** Registers a version whose artifacts are somewhere else. */
  registerElsewhere(name: string, source: string): Promise<string>;
  setAlias(name: string, alias: string, version: string): Promise<void>;
}

/** Makes sure that MLflow is installed; returns the Python that has it. */
export function provideMlflow(): Promise<string> {
  return providePython({ title: "MLflow", requirements: REQUIREMENTS });
}

/** Starts the real server. It asks nobody who they are. */
export async function startMlflow(): Promise<MlflowServer> {
  const python = await provideMlflow();
  const settings = ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true"];
  const server = await startStorageServer({
    name: "mlflow",
    command: (port, directory) => [
      "env",
      "-C",
      directory,
      ...settings,
      python,
      "-m",
      "mlflow",
      "server",
      "--host=127.0.0.1",
      `--port=${port}`,
      `--backend-store-uri=sqlite:///${directory}/mlflow.db`,
      `--artifacts-destination=${directory}/artifacts`,
      "--workers=1",
    ],
    probe: "/health",
    startWithinMs: 90_000,
  });

  const call = async (path_: string, body: object): Promise<unknown> => {
    const response = await fetch(`${server.endpoint}/api/2.0/mlflow/${path_}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    // A model may be registered already.
    if (!response.ok && !text.includes("RESOURCE_ALREADY_EXISTS"))
      throw new Error(`MLflow answers to ${path_} with ${response.status}: ${text}`);
    return JSON.parse(text);
  };
  const logModel = async (name: string): Promise<{ model_id: string; artifact_uri: string }> => {
    const logged = (await call("logged-models", { experiment_id: "0", name: "model" })) as {
      model: { info: { model_id: string; artifact_uri: string } };
    };
    await call("registered-models/create", { name });
    return logged.model.info;
  };
  const createVersion = async (name: string, source: string, modelId: string): Promise<string> => {
    const created = (await call("model-versions/create", { name, source, model_id: modelId })) as {
      model_version: { version: string };
    };
    return created.model_version.version;
  };
  return {
    ...server,
    register: async (name, artifacts) => {
      const { model_id: modelId, artifact_uri: uri } = await logModel(name);
      const folder = uri.replace(/^mlflow-artifacts:\/*/, "");
      for (const [file, bytes] of Object.entries(artifacts)) {
        const address = [...folder.split("/"), ...file.split("/")].map(encodeURIComponent).join("/");
        const { ok, status } = await fetch(`${server.endpoint}/api/2.0/mlflow-artifacts/artifacts/${address}`, {
          method: "PUT",
          body: new Uint8Array(bytes),
        });
        if (!ok) throw new Error(`MLflow takes no artifact ${file}: ${status}`);
      }
      return await createVersion(name, `models:/${modelId}`, modelId);
    },
    registerElsewhere: async (name, source) => createVersion(name, source, (await logModel(name)).model_id),
    setAlias: async (name, alias, version) => void (await call("registered-models/alias", { name, alias, version })),
  };
}
