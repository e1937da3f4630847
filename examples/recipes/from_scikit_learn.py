"""python from_scikit_learn.py OUT_DIR"""

import sys
from pathlib import Path

import numpy as np
from samples import write_samples
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)

onnx_model = to_onnx(model, X[:1], options={"zipmap": False})

out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
(out / "1" / "model.onnx").write_bytes(onnx_model.SerializeToString())

rows = X[::50]
write_samples(
    out,
    inputs={"X": rows},
    predictions={"label": model.predict(rows), "probabilities": model.predict_proba(rows).astype(np.float32)},
)
