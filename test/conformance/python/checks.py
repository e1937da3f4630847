"""Runs functions marked with @check one after the other, and prints a line of JSON for each: its name and its error."""

import asyncio
import inspect
import json
import sys
import traceback

CHECKS = []


def check(function):
    """Marks a function that raises if something is wrong. It is called with the address of the server."""
    CHECKS.append(function)
    return function


def raises(status, text, function, *args, **kwargs):
    """Makes sure that a call of tritonclient fails as it should."""
    from tritonclient.utils import InferenceServerException

    try:
        function(*args, **kwargs)
    except InferenceServerException as error:
        assert error.status() == status, f"expected status {status}, got {error}"
        assert text in error.message(), f"expected {text!r}, got {error.message()!r}"
        return
    raise AssertionError("expected an exception, got none")


def main():
    address = sys.argv[1]
    for function in CHECKS:
        error = None
        try:
            if inspect.iscoroutinefunction(function):
                asyncio.run(asyncio.wait_for(function(address), 60))
            else:
                function(address)
        except BaseException:
            error = traceback.format_exc()
        name = function.__name__.replace("_", " ")
        print(json.dumps({"name": name, "error": error}), flush=True)
