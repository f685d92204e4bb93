"""Goes on in PyTorch with the run that continued.real.ts left, and compares the losses with those of staying.

    python test/real/continued.py FOLDER
"""

import json
import pathlib
import sys

import safetensors.torch
import torch
from safetensors import safe_open
from torch import nn

from saved import Model

folder = pathlib.Path(sys.argv[1])
model = Model(json.loads((folder / "left/model/config.json").read_text())).train()
for dropout in model.modules():
    if isinstance(dropout, nn.Dropout):
        dropout.p = 0.0
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1, eps=1e-3)

with safe_open(folder / "left/checkpoint/last.safetensors", "pt") as file:
    state = json.loads(file.metadata()["state"])
    weights = {name[6:]: file.get_tensor(name) for name in file.keys() if name.startswith("model.")}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing), (missing, unexpected)
    for name, parameter in model.named_parameters():
        if name not in state["updates"]:  # it has had no gradient yet
            continue
        moments = {key: file.get_tensor(f"optimizer.{name}.{key}") for key in ("exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = {"step": torch.tensor(float(state["updates"][name])), **moments}

given = safetensors.torch.load_file(folder / "steps.safetensors")
first = state["position"]["step"] + 1
for step, expected in enumerate(given["losses"].tolist(), first):
    ids, mask, image, labels = (given[f"{step}.{name}"] for name in ("inputIds", "attentionMask", "image", "labels"))
    loss = nn.functional.cross_entropy(model(ids.long(), mask, image.permute(0, 3, 1, 2)), labels.long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"step {step}: {loss.item():.6f} in PyTorch, {expected:.6f} where it stayed")
    assert abs(loss.item() - expected) < 1e-3
