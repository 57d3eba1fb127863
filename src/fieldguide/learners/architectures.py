"""Networks from scratch, and the one form in which every network meets the loop and the exporter.

Knows nothing about pictures' files, training or weights from elsewhere. Normalising is inside the network: it takes
pixels of 0..255.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fieldguide.errors import SettingsError
from fieldguide.optional import require
from fieldguide.records import LayerSummary

NETWORKS = ("small", "vgg-small")
_SMALLEST = 32
_WIDTHS = (32, 64, 128, 256)


@dataclass(frozen=True)
class Network:
    """A network that can be trained and exported.

    Attributes:
        name: what it was built as.
        size: side of its square, pixels.
        classes: how many.
        width: features before the head.
        module: a torch module: (n, 3, size, size) float32 of 0..255 to (n, classes) logits; its methods `features`
            and `head` are the two halves.
        stages: names of its parameters from input to output, a tuple for each stage; the last is the head.
    """

    name: str
    size: int
    classes: int
    width: int
    module: Any
    stages: tuple[tuple[str, ...], ...]


def build_network(name: str, classes: int, size: int, seed: int) -> Network:
    """Build a network from scratch with random weights.

    - `vgg-small`: plain stacks, after VGG: two convolutions of 32 and a pool, two of 64 and a pool,
      one of 64 and a pool, dense 128, dropout 0.5; no padding, pixels of 0..1.
    - `small`: residual (He et al., "Deep Residual Learning", CVPR 2016), batch-norm, global pooling; 1.2 million.

    Args:
        name: one of `NETWORKS`.
        classes: how many.
        size: side of its square, pixels.
        seed: what the weights follow from.

    Raises:
        SettingsError: there is no such network, or the square is too small.
        MissingExtra: torch is not installed.
    """
    if name not in NETWORKS:
        raise SettingsError(f"there is no network {name!r}", f"choose one of {', '.join(NETWORKS)}")
    if size < _SMALLEST:
        raise SettingsError(f"a square of {size} pixels is too small", f"give at least {_SMALLEST}")
    nn = require("torch", extra="train").nn
    with seeded(seed):
        if name == "vgg-small":
            body, width = _vgg_body(size), 128
            head = nn.Sequential(nn.Dropout(0.5), nn.Linear(width, classes))
        else:
            body, width = _small_body(), _WIDTHS[-1]
            head = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, classes))
        for module in (*body.modules(), *head.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                _initialise(module, name)
    mean, std = (0.0, 1.0) if name == "vgg-small" else (0.5, 0.5)
    stages = [tuple(f"{key}.{name}" for name, _ in part.named_parameters()) for key, part in body.named_children()]
    network = Network(name, size, classes, width, (body, head), tuple(filter(None, stages)))
    return assemble(network, (mean,) * 3, (std,) * 3)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Make torch's random numbers on the processor follow from the seed inside the block; change nothing outside."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def assemble(parts: Network, mean: tuple[float, ...], std: tuple[float, ...]) -> Network:
    """Join a body and a head, with normalising before them.

    Args:
        parts: a network whose `module` is still a pair (body, head) and whose stages are those of the body.
        mean: subtracted first, per RGB channel, in units of 0..1.
        std: divided by then, per RGB channel, in units of 0..1.
    """
    import torch

    class Classifier(torch.nn.Module):
        """Pixels of 0..255 in, logits out."""

        def __init__(self, body: Any, head: Any) -> None:
            super().__init__()
            self.register_buffer("mean", 255.0 * torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
            self.register_buffer("std", 255.0 * torch.tensor(std).view(1, 3, 1, 1), persistent=False)
            self.body = body
            self.head = head

        def features(self, pixels: Any) -> Any:
            """Return what the head sees, (n, width)."""
            return self.body((pixels - self.mean) / self.std)

        def forward(self, pixels: Any) -> Any:
            """Return logits, (n, classes)."""
            return self.head(self.features(pixels))

        def group_matcher(self, coarse: bool = False) -> Any:
            """Return timm's lookup from a parameter's name to its stage, for learning rates of their own."""
            return {name: number for number, names in enumerate(stages) for name in names}.__getitem__

    body, head = parts.module
    body_stages = tuple(tuple(f"body.{name}" for name in names) for names in parts.stages)
    stages = (*body_stages, tuple(f"head.{name}" for name, _ in head.named_parameters()))
    return Network(parts.name, parts.size, parts.classes, parts.width, Classifier(body, head), stages)


def count_parameters(network: Network) -> int:
    """Return how many numbers it can learn."""
    return sum(parameter.numel() for parameter in network.module.parameters())


def list_layers(network: Network) -> list[LayerSummary]:
    """Return the layers that learn or pool, in the order in which a picture passes them."""
    import torch

    layers: list[LayerSummary] = []

    def note(name: str, layer: Any, output: Any) -> None:
        parameters = sum(parameter.numel() for parameter in layer.parameters(recurse=False))
        kind = _describe_layer(layer)
        if parameters or kind == "pool":
            layers.append(LayerSummary(name, kind, tuple(output.shape[1:]), parameters))

    hooks = [
        module.register_forward_hook(lambda layer, _, output, name=name: note(name, layer, output))
        for name, module in network.module.named_modules()
        if not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))
    ]
    was_training = network.module.training
    try:
        with torch.inference_mode():
            device = next(network.module.parameters()).device
            network.module.eval()(torch.zeros((1, 3, network.size, network.size), device=device))
    finally:
        network.module.train(was_training)
        for hook in hooks:
            hook.remove()
    return layers


def _describe_layer(layer: Any) -> str:
    """Return what a layer does, for a person."""
    kind = type(layer).__name__
    if kind.startswith("Conv"):
        size = " x ".join(str(side) for side in layer.kernel_size)
        return f"{'depthwise ' if layer.groups > 1 else ''}convolution {size}"
    if "Pool" in kind:
        return "pool"
    if "Norm" in kind:
        return "normalisation"
    return "dense" if kind == "Linear" else kind


def _initialise(module: Any, name: str) -> None:
    """Initialise a layer's weights: as Keras does (Glorot and Bengio, 2010), or after He et al., 2015."""
    from torch.nn import init

    if name == "vgg-small":
        init.xavier_uniform_(module.weight)
    elif module.weight.ndim == 2:  # its logits begin near 0, so its loss near that of a guess
        init.normal_(module.weight, std=0.01)
    else:
        init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if module.bias is not None:
        init.zeros_(module.bias)


