"""Writes what transformers makes of real weights, for features.ts to compare with.

    python test/real/features.py --text FOLDER --image FOLDER --out features.safetensors

FOLDER is a pretrained BERT or ResNet (config.json, model.safetensors). Needs torch, transformers, safetensors.
"""

import argparse

import safetensors.torch
import torch
from transformers import AutoConfig, BertModel, ResNetModel

arguments = argparse.ArgumentParser()
for name in ("--text", "--image", "--out"):
    arguments.add_argument(name, required=True)
options = arguments.parse_args()

torch.manual_seed(0)
vocabulary = AutoConfig.from_pretrained(options.text).vocab_size
ids = torch.randint(1000, vocabulary, (4, 19))
mask = (torch.arange(19)[None] < torch.tensor([19, 7, 12, 1])[:, None]).long()
ids = ids * mask
image = torch.randn(2, 3, 224, 224)

with torch.no_grad():
    bert = BertModel.from_pretrained(options.text, attn_implementation="eager", dtype=torch.float32).eval()
    hidden = bert(input_ids=ids, attention_mask=mask).last_hidden_state
    kept = mask[..., None].float()
    resnet = ResNetModel.from_pretrained(options.image, dtype=torch.float32).eval()
    pooled = resnet(image).pooler_output.flatten(1)

tensors = {
    "ids": ids.int(),
    "mask": mask.int(),
    "image": image.permute(0, 2, 3, 1),
    "cls": hidden[:, 0],
    "mean": (hidden * kept).sum(1) / kept.sum(1),
    "pooled": pooled,
}
safetensors.torch.save_file({key: value.contiguous() for key, value in tensors.items()}, options.out)
