"""KServe's inference client over HTTP."""

import httpx
import numpy as np
from arrays import ARRAYS, assert_same
from checks import check, main
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


def client_of(protocol):
    return InferenceRESTClient(RESTConfig(protocol=protocol, retries=0))


def request_of(model, datatype, array, binary, outputs=None):
    tensor = InferInput("input", list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor], request_outputs=outputs)


@check
async def live_and_ready(address):
    client = client_of("v2")
    url = f"http://{address}"
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "rows")
    assert not await client.is_model_ready(url, "no-such-model")


@check
async def every_datatype_in_json(address):
    client = client_of("v2")
    for datatype, array in ARRAYS.items():
        # The client itself does not put FP16 into JSON.
        if datatype == "FP16":
            continue
        model = f"identity-{datatype.lower()}"
        answer = await client.infer(f"http://{address}", request_of(model, datatype, array, False), model_name=model)
        assert answer.model_name == model
        assert_same(answer.outputs[0].as_numpy(), array, datatype)


@check
async def every_datatype_in_binary(address):
    client = client_of("v2")
    for datatype, array in ARRAYS.items():
        model = f"identity-{datatype.lower()}"
        outputs = [RequestedOutput("output", parameters={"binary_data": True})]
        request = request_of(model, datatype, array, True, outputs)
        headers = {}
        answer = await client.infer(f"http://{address}", request, model_name=model, response_headers=headers)
        assert "inference-header-content-length" in headers
        assert_same(answer.outputs[0].as_numpy(), array, datatype)


@check
async def binary_for_all_outputs(address):
    client = client_of("v2")
    array = np.arange(6, dtype=np.float16)
    request = request_of("identity-fp16", "FP16", array, True)
    request.parameters = {"binary_data_output": True}
    answer = await client.infer(f"http://{address}", request, model_name="identity-fp16")
    assert_same(answer.outputs[0].as_numpy(), array)


@check
async def instances_of_v1(address):
    client = client_of("v1")
    data = {"instances": [[1, 2, 3], [4, 5, 6]]}
    assert await client.is_model_ready(f"http://{address}", "rows")
    answer = await client.infer(f"http://{address}", data, model_name="rows")
    assert answer == {"predictions": [[1, 2, 3], [4, 5, 6]]}, answer


@check
async def errors_say_what_is_wrong(address):
    client = client_of("v2")
    request = request_of("rows", "FP32", np.ones((1, 4), np.float32), False)
    for model, status, text in [("rows", 400, "expected shape"), ("no-such-model", 404, "model")]:
        try:
            await client.infer(f"http://{address}", request, model_name=model)
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == status and text in str(error), error
        else:
            raise AssertionError("expected an exception")


if __name__ == "__main__":
    main()
