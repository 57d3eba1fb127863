"""Passes of pictures through a network: learning from a batch, validating, predicting.

Knows nothing about epochs, checkpoints or optimisers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldguide.engine import map_threads
from fieldguide.learners.architectures import Network
from fieldguide.learners.augment import augment, find_preset, mix
from fieldguide.learners.devices import is_out_of_memory
from fieldguide.learners.loop_records import Examples, LoopSettings, Squares

__all__ = ["Batch", "Passes", "Predicted", "cut", "load_batches", "predict"]

_MIXING, _DROPPING = 1, 2  # so that no two dice follow from one key


@dataclass(frozen=True)
class Batch:
    """Pictures of one step: (b, size, size, 3) uint8, (b,) classes, (b, classes) targets whose rows sum to 1."""

    squares: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]


@dataclass(frozen=True)
class Predicted:
    """What a network says: (n, classes) logits and (n, width) features, float32."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


def cut(count: int, size: int) -> list[slice]:
    """So many in pieces of a size, the last one shorter; one that is left over goes with the piece before.

    A batch of one has no variance, so that batch normalisation cannot learn from it.
    """
    starts = list(range(0, count, size))
    if size > 1 and len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    ends = [*starts[1:], count]
    return [slice(*pair) for pair in zip(starts, ends, strict=False)]


def load_batches(
    examples: Examples, order: NDArray[np.intp], settings: LoopSettings, at: tuple[int, int, int], workers: int = 1
) -> Iterator[Batch]:
    """The rest of an epoch's batches, one for each step of the optimiser; loaded ahead by threads.

    Args:
        examples: the pictures.
        order: pairs (place among the training pictures, turn).
        settings: its batches, augmentation and seed.
        at: how many classes, the epoch, the step to begin with.
        workers: threads; what is loaded does not depend on them.
    """
    classes, epoch, first = at
    preset = find_preset(settings.augment)
    group = settings.batch_size * settings.accumulate
    left = order[first * group :]

    def load(pair: NDArray[np.intp]) -> NDArray[np.uint8]:
        index = int(examples.train[pair[0]])
        return augment(examples.square(index), preset, (settings.seed, epoch, index, int(pair[1])))

    squares = map_threads(load, left, workers=workers, ahead=2 * group)
    for number, piece in enumerate(cut(len(left), group), first):
        pairs = left[piece]
        labels = examples.labels[examples.train[pairs[:, 0]]]
        stacked = np.stack([next(squares) for _ in pairs])
        targets = np.eye(classes, dtype=np.float32)[labels]
        mixed, shares = mix(stacked, targets, preset, (settings.seed, epoch, number, 0, _MIXING))
        yield Batch(mixed, labels, shares)


