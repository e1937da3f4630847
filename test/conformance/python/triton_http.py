"""tritonclient over HTTP."""

import numpy as np
import tritonclient.http as triton
from arrays import ARRAYS, assert_same
from checks import check, main, raises


def client_of(address):
    return triton.InferenceServerClient(address, concurrency=4)


def input_of(name, datatype, array, binary=True):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    return tensor.set_data_from_numpy(array, binary_data=binary)


@check
def live_and_ready(address):
    with client_of(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("rows")
        assert client.is_model_ready("version-echo", "2")
        assert not client.is_model_ready("rows", "9")
        assert not client.is_model_ready("no-such-model")


@check
def server_metadata(address):
    with client_of(address) as client:
        metadata = client.get_server_metadata()
        assert metadata["name"] == "lockstep"
        for extension in ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]:
            assert extension in metadata["extensions"], extension
        assert not any("shared_memory" in extension for extension in metadata["extensions"])


@check
def model_metadata(address):
    with client_of(address) as client:
        metadata = client.get_model_metadata("all-types")
        assert {tensor["datatype"] for tensor in metadata["inputs"]} == set(ARRAYS)
        assert all(tensor["shape"] == [-1, -1] for tensor in metadata["inputs"])
        assert metadata["platform"] == "onnx_onnxv1"
        assert client.get_model_metadata("version-echo")["versions"] == ["1", "2"]
        raises("404", "model", client.get_model_metadata, "no-such-model")


@check
def model_config_is_what_perf_analyzer_needs(address):
    with client_of(address) as client:
        for name in ["all-types", "rows", "fixed", "scalar", "cube", "running-sum"]:
            metadata, config = client.get_model_metadata(name), client.get_model_config(name)
            shapes = {tensor["name"]: tensor["shape"] for tensor in metadata["inputs"]}
            assert isinstance(config["max_batch_size"], int)
            assert config["model_transaction_policy"]["decoupled"] is False
            for tensor in config["input"]:
                shape = shapes[tensor["name"]]
                is_batched = config["max_batch_size"] > 0 and not tensor["optional"]
                if is_batched:
                    assert shape[0] == -1, (name, shape)
                dims = tensor.get("reshape", {}).get("shape", tensor["dims"])
                assert dims == (shape[1:] if is_batched else shape), (name, tensor, shape)
        assert "sequence_batching" in client.get_model_config("running-sum")
        assert client.get_model_config("fixed", "1")["max_batch_size"] == 0


@check
def statistics_count_rows(address):
    with client_of(address) as client:
        def rows():
            (stats,) = client.get_inference_statistics("rows", "1")["model_stats"]
            return stats["inference_count"], stats["inference_stats"]["success"]["count"], stats["execution_count"]

        before = rows()
        client.infer("rows", [input_of("input", "FP32", np.ones((5, 3), np.float32))])
        after = rows()
        assert after[0] - before[0] == 5, (before, after)
        assert after[1] - before[1] == 1, (before, after)
        assert after[2] - before[2] >= 1, (before, after)
        names = {stats["name"] for stats in client.get_inference_statistics()["model_stats"]}
        assert {"rows", "cube", "version-echo"} <= names
        raises("404", "model", client.get_inference_statistics, "no-such-model")


@check
def repository(address):
    with client_of(address) as client:
        index = client.get_model_repository_index()
        assert {"name": "version-echo", "version": "2", "state": "READY", "reason": ""} in index
        client.load_model("rows")
        raises("404", "model", client.load_model, "no-such-model")
        raises("501", "InferenceService", client.load_model, "rows", config="{}")
        raises("501", "InferenceService", client.unload_model, "rows")
        assert client.is_model_ready("rows")


@check
def features_that_are_off(address):
    with client_of(address) as client:
        assert client.get_system_shared_memory_status() == []
        assert client.get_cuda_shared_memory_status() == []
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()
        raises("501", "shared memory", client.register_system_shared_memory, "region", "/key", 64)
        assert client.get_trace_settings()["trace_level"] == ["OFF"]
        assert client.get_trace_settings("rows")["trace_level"] == ["OFF"]
        raises("501", "trace", client.update_trace_settings, settings={"trace_level": ["TIMESTAMPS"]})
        raises("501", "LOCKSTEP_LOG_LEVEL", client.get_log_settings)


@check
def every_datatype_in_binary(address):
    with client_of(address) as client:
        for datatype, array in ARRAYS.items():
            answer = client.infer(f"identity-{datatype.lower()}", [input_of("input", datatype, array)])
            assert_same(answer.as_numpy("output"), array, datatype)


@check
def every_datatype_in_json(address):
    with client_of(address) as client:
        # The client itself refuses to put FP16 into JSON.
        for datatype, array in ARRAYS.items():
            if datatype == "FP16":
                continue
            answer = client.infer(
                f"identity-{datatype.lower()}",
                [input_of("input", datatype, array, binary=False)],
                outputs=[triton.InferRequestedOutput("output", binary_data=False)],
            )
            assert "data" in answer.get_output("output")
            assert_same(answer.as_numpy("output"), array, datatype)


@check
def all_datatypes_at_once_half_in_binary(address):
    with client_of(address) as client:
        arrays = {datatype: array.reshape(1, 3) for datatype, array in ARRAYS.items()}
        is_binary = {datatype: index % 2 == 0 or datatype == "FP16" for index, datatype in enumerate(arrays)}
        answer = client.infer(
            "all-types",
            [input_of(datatype.lower(), datatype, array, is_binary[datatype]) for datatype, array in arrays.items()],
            outputs=[
                triton.InferRequestedOutput(f"{datatype.lower()}_out", binary_data=not is_binary[datatype] or datatype == "FP16")
                for datatype in arrays
            ],
            request_id="42",
        )
        assert answer.get_response()["id"] == "42"
        for datatype, array in arrays.items():
            assert_same(answer.as_numpy(f"{datatype.lower()}_out"), array, datatype)


