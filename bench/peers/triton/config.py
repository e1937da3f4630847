"""Prints Triton's configuration of an ONNX model: config.py MODEL_FILE MAX_BATCH_SIZE"""

import sys

import onnxruntime

TYPES = {"tensor(float)": "TYPE_FP32", "tensor(double)": "TYPE_FP64", "tensor(int64)": "TYPE_INT64", "tensor(int32)": "TYPE_INT32"}

file, max_batch_size = sys.argv[1], int(sys.argv[2])
session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
tensors = session.get_inputs() + session.get_outputs()
if not all(tensor.shape and not isinstance(tensor.shape[0], int) for tensor in tensors):
    # Rows can only be put together where the first dimension of every tensor is the batch.
    max_batch_size = 0
if max_batch_size == 0 and not all(tensor.shape for tensor in tensors):
    sys.exit("Triton has no scalars, unless it batches")


def tensor(value):
    dims = [dim if isinstance(dim, int) else -1 for dim in value.shape]
    if max_batch_size > 0:
        dims = dims[1:]
    # Triton has no scalars: they are vectors of one element, reshaped.
    reshape = "" if dims else " reshape: { shape: [] }"
    return f'  {{ name: "{value.name}" data_type: {TYPES[value.type]} dims: {dims or [1]}{reshape} }}'


print('backend: "python"')
print(f"max_batch_size: {max_batch_size}")
print("input [\n" + ",\n".join(map(tensor, session.get_inputs())) + "\n]")
print("output [\n" + ",\n".join(map(tensor, session.get_outputs())) + "\n]")
print("instance_group [{ kind: KIND_CPU count: 1 }]")
if max_batch_size > 0:
    print("dynamic_batching { }")
