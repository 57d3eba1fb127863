"""The peers of learning: a plain script over frozen features, and a plain PyTorch script that fine-tunes.

The first is a frozen EfficientNet-Lite0 at 224 with scikit-learn's logistic regression (C = 0.01, standardised). The
second is written in the manner of the plants' one:

a DataLoader that reads each JPEG again in every epoch, torchvision's transforms, Adam at one rate, eager, NCHW. It
starts from the same weights as Fieldguide.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.engine import core_count
from fieldguide.features import cache_folder, open_runner
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths
from fieldguide.learners.weights import declare_torchvision_operators, load_backbone
from fieldguide.records import Preprocessing

SIZE, BATCH = 224, 32


@dataclass(frozen=True)
class PlainResult:
    """How fast the script learned, and what it answers.

    Attributes:
        images_per_s: of its fastest epoch.
        seconds: from files to a fitted model.
        answers: (m,) classes of the pictures held out.
    """

    images_per_s: float
    seconds: float
    answers: NDArray[np.int64]


def frozen_peer_features(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return the features of pictures as the network itself ends with them, squashed to 224, on white."""
    run = open_runner(backbone_model(BackboneChoice(), Preprocessing(), cache_folder()), "onnxruntime")
    parts = []
    for start in range(0, len(paths), BATCH):
        squares = []
        for path in paths[start : start + BATCH]:
            with Image.open(path) as opened:
                image = opened.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            white.alpha_composite(image)
            squares.append(np.asarray(white.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC)))
        parts.append(run(np.stack(squares)))
    return np.concatenate(parts)[:, : backbone_widths(BackboneChoice(), SIZE)["top"]]


def fit_frozen_peer(features: NDArray[np.float32], labels: NDArray[np.int64]) -> Any:
    """Return scikit-learn's logistic regression of standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)).fit(features, labels)


def run_plain_script(
    paths: list[Path], labels: NDArray[np.int64], fold: tuple[NDArray[np.intp], NDArray[np.intp]], epochs: int
) -> PlainResult:
    """Learn from the first part of the fold, and answer about the second."""
    declare_torchvision_operators()
    import torch

    class Files(torch.utils.data.Dataset[Any]):
        def __init__(self, indices: NDArray[np.intp], transform: Any) -> None:
            self.indices, self.transform = indices, transform

        def __len__(self) -> int:
            return len(self.indices)

        def __getitem__(self, position: int) -> Any:
            index = self.indices[position]
            return self.transform(Image.open(paths[index]).convert("RGB")), int(labels[index])

    train_transform, test_transform = _transforms()
    train, test = fold
    start = time.perf_counter()
    backbone = load_backbone("efficientnet_lite0", "embedded", SIZE)
    model = torch.nn.Sequential(backbone.module, torch.nn.Linear(backbone.width, int(labels.max()) + 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-4)
    loader = torch.utils.data.DataLoader(Files(train, train_transform), BATCH, shuffle=True, num_workers=core_count())
    speeds = []
    for _ in range(epochs):
        model.train()
        epoch_start = time.perf_counter()
        for pictures, targets in loader:
            loss: Any = torch.nn.functional.cross_entropy(model(pictures), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        speeds.append(len(train) / (time.perf_counter() - epoch_start))
    seconds = time.perf_counter() - start
    model.eval()
    with torch.inference_mode():
        batches = torch.utils.data.DataLoader(Files(test, test_transform), BATCH)
        answers = torch.cat([model(pictures).argmax(1) for pictures, _ in batches])
    return PlainResult(max(speeds), seconds, answers.numpy())


def _transforms() -> tuple[Any, Any]:
    """Return the transforms of a picture to learn from, and of one to answer about."""
    from torchvision import transforms as t

    finish = [t.ToTensor(), t.Normalize([0.5] * 3, [0.5] * 3)]
    train = t.Compose(
        [
            t.RandomHorizontalFlip(0.5), t.ColorJitter(0.9, 0.7, 0.9), t.RandomAdjustSharpness(1.85, 0.15),
            t.RandomRotation(45), t.RandomPerspective(0.6, 1.0),
            t.RandomResizedCrop(SIZE, (0.2, 1.0), interpolation=t.InterpolationMode.NEAREST), *finish,
            t.RandomErasing(0.3, (0.01, 0.2)),
        ]
    )  # fmt: skip
    return train, t.Compose([t.Resize((SIZE, SIZE), t.InterpolationMode.BICUBIC), *finish])
