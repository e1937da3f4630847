"""An ONNX model on Triton's python backend; its onnxruntime backend comes in container images only."""

import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        file = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._batches = '"max_batch_size":0' not in args["model_config"].replace(" ", "")

    def execute(self, requests):
        feeds = [
            {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}
            for request in requests
        ]
        if not self._batches or len(requests) == 1:
            return [self._response(self._session.run(self._outputs, feed)) for feed in feeds]
        # Triton has put requests together that fit each other: one run for all of them.
        rows = np.cumsum([len(feed[self._inputs[0]]) for feed in feeds])[:-1]
        together = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        columns = [np.split(value, rows) for value in self._session.run(self._outputs, together)]
        return [self._response(values) for values in zip(*columns)]

    def _response(self, values):
        tensors = [pb_utils.Tensor(name, value) for name, value in zip(self._outputs, values)]
        return pb_utils.InferenceResponse(output_tensors=tensors)
