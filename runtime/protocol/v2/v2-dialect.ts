import { checkRequest } from "../check-request.ts";
import type { Dialect } from "../dialect.ts";
import { checkJsonHead } from "../media-type.ts";
import { readInferRequest } from "./infer-request-json.ts";
import { writeInferResponse } from "./infer-response-json.ts";

/** The Open Inference Protocol v2 in JSON. */
export const V2_DIALECT: Dialect = {
  name: "v2",
  protocol: "v2",
  checkHead: checkJsonHead,
  prepare: ({ body }, { signature }) => {
    const request = readInferRequest(body);
    const { id } = request;
    return {
      ...checkRequest(request, signature),
      writeAnswer: ({
        servable: {
          id: { name, version },
        },
        outputs,
      }) => ({
        body: writeInferResponse({ model: name, version, id, outputs }),
      }),
    };
  },
};
