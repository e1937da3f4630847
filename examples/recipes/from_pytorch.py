"""python from_pytorch.py OUT_DIR"""

import sys
from pathlib import Path

import torch
from samples import write_samples
from torch import nn

torch.manual_seed(0)
points = torch.rand(1000, 2) * 4 - 2
inside = (points.square().sum(dim=1, keepdim=True) < 2).float()
model = nn.Sequential(
    nn.Linear(2, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 1), nn.Sigmoid()
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for _ in range(300):
    optimizer.zero_grad()
    nn.functional.binary_cross_entropy(model(points), inside).backward()
    optimizer.step()

model.eval()
out = Path(sys.argv[1])
(out / "1").mkdir(parents=True, exist_ok=True)
torch.onnx.export(
    model,
    (torch.zeros(2, 2),),
    out / "1" / "model.onnx",
    dynamo=True,
    input_names=["point"],
    output_names=["inside"],
    dynamic_shapes=({0: torch.export.Dim("rows")},),
)

rows = torch.tensor([[0.0, 0.5], [1.0, 1.1]])
with torch.inference_mode():
    predictions = model(rows)
write_samples(out, inputs={"point": rows.numpy()}, predictions={"inside": predictions.numpy()})
