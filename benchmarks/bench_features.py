"""The feature pass from JPEG files, images/s, beside Pillow decode + eager fp32 PyTorch, in one run.

The peer decodes one picture after the other with Pillow, resizes to 224 and runs timm's model in batches of 32, as most
scripts do. Rounds are interleaved and the best of each is taken. Top-1 is that of ImageNet's own classifier on each
pipeline's features: its agreement with the peer's, and the accuracy of a head in 5-fold cross-validation.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common import describe_machine, shared_data
from fieldguide.features import Runtime, cache_folder, extract, open_runner
from fieldguide.images import Limits
from fieldguide.learners.backbones import BackboneChoice, backbone_model
from fieldguide.learners.headfit import group_folds, held_out_logits
from fieldguide.learners.weights import load_embedded
from fieldguide.records import Preprocessing

ROUNDS = 4
BATCH = 32
Features = NDArray[np.float32]


def plain_torch(paths: list[Path], model: Any) -> Features:
    """Features of the peer."""
    import torch

    found = []
    for start in range(0, len(paths), BATCH):
        squares = []
        for path in paths[start : start + BATCH]:
            image = Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
            squares.append(torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1)
        with torch.inference_mode():
            batch = torch.stack(squares)
            found.append(model.forward_head(model.forward_features(batch), pre_logits=True).numpy())
    return np.concatenate(found)


def ours(paths: list[Path], runtime: Runtime) -> Callable[[], Features]:
    """A function that gives Fieldguide's features."""
    preprocessing = Preprocessing(size=224, fit="squash")
    run = open_runner(backbone_model(BackboneChoice(), preprocessing, cache_folder()), runtime)
    return lambda: np.concatenate(list(extract(paths, preprocessing, Limits(), run, BATCH)))


def main() -> None:
    print(describe_machine())
    paths = sorted(shared_data("flowers17").glob("*/*.jpg"))
    labels = np.unique([path.parent.name for path in paths], return_inverse=True)[1].astype(np.int64)
    model = load_embedded()
    ways = {
        "Pillow + eager PyTorch fp32": lambda: plain_torch(paths, model),
        "fieldguide, onnxruntime": ours(paths, "onnxruntime"),
        "fieldguide, OpenVINO": ours(paths, "openvino"),
    }
    best: dict[str, float] = {}
    features: dict[str, Features] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            begun = time.perf_counter()
            features[name] = way()
            best[name] = min(best.get(name, 1e9), time.perf_counter() - begun)
    weights, bias = model.classifier.weight.detach().numpy(), model.classifier.bias.detach().numpy()
    peer = next(iter(ways))
    features = {name: found[:, : weights.shape[1]] for name, found in features.items()}  # ours goes on behind the top
    answers = {name: (found @ weights.T + bias).argmax(axis=1) for name, found in features.items()}
    folds = group_folds(labels, None, 5, 0)
    print(f"{len(paths)} JPEGs of about 540 x 500, 224 pixels, batch {BATCH}, best of {ROUNDS} rounds")
    print(f"{'pipeline':<30} {'images/s':>9} {'ratio':>6} {'ImageNet top-1 as peer':>24} {'head, 5-fold':>13}")
    for name, found in features.items():
        head = float(np.mean(held_out_logits(found, labels, folds, 0.1).argmax(axis=1) == labels))
        agrees = float(np.mean(answers[name] == answers[peer]))
        print(
            f"{name:<30} {len(paths) / best[name]:>9.1f} {best[peer] / best[name]:>6.2f} {agrees:>24.3f} {head:>13.3f}"
        )


if __name__ == "__main__":
    main()
