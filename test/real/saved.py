"""Loads into PyTorch, strictly, what saved.real.ts wrote, and compares the logits.

    python test/real/saved.py FOLDER
"""

import json
import pathlib
import sys

import safetensors.torch
import torch
from torch import nn
from transformers import BertConfig, BertModel


class Bottleneck(nn.Module):
    """torchvision's, with its names."""

    def __init__(self, before, channels, stride):
        super().__init__()
        narrow = channels // 4
        self.conv1, self.bn1 = nn.Conv2d(before, narrow, 1, bias=False), nn.BatchNorm2d(narrow)
        self.conv2, self.bn2 = nn.Conv2d(narrow, narrow, 3, stride, 1, bias=False), nn.BatchNorm2d(narrow)
        self.conv3, self.bn3 = nn.Conv2d(narrow, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or before != channels:
            self.downsample = nn.Sequential(nn.Conv2d(before, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(torch.relu(self.bn2(self.conv2(y)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["embeddingSize"]
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        for i, (channels, depth) in enumerate(zip(config["hiddenSizes"], config["depths"])):
            blocks = [Bottleneck(channels if j else width, channels, 2 if i and not j else 1) for j in range(depth)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
            width = channels

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


class MLP(nn.Module):
    def __init__(self, before, hidden, classes):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(before, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class Model(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.fusion = config["fusion"]["type"]
        fields = {"vocab_size": "vocabSize", "hidden_size": "hiddenSize", "num_hidden_layers": "numHiddenLayers",
                  "num_attention_heads": "numAttentionHeads", "intermediate_size": "intermediateSize",
                  "layer_norm_eps": "layerNormEps", "hidden_act": "hiddenAct"}
        bert = BertConfig(**{ours: config["text"][theirs] for ours, theirs in fields.items()}, attn_implementation="eager")
        self.text_encoder = BertModel(bert, add_pooling_layer=False)
        self.visual_encoder = ResNet(config["image"])
        text, image, classes = bert.hidden_size, config["image"]["hiddenSizes"][-1], len(config["labels"])
        self.mlp_text, self.mlp_image = nn.Linear(text, classes), nn.Linear(image, classes)
        if self.fusion == "cnn":
            half = [nn.ReLU(), nn.MaxPool1d(2)]
            self.cnn = nn.Sequential(nn.Conv1d(1, 32, 3, padding=1), *half, nn.Conv1d(32, 64, 3, padding=1), *half,
                                     nn.Flatten(), nn.Linear(64 * ((text + image) // 4), classes))
            return
        self.mlp_both = MLP(text + image, config["hiddenSize"], classes)
        if self.fusion == "attention":
            self.attention_text, self.attention_image = nn.Linear(text, 1), nn.Linear(image, 1)

    def forward(self, ids, mask, image):
        text = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        image = self.visual_encoder(image)
        if self.fusion == "cnn":
            return self.cnn(torch.cat([text, image], 1)[:, None])
        if self.fusion == "attention":
            weights = torch.softmax(torch.cat([self.attention_text(text), self.attention_image(image)], 1), 1)
            text, image = text * weights[:, :1], image * weights[:, 1:]
        return self.mlp_both(torch.cat([text, image], 1))


def check(path):
    model = Model(json.loads(path.read_text())).eval()
    missing, unexpected = model.load_state_dict(safetensors.torch.load_file(path.parent / "model.safetensors"), strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    given = safetensors.torch.load_file(path.parent.parent / f"{path.parent.name}-expected.safetensors")
    with torch.no_grad():
        logits = model(given["inputIds"].long(), given["attentionMask"], given["image"].permute(0, 3, 1, 2))
    difference = ((logits - given["logits"]).abs().max() / logits.abs().max()).item()
    print(f"{path.parent.name}: missing {missing}, unexpected {unexpected}, largest relative difference {difference:.1e}")
    assert not missing and not unexpected and difference < 1e-4


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    for path in sorted(folder.glob("*/config.json")):
        check(path)
