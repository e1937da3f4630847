"""python from_lightgbm.py OUT_DIR"""

import sys
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from samples import write_samples

random = np.random.default_rng(0)
rides = pd.DataFrame({"temperature": random.uniform(-10, 30, 1000), "hour": random.integers(0, 24, 1000)})
rides = rides.astype({"temperature": np.float32, "hour": "category"})
busy = rides["hour"].isin([7, 8, 17, 18]) & (rides["temperature"] > 5)
model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(rides, busy.astype(int))

onnx_model = convert_lightgbm(model, initial_types=[("input", FloatTensorType([None, 2]))], zipmap=False)
# The converter says [1] of the labels' shape. There is one for each row, and requests are run together only if it says so.
onnx_model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "rows"

out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
(out / "1" / "model.onnx").write_bytes(onnx_model.SerializeToString())

rows = pd.DataFrame({"temperature": [20, 20, -5], "hour": [8, 3, 8]}).astype(rides.dtypes)
write_samples(
    out,
    inputs={"input": rows.to_numpy(np.float32)},
    predictions={"label": model.predict(rows), "probabilities": model.predict_proba(rows).astype(np.float32)},
)
