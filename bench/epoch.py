"""The PyTorch side of bench/epoch.ts: reads a number of steps (or `memory`) from stdin, answers one JSON line each."""

import json
import resource
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers import BertConfig, BertModel, BertTokenizerFast, ResNetConfig, ResNetModel

with open(sys.argv[1], encoding="utf-8") as file:
    options = json.load(file)
torch.manual_seed(0)
torch.set_num_threads(options["threads"])
MEAN = torch.tensor([0.48235294, 0.45882353, 0.40784314]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


class Rows(Dataset):
    def __len__(self):
        return len(options["rows"])

    def __getitem__(self, index):
        row = options["rows"][index]
        return row["text"], pixels(row["image"]), row["label"]


def pixels(path, edge=256, side=224):
    """torchvision's Resize(256), CenterCrop(224), ToTensor, Normalize."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    if min(width, height) != edge:
        scale = edge / min(width, height)
        size = (max(edge, int(width * scale)), max(edge, int(height * scale)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    left, top = round((picture.width - side) / 2), round((picture.height - side) / 2)
    picture = picture.crop((left, top, left + side, top + side))
    values = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    return (values.float().div(255) - MEAN) / STD


def collate(rows):
    texts, images, labels = zip(*rows)
    cut = {"padding": "longest", "truncation": True, "max_length": options["maxLength"]}
    encoded = tokenizer(list(texts), return_tensors="pt", **cut)
    return encoded, torch.stack(images), torch.tensor(labels)


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        if pretrained:
            self.text_encoder = BertModel.from_pretrained(options["text"], add_pooling_layer=False)
            self.visual_encoder = ResNetModel.from_pretrained(options["image"])
        else:
            self.text_encoder = BertModel(BertConfig(**options["bert"]), add_pooling_layer=False)
            self.visual_encoder = ResNetModel(ResNetConfig(**options["resnet"]))
        width = self.text_encoder.config.hidden_size + self.visual_encoder.config.hidden_sizes[-1]
        self.fc1 = torch.nn.Linear(width, options["hiddenSize"])
        self.fc2 = torch.nn.Linear(options["hiddenSize"], options["classes"])

    def forward(self, text, images):
        text = self.text_encoder(**text).last_hidden_state[:, 0]
        image = self.visual_encoder(images).pooler_output.flatten(1)
        return self.fc2(torch.relu(self.fc1(torch.cat([text, image], dim=1))))


pretrained = "text" in options and "image" in options
if pretrained:
    tokenizer = BertTokenizerFast.from_pretrained(options["text"])
else:
    tokenizer = BertTokenizerFast(options["vocabulary"])
model = Classifier().train()
decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
optimizer = torch.optim.AdamW(
    [
        {"params": decayed, "weight_decay": options["weightDecay"]},
        {"params": others, "weight_decay": 0.0},
    ],
    lr=options["learningRate"],
)


def batches():
    size = options["batchSize"]
    for _ in range(options["epochs"]):
        yield from DataLoader(Rows(), size, shuffle=True, num_workers=1, collate_fn=collate)


def train(text, images, labels):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(text, images), labels)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), options["maxGradNorm"])
    optimizer.step()
    return loss.item()


def run(steps, epoch):
    started = time.perf_counter()
    for _ in range(steps):
        text, images, labels = next(epoch)
        train(text, images, labels)
    return {"ms": (time.perf_counter() - started) * 1000, "note": ""}


print(json.dumps({"name": f"PyTorch {torch.__version__}"}), flush=True)
epoch = batches()
for line in sys.stdin:
    command = line.strip()
    if command == "memory":
        answer = {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    else:
        answer = run(int(command), epoch)
    print(json.dumps(answer), flush=True)
