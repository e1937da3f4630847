"""tritonclient over gRPC."""

import queue

import numpy as np
import tritonclient.grpc as triton
from arrays import ARRAYS, assert_same
from checks import check, main, raises


def client_of(address):
    return triton.InferenceServerClient(address)


def input_of(name, datatype, array):
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array)


@check
def live_and_ready(address):
    with client_of(address) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("rows")
        assert client.is_model_ready("version-echo", "2")
        raises("StatusCode.NOT_FOUND", "version", client.is_model_ready, "rows", "9")
        raises("StatusCode.NOT_FOUND", "model", client.is_model_ready, "no-such-model")


@check
def metadata(address):
    with client_of(address) as client:
        server = client.get_server_metadata()
        assert server.name == "lockstep" and "statistics" in server.extensions
        model = client.get_model_metadata("all-types")
        assert {tensor.datatype for tensor in model.inputs} == set(ARRAYS)
        assert all(list(tensor.shape) == [-1, -1] for tensor in model.inputs)
        assert list(client.get_model_metadata("version-echo").versions) == ["1", "2"]
        assert client.get_model_metadata("rows", as_json=True)["name"] == "rows"
        raises("StatusCode.NOT_FOUND", "model", client.get_model_metadata, "no-such-model")


@check
def config(address):
    with client_of(address) as client:
        for name in ["all-types", "rows", "fixed", "scalar", "cube", "running-sum"]:
            shapes = {tensor.name: list(tensor.shape) for tensor in client.get_model_metadata(name).inputs}
            config = client.get_model_config(name).config
            assert config.name == name and not config.model_transaction_policy.decoupled
            for tensor in config.input:
                shape = shapes[tensor.name]
                is_batched = config.max_batch_size > 0 and not tensor.optional
                dims = list(tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims)
                assert dims == (shape[1:] if is_batched else shape), (name, tensor, shape)
        assert client.get_model_config("running-sum").config.HasField("sequence_batching")


@check
def statistics_count_rows(address):
    with client_of(address) as client:
        before = client.get_inference_statistics("rows").model_stats[0].inference_count
        client.infer("rows", [input_of("input", "FP32", np.ones((5, 3), np.float32))])
        after = client.get_inference_statistics("rows").model_stats[0].inference_count
        assert after - before == 5, (before, after)
        assert {"rows", "cube"} <= {stats.name for stats in client.get_inference_statistics().model_stats}


@check
def repository(address):
    with client_of(address) as client:
        index = client.get_model_repository_index().models
        assert ("version-echo", "2", "READY") in [(model.name, model.version, model.state) for model in index]
        client.load_model("rows")
        raises("StatusCode.NOT_FOUND", "model", client.load_model, "no-such-model")
        raises("StatusCode.UNIMPLEMENTED", "InferenceService", client.unload_model, "rows")


@check
def features_that_are_off(address):
    with client_of(address) as client:
        assert len(client.get_system_shared_memory_status().regions) == 0
        assert len(client.get_cuda_shared_memory_status().regions) == 0
        client.unregister_system_shared_memory()
        raises("StatusCode.UNIMPLEMENTED", "shared memory", client.register_system_shared_memory, "region", "/key", 64)
        assert list(client.get_trace_settings().settings["trace_level"].value) == ["OFF"]


@check
def every_datatype(address):
    with client_of(address) as client:
        for datatype, array in ARRAYS.items():
            answer = client.infer(f"identity-{datatype.lower()}", [input_of("input", datatype, array)])
            assert_same(answer.as_numpy("output"), array, datatype)


@check
def all_datatypes_at_once(address):
    with client_of(address) as client:
        arrays = {datatype: array.reshape(3, 1) for datatype, array in ARRAYS.items()}
        answer = client.infer(
            "all-types",
            [input_of(datatype.lower(), datatype, array) for datatype, array in arrays.items()],
            outputs=[triton.InferRequestedOutput(f"{datatype.lower()}_out") for datatype in arrays],
            request_id="42",
        )
        assert answer.get_response().id == "42"
        for datatype, array in arrays.items():
            assert_same(answer.as_numpy(f"{datatype.lower()}_out"), array, datatype)


@check
def large_messages(address):
    with client_of(address) as client:
        array = np.arange(3_000_000, dtype=np.float32).reshape(1_000_000, 3)
        assert_same(client.infer("rows", [input_of("input", "FP32", array)]).as_numpy("output"), array)


