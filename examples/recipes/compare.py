"""python compare.py URL OUT_DIR: asks a server for the predictions that a framework made, and says how far they are off."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

LARGEST_DIFFERENCE = 1e-4
# Of what is nearly 0, digits mean nothing.
SMALLEST = 1e-2


def difference(answered, predicted):
    """0 for equal values, otherwise the difference relative to the prediction; without numbers it is infinite."""
    if answered == predicted:
        return 0.0
    if isinstance(answered, (int, float)) and isinstance(predicted, (int, float)):
        return abs(answered - predicted) / max(abs(predicted), SMALLEST)
    return float("inf")


def ask(url, request):
    body = json.dumps(request).encode()
    headers = {"content-type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/infer", body, headers), timeout=60) as response:
            return {output["name"]: output for output in json.load(response)["outputs"]}
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answers with {error.code}: {error.read().decode()}")
    except urllib.error.URLError as error:
        sys.exit(f"{url} cannot be asked: {error.reason}")


url, folder = sys.argv[1:]
sample = json.loads((Path(folder) / "samples.json").read_text())["1"]
answer = ask(url, sample["request"])
worst = 0.0
for predicted in sample["outputs"]:
    answered = answer[predicted["name"]]
    frame = [predicted["datatype"], predicted["shape"]]
    if [answered["datatype"], answered["shape"]] != frame:
        sys.exit(f"{predicted['name']}: expected {frame}, got {[answered['datatype'], answered['shape']]}")
    largest = max(map(difference, answered["data"], predicted["data"]))
    print(f"{predicted['name']}: {len(predicted['data'])} values,", "equal" if largest == 0 else f"within {largest:.0e}")
    worst = max(worst, largest)
sys.exit(0 if worst <= LARGEST_DIFFERENCE else "the server does not answer what the framework predicted")