class Passes:
    """A network's passes on one device, in one precision."""

    def __init__(
        self, network: Network, settings: LoopSettings, on: tuple[str, str, int], weights: NDArray[np.float32]
    ) -> None:
        import torch

        self._module, self._network, self._settings = network.module, network, settings
        self._device, self._half = on[0], on[1] == "bf16"
        self._forward = torch.compile(self._module) if settings.compile else self._module
        self._weights = torch.from_numpy(weights).to(self._device)

    def learn(self, batch: Batch, key: tuple[int, int, int]) -> tuple[float, float, int]:
        """The mean loss, what the pictures weigh together, and how many were right; the gradients are there.

        The mean is over the whole step however many passes it takes, so that accumulating changes nothing.

        Args:
            batch: the pictures of a step.
            key: what dropout follows from: seed, epoch, step.
        """
        import torch

        state = np.random.SeedSequence([*key, 0, _DROPPING]).generate_state(2)
        torch.manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)
        targets = torch.from_numpy(batch.targets).to(self._device)
        weights = targets @ self._weights
        whole = float(weights.sum())
        loss, right = 0.0, 0
        for part in cut(len(targets), self._settings.batch_size):
            logits = self._logits(batch.squares[part])
            share = (self._losses(logits, targets[part]) * weights[part]).sum() / whole
            share.backward()
            loss += float(share.detach())
            right += int((logits.argmax(1) == targets[part].argmax(1)).sum())
        return loss, whole, right

    def _losses(self, logits: Any, targets: Any) -> Any:
        """Each picture's cross-entropy, with the label smoothing of Szegedy et al., CVPR 2016."""
        import torch

        smoothing = self._settings.label_smoothing
        smoothed = targets * (1 - smoothing) + smoothing / targets.shape[1]
        return -(smoothed * torch.log_softmax(logits, dim=1)).sum(1)

    def _logits(self, squares: NDArray[np.uint8]) -> Any:
        """Logits in float32."""
        import torch

        with torch.autocast(self._device, torch.bfloat16, enabled=self._half):
            logits = self._forward(_to_pixels(squares, self._device))
        return logits.float()

    def validate(self, examples: Examples, state: dict[str, Any] | None) -> tuple[float | None, float | None]:
        """Mean loss and share right on the validation pictures; None, None where there are none.

        Args:
            examples: the pictures.
            state: weights to validate instead of the network's own, which are put back.
        """
        import torch

        if not len(examples.val):
            return None, None
        own = {name: value.clone() for name, value in self._module.state_dict().items()} if state else None
        if state:
            self._module.load_state_dict(state)
        logits = predict(self._network, examples.squares, examples.val, self._settings.batch_size).logits
        if own:
            self._module.load_state_dict(own)
        labels = torch.from_numpy(np.ascontiguousarray(examples.labels[examples.val]))
        found = torch.from_numpy(logits)
        loss = torch.nn.functional.cross_entropy(found, labels)
        return float(loss), float((found.argmax(1) == labels).double().mean())

    def largest_fitting(self, too_many: int) -> str:
        """What to do, in words: the largest half, quarter and so on of so many pictures that a pass has memory for."""
        count = too_many // 2
        size = self._network.size
        while count >= 1:
            try:
                squares = np.zeros((count, size, size, 3), np.uint8)
                self._logits(squares).sum().backward()
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            finally:
                self._module.zero_grad(set_to_none=True)
            count //= 2
        if not count:
            return "not even one picture fits: choose a smaller size or network"
        times = -(-too_many // count) * self._settings.accumulate
        return f"batch_size = {count} fits; with accumulate = {times} a step sees as many pictures as before"


def predict(network: Network, squares: Squares, indices: NDArray[np.intp], batch_size: int) -> Predicted:
    """Logits and features of pictures, in order, as in use: no dropout, no augmentation, fp32.

    Args:
        network: it stays on its device, in the mode in which it was.
        squares: (n, size, size, 3) uint8 RGB, or a function from an index to one square.
        indices: which.
        batch_size: pictures in one pass.
    """
    import torch

    module = network.module
    device = next(module.parameters()).device.type
    training = {one: one.training for one in module.modules()}
    module.eval()
    logits, features = [], []
    with torch.inference_mode():
        for start in range(0, len(indices), batch_size):
            some = indices[start : start + batch_size]
            pictures = np.stack([squares(int(index)) for index in some]) if callable(squares) else squares[some]
            seen = module.features(_to_pixels(pictures, device))
            features.append(seen.cpu().numpy())
            logits.append(module.head(seen).cpu().numpy())
    for one, was in training.items():
        one.training = was
    if not logits:
        return Predicted(np.zeros((0, network.classes), np.float32), np.zeros((0, network.width), np.float32))
    return Predicted(np.concatenate(logits), np.concatenate(features))


def _to_pixels(squares: NDArray[np.uint8], device: str) -> Any:
    """The squares as a network takes them, channels last in memory: (b, 3, size, size) float32 of 0..255."""
    import torch

    return torch.from_numpy(squares).to(device).permute(0, 3, 1, 2).float()