def _vgg_body(size: int) -> Any:
    """Return three stacks and a dense layer."""
    from torch import nn

    def stack(before: int, width: int, layers: int) -> Any:
        parts: list[Any] = []
        for layer in range(layers):
            parts += [nn.Conv2d(before if layer == 0 else width, width, 3), nn.ReLU()]
        return nn.Sequential(*parts, nn.MaxPool2d(2))

    left = (((size - 4) // 2 - 4) // 2 - 2) // 2
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64 * left * left, 128), nn.ReLU())
    parts: Mapping[str, Any] = {
        "stack1": stack(3, 32, 2), "stack2": stack(32, 64, 2), "stack3": stack(64, 64, 1), "dense": dense,
    }  # fmt: skip
    return _chain(parts)


def _small_body() -> Any:
    """Return a stem and four residual blocks, each at half the side of the one before."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        """Two convolutions beside a shortcut; the second norm begins at 0, so that the block begins as the shortcut."""

        def __init__(self, before: int, width: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
            self.first_norm = nn.BatchNorm2d(width)
            self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.second_norm = nn.BatchNorm2d(width)
            nn.init.zeros_(self.second_norm.weight)
            shortcut = nn.Conv2d(before, width, 1, bias=False)
            self.shortcut = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), shortcut, nn.BatchNorm2d(width))

        def forward(self, inputs: Any) -> Any:
            """Return half the side, `width` channels, at least 0."""
            inner = torch.relu(self.first_norm(self.first(inputs)))
            return torch.relu(self.second_norm(self.second(inner)) + self.shortcut(inputs))

    stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU())
    parts: dict[str, Any] = {"stem": stem}
    for number, (before, width) in enumerate(zip((32, *_WIDTHS), _WIDTHS, strict=False), 1):
        parts[f"stage{number}"] = Residual(before, width)
    parts["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return _chain(parts)


def _chain(parts: Mapping[str, Any]) -> Any:
    """Return the parts one after the other, by their names."""
    from torch import nn

    chain = nn.Sequential()
    for name, part in parts.items():
        chain.add_module(name, part)
    return chain
