"""The PyTorch side of bench/step.ts: reads `train`, `forward` or `memory` from stdin, answers one JSON line each."""

import json
import resource
import sys
import time

import torch
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel

options = json.loads(sys.argv[1])
torch.manual_seed(0)
torch.set_num_threads(options["threads"])


class Classifier(torch.nn.Module):
    def __init__(self, bert, resnet, hidden, classes):
        super().__init__()
        self.text_encoder = BertModel(BertConfig(**bert), add_pooling_layer=False)
        self.visual_encoder = ResNetModel(ResNetConfig(**resnet))
        width = bert["hidden_size"] + resnet["hidden_sizes"][-1]
        self.fc1 = torch.nn.Linear(width, hidden)
        self.fc2 = torch.nn.Linear(hidden, classes)

    def forward(self, ids, mask, pixels):
        text = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        image = self.visual_encoder(pixels).pooler_output.flatten(1)
        return self.fc2(torch.relu(self.fc1(torch.cat([text, image], dim=1))))


model = Classifier(options["bert"], options["resnet"], options["hiddenSize"], 3)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
batch, length, size = options["batch"], options["length"], options["size"]
ids = torch.randint(0, options["bert"]["vocab_size"], (batch, length))
mask = torch.ones(batch, length, dtype=torch.long)
pixels = torch.randn(batch, 3, size, size)
labels = torch.arange(batch) % 3


def train():
    model.train()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(ids, mask, pixels), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def forward():
    model.eval()
    with torch.inference_mode():
        return model(ids, mask, pixels).sum().item()


def timed(run):
    started, used = time.perf_counter(), time.process_time()
    value = run()
    elapsed, used = time.perf_counter() - started, time.process_time() - used
    return {"ms": elapsed * 1000, "cpu": used * 1000, "value": value}


print(json.dumps({"name": f"PyTorch {torch.__version__}"}), flush=True)
for line in sys.stdin:
    command = line.strip()
    if command == "memory":
        answer = {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    else:
        answer = timed({"train": train, "forward": forward}[command])
    print(json.dumps(answer), flush=True)
