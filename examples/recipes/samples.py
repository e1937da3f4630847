"""Keeps what a framework predicted beside the model, to compare it with what the replica answers."""

import json
from pathlib import Path

import numpy as np

DATATYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "bool": "BOOL"}


def tensor(name, values):
    """An array as the Open Inference Protocol writes it in JSON; what is no number is a text."""
    array = np.asarray(values)
    datatype = DATATYPES.get(array.dtype.name, "BYTES")
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def write_samples(folder, inputs, predictions):
    """Writes samples.json, which lies beside the versions of a model: a request, and the outputs that it should get."""
    sample = {
        "request": {"inputs": [tensor(name, values) for name, values in inputs.items()]},
        "outputs": [tensor(name, values) for name, values in predictions.items()],
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples.json").write_text(json.dumps({"1": sample}))
