"""KServe's inference client over gRPC."""

import grpc
import numpy as np
from arrays import ARRAYS, assert_same
from checks import check, main
from kserve import InferenceGRPCClient, InferInput, InferRequest


def request_of(model, datatype, array, binary):
    tensor = InferInput("input", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor])


@check
async def live_and_ready(address):
    async with InferenceGRPCClient(address, retries=0) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("rows")


@check
async def every_datatype_in_raw_and_typed_contents(address):
    async with InferenceGRPCClient(address, retries=0) as client:
        for datatype, array in ARRAYS.items():
            # Typed contents have no FP16.
            for binary in [True] if datatype == "FP16" else [True, False]:
                model = f"identity-{datatype.lower()}"
                answer = await client.infer(request_of(model, datatype, array, binary))
                assert_same(answer.outputs[0].as_numpy(), array, f"{datatype}, binary: {binary}")


@check
async def errors_say_what_is_wrong(address):
    async with InferenceGRPCClient(address, retries=0) as client:
        try:
            await client.infer(request_of("rows", "FP32", np.ones((1, 4), np.float32), True))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert "expected shape" in error.details(), error
        else:
            raise AssertionError("expected an exception")


if __name__ == "__main__":
    main()
