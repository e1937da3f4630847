"""tritonclient over gRPC, with asyncio."""

import asyncio

import numpy as np
import tritonclient.grpc.aio as triton
from arrays import ARRAYS, assert_same
from checks import check, main
from tritonclient.utils import InferenceServerException


def input_of(name, datatype, array):
    return triton.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array)


@check
async def metadata(address):
    async with triton.InferenceServerClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("rows")
        assert (await client.get_server_metadata()).name == "lockstep"
        assert (await client.get_model_config("rows")).config.name == "rows"
        assert (await client.get_inference_statistics("rows")).model_stats[0].name == "rows"


@check
async def every_datatype(address):
    async with triton.InferenceServerClient(address) as client:
        for datatype, array in ARRAYS.items():
            answer = await client.infer(f"identity-{datatype.lower()}", [input_of("input", datatype, array)])
            assert_same(answer.as_numpy("output"), array, datatype)


@check
async def many_at_the_same_time(address):
    async with triton.InferenceServerClient(address) as client:
        arrays = [np.full((index % 5 + 1, 3), index, np.float32) for index in range(100)]
        answers = await asyncio.gather(*(client.infer("rows", [input_of("input", "FP32", array)]) for array in arrays))
        for answer, array in zip(answers, arrays):
            assert_same(answer.as_numpy("output"), array)


@check
async def stream(address):
    async def requests():
        for step in range(1, 6):
            yield {
                "model_name": "running-sum",
                "inputs": [input_of("input", "FP32", np.array([[step]], np.float32))],
                "outputs": [triton.InferRequestedOutput("sum")],
                "sequence_id": 401,
                "sequence_start": step == 1,
                "sequence_end": step == 5,
            }

    async with triton.InferenceServerClient(address) as client:
        sums = []
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            sums.append(float(result.as_numpy("sum")[0, 0]))
        assert sums == [1, 3, 6, 10, 15], sums


@check
async def errors(address):
    async with triton.InferenceServerClient(address) as client:
        try:
            await client.infer("rows", [input_of("input", "FP32", np.ones((1, 4), np.float32))])
        except InferenceServerException as error:
            assert "expected shape" in error.message(), error
        else:
            raise AssertionError("expected an exception")


if __name__ == "__main__":
    main()
