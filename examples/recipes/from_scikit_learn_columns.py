"""python from_scikit_learn_columns.py OUT_DIR"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from samples import write_samples
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

random = np.random.default_rng(0)
flats = pd.DataFrame(
    {
        "area": random.uniform(20, 150, 500).astype(np.float32),
        "rooms": random.integers(1, 6, 500),
        "district": random.choice(["centre", "harbour", "hills"], 500),
    }
)
price = flats["area"] * flats["district"].map({"centre": 9, "harbour": 6, "hills": 4}) + 20 * flats["rooms"]
labels = np.where(price > price.median(), "dear", "cheap")

columns = make_column_transformer(
    (StandardScaler(), ["area", "rooms"]),
    (OneHotEncoder(handle_unknown="ignore"), ["district"]),
)
model = make_pipeline(columns, RandomForestClassifier(n_estimators=20, max_depth=6, random_state=0)).fit(flats, labels)

# One input for each column. None is the batch: any number of rows.
initial_types = [
    ("area", FloatTensorType([None, 1])),
    ("rooms", Int64TensorType([None, 1])),
    ("district", StringTensorType([None, 1])),
]
onnx_model = to_onnx(model, initial_types=initial_types, options={"zipmap": False})

out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
(out / "1" / "model.onnx").write_bytes(onnx_model.SerializeToString())

rows = pd.DataFrame({"area": [95.5, 40, 90], "rooms": [2, 1, 4], "district": ["harbour", "centre", "island"]})
rows = rows.astype({"area": np.float32})
write_samples(
    out,
    inputs={name: rows[[name]].to_numpy() for name in rows},
    predictions={"label": model.predict(rows), "probabilities": model.predict_proba(rows).astype(np.float32)},
)
