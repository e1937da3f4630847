"""python from_xgboost.py OUT_DIR"""

import sys
from pathlib import Path

import numpy as np
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from samples import write_samples
from sklearn.datasets import load_diabetes

X, y = load_diabetes(return_X_y=True)
X = X.astype(np.float32)
model = xgboost.XGBRegressor(n_estimators=50, max_depth=4).fit(X, y)

onnx_model = convert_xgboost(model, initial_types=[("input", FloatTensorType([None, X.shape[1]]))])

out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
(out / "1" / "model.onnx").write_bytes(onnx_model.SerializeToString())

rows = X[:3]
write_samples(out, inputs={"input": rows}, predictions={"variable": model.predict(rows).reshape(-1, 1)})
