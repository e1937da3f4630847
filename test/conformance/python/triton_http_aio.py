"""tritonclient over HTTP, with asyncio."""

import asyncio

import numpy as np
import tritonclient.http.aio as triton
from arrays import ARRAYS, assert_same
from checks import check, main
from tritonclient.utils import InferenceServerException


def input_of(name, datatype, array, binary=True):
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


@check
async def metadata(address):
    async with triton.InferenceServerClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("rows")
        assert (await client.get_server_metadata())["name"] == "lockstep"
        assert (await client.get_model_metadata("rows"))["inputs"][0]["shape"] == [-1, 3]
        assert (await client.get_model_config("rows"))["name"] == "rows"
        assert (await client.get_inference_statistics("rows"))["model_stats"][0]["name"] == "rows"
        assert any(entry["name"] == "rows" for entry in await client.get_model_repository_index())
        await client.load_model("rows")


@check
async def every_datatype_in_binary_and_in_json(address):
    async with triton.InferenceServerClient(address) as client:
        for datatype, array in ARRAYS.items():
            for binary in [True] if datatype == "FP16" else [True, False]:
                answer = await client.infer(
                    f"identity-{datatype.lower()}",
                    [input_of("input", datatype, array, binary)],
                    outputs=[triton.InferRequestedOutput("output", binary_data=binary)],
                )
                assert_same(answer.as_numpy("output"), array, datatype)


@check
async def compression(address):
    array = np.arange(9_000, dtype=np.float32).reshape(3_000, 3)
    async with triton.InferenceServerClient(address) as client:
        for algorithm in ["gzip", "deflate"]:
            answer = await client.infer(
                "rows",
                [input_of("input", "FP32", array)],
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm,
            )
            assert_same(answer.as_numpy("output"), array, algorithm)


@check
async def many_at_the_same_time(address):
    async with triton.InferenceServerClient(address) as client:
        arrays = [np.full((index % 5 + 1, 3), index, np.float32) for index in range(100)]
        answers = await asyncio.gather(*(client.infer("rows", [input_of("input", "FP32", array)]) for array in arrays))
        for answer, array in zip(answers, arrays):
            assert_same(answer.as_numpy("output"), array)


@check
async def errors(address):
    async with triton.InferenceServerClient(address) as client:
        try:
            await client.infer("rows", [input_of("input", "FP32", np.ones((1, 4), np.float32))])
        except InferenceServerException as error:
            assert error.status() == "400" and "expected shape" in error.message(), error
        else:
            raise AssertionError("expected an exception")


if __name__ == "__main__":
    main()
