"""Runs in Python's onnxruntime what exported.real.ts wrote, and compares the logits and the metadata.

    python test/real/exported.py FOLDER

Needs onnx, onnxruntime, safetensors and tokenizers.
"""

import collections
import json
import pathlib
import sys

import onnx
import onnxruntime
import safetensors.numpy
import tokenizers

folder = pathlib.Path(sys.argv[1])
names = {"input_ids": "inputIds", "attention_mask": "attentionMask", "token_type_ids": "tokenTypeIds"}


def feeds(session, given):
    """The inputs that a session takes, in its types and layouts."""
    every = {name: given[ours].astype("int64") for name, ours in names.items()}
    every["pixel_values"] = given["image"].transpose(0, 3, 1, 2)
    return {one.name: every[one.name] for one in session.get_inputs()}


def difference(session, path):
    given = safetensors.numpy.load_file(path)
    (logits,) = session.run(["logits"], feeds(session, given))
    assert logits.shape == given["logits"].shape
    return abs(logits - given["logits"]).max() / abs(given["logits"]).max()


for path in sorted(folder.glob("*.onnx")):
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path, load_external_data=False)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    domains = {node.domain for node in model.graph.node}
    assert domains == {""}, domains

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["labels"]) == ["negative", "neutral", "positive"]
    if metadata["mode"] != "image":
        tokenizer = tokenizers.Tokenizer.from_str(metadata["tokenizer"])
        assert tokenizer.encode("so good").tokens == ["[CLS]", "so", "good", "[SEP]"]
    if metadata["mode"] != "text":
        assert len(json.loads(metadata["preprocessor_config"])["image_mean"]) == 3

    kind = path.stem.replace("outside", "both")
    expected = sorted(folder.glob(f"{kind}-*.safetensors"))
    worst = max(difference(session, one) for one in expected)
    operators = collections.Counter(node.op_type for node in model.graph.node)
    files = [path, *path.parent.glob(f"{path.name}.data")]
    size = " + ".join(f"{file.stat().st_size / 1e6:.1f}" for file in files)
    print(f"{path.name}: {size} MB, {sum(operators.values())} operators, opset {model.opset_import[0].version}, "
          f"{len(expected)} sizes, largest relative difference {worst:.1e}")
    assert worst < 1e-4
