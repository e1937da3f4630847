"""Arrays of every datatype, with the extremes that each can hold."""

import numpy as np

ARRAYS = {
    "BOOL": np.array([True, False, True]),
    "UINT8": np.array([0, 1, 255], dtype=np.uint8),
    "UINT16": np.array([0, 1, 65535], dtype=np.uint16),
    "UINT32": np.array([0, 1, 2**32 - 1], dtype=np.uint32),
    "UINT64": np.array([0, 2**53 + 1, 2**64 - 1], dtype=np.uint64),
    "INT8": np.array([-128, 0, 127], dtype=np.int8),
    "INT16": np.array([-32768, 0, 32767], dtype=np.int16),
    "INT32": np.array([-(2**31), 0, 2**31 - 1], dtype=np.int32),
    "INT64": np.array([-(2**63), 2**53 + 1, 2**63 - 1], dtype=np.int64),
    "FP16": np.array([-65504, 0.1, 6e-8], dtype=np.float16),
    "FP32": np.array([-3.4028235e38, 0.1, 1e-45], dtype=np.float32),
    "FP64": np.array([-1.7976931348623157e308, 0.1, 5e-324], dtype=np.float64),
    "BYTES": np.array(["grüße".encode(), b"", "😀{}".encode()], dtype=np.object_),
}


def same(left, right):
    """Whether two arrays have the same shape and the same bits."""
    if left.dtype == np.object_ or right.dtype == np.object_:
        as_bytes = lambda value: value if isinstance(value, bytes) else str(value).encode()
        return left.shape == right.shape and [*map(as_bytes, left.flat)] == [*map(as_bytes, right.flat)]
    return left.shape == right.shape and left.dtype == right.dtype and left.tobytes() == right.tobytes()


def assert_same(left, right, what=""):
    assert same(left, right), f"{what}: expected {right!r}, got {left!r}"
