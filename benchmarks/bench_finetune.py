"""Fine-tuning EfficientNet-Lite0 at 224: images/s and accuracy beside a plain PyTorch script, in one run.

The peer is in the manner of the plants' script (seed 003): a DataLoader that reads each JPEG again in every epoch,
torchvision's transforms, Adam at one rate, eager, NCHW. All start from the same weights and see the same pictures,
augmented as that script does; one grouped split, a fifth held out, scored once. Ours takes a fifth of what is left for
validation, so it learns from fewer. `python benchmarks/bench_finetune.py [SET] [EPOCHS]`
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import describe_machine, fieldguide, shared_data
from fieldguide.dataset import load_dataset
from fieldguide.engine import core_count, map_threads
from fieldguide.features import load_square
from fieldguide.images import Limits
from fieldguide.learners.headfit import group_folds
from fieldguide.learners.heads import attach_head
from fieldguide.learners.loop import Keeping, train_network
from fieldguide.learners.loop_records import Examples, LoopSettings
from fieldguide.learners.passes import predict
from fieldguide.learners.shim import declare_torchvision_operators
from fieldguide.learners.weights import load_backbone
from fieldguide.metrics import wilson_interval
from fieldguide.project import Project
from fieldguide.records import Preprocessing

SIZE, BATCH = 224, 32
PICTURE = Preprocessing(size=SIZE, fit="squash")
Found = tuple[list[Path], NDArray[np.int64], tuple[str, ...]]


def gather(name: str, base: Path) -> Found:
    """Files, classes and groups of a set, as `clean` finds them; the files lie below `base`."""
    folder = base / "project"
    fieldguide("new", folder)
    fieldguide("add", shared_data(name), "-C", folder)
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", folder)
    project = Project(folder)
    with project.catalog() as catalog:
        dataset = load_dataset(catalog)
    paths = [project.image_path(image, kind) for image, kind in dataset.images.items()]
    return paths, dataset.labels, dataset.groups


def plain_script(
    paths: list[Path], labels: NDArray[np.int64], train: NDArray[np.intp], test: NDArray[np.intp], epochs: int
) -> tuple[float, float, int]:
    """Images/s of the best epoch, seconds in all, right answers on the held-out pictures."""
    declare_torchvision_operators()
    import torch
    from PIL import Image
    from torchvision import transforms as t

    class Files(torch.utils.data.Dataset[Any]):
        def __init__(self, places: NDArray[np.intp], change: Any) -> None:
            self.places, self.change = places, change

        def __len__(self) -> int:
            return len(self.places)

        def __getitem__(self, place: int) -> Any:
            index = self.places[place]
            return self.change(Image.open(paths[index]).convert("RGB")), int(labels[index])

    finish = [t.ToTensor(), t.Normalize([0.5] * 3, [0.5] * 3)]
    changing = t.Compose(
        [
            t.RandomHorizontalFlip(0.5), t.ColorJitter(0.9, 0.7, 0.9), t.RandomAdjustSharpness(1.85, 0.15),
            t.RandomRotation(45), t.RandomPerspective(0.6, 1.0),
            t.RandomResizedCrop(SIZE, (0.2, 1.0), interpolation=t.InterpolationMode.NEAREST), *finish,
            t.RandomErasing(0.3, (0.01, 0.2)),
        ]
    )  # fmt: skip
    plain = t.Compose([t.Resize((SIZE, SIZE), t.InterpolationMode.BICUBIC), *finish])
    begun = time.perf_counter()
    backbone = load_backbone("efficientnet_lite0", "embedded", SIZE)
    model = torch.nn.Sequential(backbone.module, torch.nn.Linear(backbone.width, int(labels.max()) + 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-4)
    loader = torch.utils.data.DataLoader(Files(train, changing), BATCH, shuffle=True, num_workers=core_count())
    speeds = []
    for _ in range(epochs):
        model.train()
        started = time.perf_counter()
        for pictures, wanted in loader:
            loss: Any = torch.nn.functional.cross_entropy(model(pictures), wanted)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        speeds.append(len(train) / (time.perf_counter() - started))
    seconds = time.perf_counter() - begun
    model.eval()
    with torch.inference_mode():
        right = sum(
            int((model(pictures).argmax(1) == wanted).sum())
            for pictures, wanted in torch.utils.data.DataLoader(Files(test, plain), BATCH)
        )
    return max(speeds), seconds, right


def ours(
    paths: list[Path], examples: tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.intp]],
    test: NDArray[np.intp], settings: LoopSettings,
) -> tuple[float, float, int]:  # fmt: skip
    """The same of Fieldguide's loop."""
    labels, train, val = examples
    begun = time.perf_counter()
    squares = np.stack(
        list(map_threads(lambda path: load_square(path, PICTURE, Limits()), paths, workers=core_count()))
    )
    network = attach_head(load_backbone("efficientnet_lite0", "embedded", SIZE), "linear", int(labels.max()) + 1, 0)
    trained = train_network(network, Examples(squares, labels, train, val), settings, Keeping())
    seconds = time.perf_counter() - begun
    right = int((predict(network, squares, test, BATCH).logits.argmax(1) == labels[test]).sum())
    return max(row.images_per_s for row in trained.history), seconds, right


def main(name: str, epochs: int) -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as base:
        paths, labels, groups = gather(name, Path(base))
        learn, test = group_folds(labels, groups, 5, 0)[0]
        inner, held = group_folds(labels[learn], [groups[index] for index in learn], 5, 0)[0]
        examples = labels, learn[inner], learn[held]
        print(f"{name}: {len(paths)} pictures, {len(learn)} to learn from, {len(test)} held out, {epochs} epochs")
        print(f"{'':<34} {'images/s':>9} {'ratio':>6} {'seconds':>8}  accuracy on held-out pictures")
        same = LoopSettings(epochs=epochs, batch_size=BATCH, lr=1e-3, warm_up=0.5, augment="seed003")
        ways: dict[str, Any] = {
            "plain script": lambda: plain_script(paths, labels, learn, test, epochs),
            "fieldguide, full": lambda: ours(paths, examples, test, same),
            "fieldguide, last stages": lambda: ours(paths, examples, test, replace(same, freeze=5)),
            "fieldguide, last stages, light": lambda: ours(
                paths, examples, test, replace(same, freeze=5, augment="light")
            ),
        }
        speeds: dict[str, float] = {}
        for way, run in ways.items():
            speed, seconds, right = run()
            speeds[way] = speed
            low, high = wilson_interval(right, len(test))
            print(
                f"{way:<34} {speed:>9.1f} {speed / speeds['plain script']:>6.2f} {seconds:>8.1f}  "
                f"{right / len(test):.3f} ({low:.3f} to {high:.3f})",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "flowers17", int(sys.argv[2]) if len(sys.argv) > 2 else 5)