@check
def compression(address):
    array = np.arange(9_000, dtype=np.float32).reshape(3_000, 3)
    with client_of(address) as client:
        for algorithm in ["gzip", "deflate"]:
            answer = client.infer("rows", [input_of("input", "FP32", array)], compression_algorithm=algorithm)
            assert_same(answer.as_numpy("output"), array, algorithm)


@check
def classification(address):
    with client_of(address) as client:
        array = np.array([[1, 5, 4], [9, 7, 8]], dtype=np.float32)
        outputs = [triton.InferRequestedOutput("output", class_count=2)]
        classes = client.infer("rows", [input_of("input", "FP32", array)], outputs=outputs).as_numpy("output")
        pairs = [(float(value), int(index)) for value, index in (text.decode().split(":") for text in classes.flat)]
        assert classes.shape == (2, 2) and pairs == [(5, 1), (4, 2), (9, 0), (8, 2)], pairs


@check
def requests_at_the_same_time(address):
    answers = queue.Queue()
    with client_of(address) as client:
        for index in range(32):
            array = np.full((index + 1, 3), index, np.float32)
            client.async_infer(
                "rows",
                [input_of("input", "FP32", array)],
                callback=lambda result, error, array=array: answers.put((result, error, array)),
            )
        for _ in range(32):
            result, error, array = answers.get(timeout=30)
            assert error is None, error
            assert_same(result.as_numpy("output"), array)


@check
def sequences_keep_their_state_apart(address):
    with client_of(address) as client:
        def add(value, sequence_id, **place):
            tensor = input_of("input", "FP32", np.array([[value]], np.float32))
            outputs = [triton.InferRequestedOutput("sum")]
            return client.infer("running-sum", [tensor], outputs=outputs, sequence_id=sequence_id, **place).as_numpy("sum")[0, 0]

        assert add(1, 201, sequence_start=True) == 1
        assert add(10, "triton-grpc", sequence_start=True) == 10
        assert add(2, 201) == 3
        assert add(20, "triton-grpc") == 30
        assert add(3, 201, sequence_end=True) == 6
        assert add(30, "triton-grpc", sequence_end=True) == 60


@check
def stream_with_sequences(address):
    answers = queue.Queue()
    with client_of(address) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for step in range(1, 6):
            for sequence_id in [301, 302]:
                client.async_stream_infer(
                    "running-sum",
                    [input_of("input", "FP32", np.array([[step * (sequence_id - 300)]], np.float32))],
                    outputs=[triton.InferRequestedOutput("sum")],
                    request_id=f"{sequence_id}-{step}",
                    sequence_id=sequence_id,
                    sequence_start=step == 1,
                    sequence_end=step == 5,
                )
        sums = {}
        for _ in range(10):
            result, error = answers.get(timeout=30)
            assert error is None, error
            sums[result.get_response().id] = float(result.as_numpy("sum")[0, 0])
        client.stop_stream()
        assert sums["301-5"] == 15 and sums["302-5"] == 30 and sums["302-2"] == 6, sums


@check
def stream_goes_on_after_an_error(address):
    answers = queue.Queue()
    with client_of(address) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        client.async_stream_infer("rows", [input_of("input", "FP32", np.ones((1, 4), np.float32))])
        client.async_stream_infer("rows", [input_of("input", "FP32", np.ones((1, 3), np.float32))])
        _, error = answers.get(timeout=30)
        assert error is not None and "expected shape" in error.message(), error
        result, error = answers.get(timeout=30)
        assert error is None, error
        assert_same(result.as_numpy("output"), np.ones((1, 3), np.float32))
        client.stop_stream()


@check
def errors_say_what_is_wrong(address):
    with client_of(address) as client:
        array = np.ones((1, 4), np.float32)
        invalid = "StatusCode.INVALID_ARGUMENT"
        raises(invalid, "expected shape [-1,3]", client.infer, "rows", [input_of("input", "FP32", array)])
        raises(invalid, "expected datatype FP32", client.infer, "rows", [input_of("input", "FP64", array.astype(np.float64))])
        raises("StatusCode.NOT_FOUND", "model", client.infer, "no-such-model", [input_of("input", "FP32", array)])


@check
def not_a_number(address):
    with client_of(address) as client:
        result = client.infer("logarithm", [input_of("input", "FP32", np.array([1, -1, 0], np.float32))]).as_numpy("log")
        assert result[0] == 0 and np.isnan(result[1]) and result[2] == -np.inf


if __name__ == "__main__":
    main()