@check
def compression_both_ways(address):
    array = np.arange(30_000, dtype=np.float32).reshape(10_000, 3)
    with client_of(address) as client:
        for request in [None, "gzip", "deflate"]:
            for response in [None, "gzip", "deflate"]:
                for binary in [True, False]:
                    answer = client.infer(
                        "rows",
                        [input_of("input", "FP32", array, binary)],
                        outputs=[triton.InferRequestedOutput("output", binary_data=binary)],
                        request_compression_algorithm=request,
                        response_compression_algorithm=response,
                    )
                    assert_same(answer.as_numpy("output"), array, f"{request}, {response}")


@check
def classification(address):
    with client_of(address) as client:
        array = np.array([[1, 5, 4], [9, 7, 8]], dtype=np.float32)
        for binary in [True, False]:
            answer = client.infer(
                "rows",
                [input_of("input", "FP32", array)],
                outputs=[triton.InferRequestedOutput("output", binary_data=binary, class_count=2)],
            )
            classes = answer.as_numpy("output")
            assert classes.shape == (2, 2)
            texts = [value.decode() if isinstance(value, bytes) else value for value in classes.flat]
            pairs = [(float(value), int(index)) for value, index in (text.split(":") for text in texts)]
            assert pairs == [(5, 1), (4, 2), (9, 0), (8, 2)], pairs


@check
def requests_at_the_same_time(address):
    with client_of(address) as client:
        arrays = [np.full((index + 1, 3), index, np.float32) for index in range(32)]
        handles = [client.async_infer("rows", [input_of("input", "FP32", array)]) for array in arrays]
        for handle, array in zip(handles, arrays):
            assert_same(handle.get_result().as_numpy("output"), array)


@check
def sequences_keep_their_state_apart(address):
    with client_of(address) as client:
        def add(value, sequence_id, **place):
            tensor = input_of("input", "FP32", np.array([[value]], np.float32))
            outputs = [triton.InferRequestedOutput("sum")]
            return client.infer("running-sum", [tensor], outputs=outputs, sequence_id=sequence_id, **place).as_numpy("sum")[0, 0]

        assert add(1, 101, sequence_start=True) == 1
        assert add(10, "triton-http", sequence_start=True) == 10
        assert add(2, 101) == 3
        assert add(20, "triton-http") == 30
        assert add(3, 101, sequence_end=True) == 6
        assert add(5, 101, sequence_start=True) == 5
        assert add(30, "triton-http", sequence_end=True) == 60


@check
def versions(address):
    with client_of(address) as client:
        metadata = client.get_model_metadata("version-echo")["inputs"][0]
        shape = [abs(length) for length in metadata["shape"]]
        array = np.zeros(shape, dtype=np.float32 if metadata["datatype"] == "FP32" else np.int64)
        tensors = [input_of(metadata["name"], metadata["datatype"], array)]
        answers = {version: client.infer("version-echo", tensors, model_version=version) for version in ["1", "2"]}
        for version, answer in answers.items():
            assert answer.get_response()["model_version"] == version
        raises("404", "version", client.infer, "version-echo", tensors, model_version="9")


@check
def not_a_number_in_binary_only(address):
    with client_of(address) as client:
        tensors = [input_of("input", "FP32", np.array([1, -1, 0], np.float32))]
        result = client.infer("logarithm", tensors).as_numpy("log")
        assert result[0] == 0 and np.isnan(result[1]) and result[2] == -np.inf
        outputs = [triton.InferRequestedOutput("log", binary_data=False)]
        raises("400", "binary", client.infer, "logarithm", tensors, outputs=outputs)


@check
def errors_say_what_is_wrong(address):
    with client_of(address) as client:
        array = np.ones((1, 4), np.float32)
        raises("400", "expected shape [-1,3]", client.infer, "rows", [input_of("input", "FP32", array)])
        raises("400", 'got no "input"', client.infer, "rows", [input_of("other", "FP32", array)])
        raises("400", "expected datatype FP32", client.infer, "rows", [input_of("input", "FP64", array.astype(np.float64))])
        raises("404", "model", client.infer, "no-such-model", [input_of("input", "FP32", array)])
        outputs = [triton.InferRequestedOutput("nothing")]
        raises("400", '"nothing"', client.infer, "rows", [input_of("input", "FP32", np.ones((1, 3), np.float32))], outputs=outputs)


@check
def unknown_parameters_and_hints_are_passed_over(address):
    with client_of(address) as client:
        array = np.ones((1, 3), np.float32)
        answer = client.infer(
            "rows", [input_of("input", "FP32", array)], priority=2, timeout=5_000_000, parameters={"mine": "yes", "more": 1.5}
        )
        assert_same(answer.as_numpy("output"), array)


@check
def bodies_made_and_parsed_apart_from_the_client(address):
    import urllib.request

    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    body, length = triton.InferenceServerClient.generate_request_body([input_of("input", "FP32", array)])
    request = urllib.request.Request(f"http://{address}/v2/models/rows/infer", data=body)
    request.add_header("Inference-Header-Content-Length", str(length))
    with urllib.request.urlopen(request) as response:
        header = response.headers["Inference-Header-Content-Length"]
        answer = triton.InferenceServerClient.parse_response_body(response.read(), header_length=int(header))
    assert_same(answer.as_numpy("output"), array)


if __name__ == "__main__":
    main()
