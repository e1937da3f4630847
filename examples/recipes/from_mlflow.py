"""MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python from_mlflow.py OUT_DIR"""

import sys

import mlflow
import numpy as np
from samples import write_samples
from skl2onnx import to_onnx
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier

X, y = load_wine(return_X_y=True)
X = X.astype(np.float32)
model = RandomForestClassifier(n_estimators=20, max_depth=2, random_state=0).fit(X, y)

onnx_model = to_onnx(model, X[:1], options={"zipmap": False})

logged = mlflow.onnx.log_model(onnx_model, name="wine", registered_model_name="wine")
mlflow.MlflowClient().set_registered_model_alias("wine", "champion", logged.registered_model_version)

rows = X[::60]
write_samples(
    sys.argv[1],
    inputs={"X": rows},
    predictions={"label": model.predict(rows), "probabilities": model.predict_proba(rows).astype(np.float32)},
)
