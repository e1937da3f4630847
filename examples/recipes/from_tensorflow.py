"""python from_tensorflow.py OUT_DIR"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from samples import write_samples

keras.utils.set_random_seed(0)
x = np.linspace(-3, 3, 1000, dtype=np.float32).reshape(-1, 1)
model = keras.Sequential([keras.layers.Dense(32, "tanh"), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.01), "mse")
model.fit(x, np.sin(x), epochs=40, verbose=0)

# Names of the inputs, their types, and None for the batch.
signature = [tf.TensorSpec([None, 1], tf.float32, name="x")]


@tf.function(input_signature=signature)
def predict(x):
    return {"sine": model(x, training=False)}


out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
tf2onnx.convert.from_function(predict, signature, opset=18, output_path=str(out / "1" / "model.onnx"))

rows = np.array([[0.0], [1.5], [-1.5]], dtype=np.float32)
write_samples(out, inputs={"x": rows}, predictions={"sine": model.predict(rows, verbose=0)})
