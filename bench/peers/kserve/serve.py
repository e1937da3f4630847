"""An ONNX model on the KServe SDK: a custom predictor, as its documentation shows."""

import argparse
import logging
import os

import onnxruntime
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer, model_server
from kserve.utils.numpy_codec import from_np_dtype
from kserve.utils.utils import generate_uuid


class OnnxModel(Model):
    def __init__(self, name: str, file: str):
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.ready = True

    async def predict(self, payload: InferRequest, headers=None, response_headers=None) -> InferResponse:
        feeds = {tensor.name: tensor.as_numpy() for tensor in payload.inputs}
        values = self._session.run(self._outputs, feeds)
        outputs = []
        for name, value in zip(self._outputs, values):
            output = InferOutput(name=name, shape=list(value.shape), datatype=from_np_dtype(value.dtype))
            output.set_data_from_numpy(value, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return InferResponse(
            # The SDK answers no request without one.
            response_id=payload.id or generate_uuid(),
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


parser = argparse.ArgumentParser(parents=[model_server.parser])
parser.add_argument("--model_file", required=True)
args = parser.parse_args()
server = ModelServer()
# As it comes the SDK writes two lines for each request.
if os.environ.get("QUIET") == "1":
    for name in ("uvicorn.access", "kserve", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
server.start([OnnxModel(args.model_name, args.model_file)])
