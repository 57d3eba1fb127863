"""Frozen backbones as files: any backbone with its weights, converted once to ONNX with normalising inside.

Knows nothing about pictures or projects. The ONNX files are kept in this machine's cache folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from fieldguide.errors import SettingsError
from fieldguide.exporters.onnx import OPSET, convert_module
from fieldguide.hashing import hash_text
from fieldguide.learners.architectures import seeded
from fieldguide.learners.weights import find_weights, find_width, is_embedded, load_backbone
from fieldguide.optional import require
from fieldguide.project.atomic import write_bytes
from fieldguide.records import Depth, Preprocessing

_DEEP_BLOCKS = 5
_DEEP_WIDTHS = {"efficientnet_lite0": 6560, "efficientnet_lite2": 7520}
_FORM = 3  # raise when the graph changes, so that old conversions are not reused
_TOLERANCE = 1e-3  # of the largest feature, or of 1


@dataclass(frozen=True)
class BackboneChoice:
    """Which backbone gives the features.

    Attributes:
        name: a key of `weights.BACKBONE_NAMES`, or any name of timm's.
        weights: `embedded` (efficientnet_lite0 and 2), `hub`, `none` (random, always the same), or the path of a file.
        sha256: what the file of weights must have, in hexadecimal; "" for whatever it has.
    """

    name: str = "efficientnet_lite0"
    weights: str = "embedded"
    sha256: str = ""


def depths(chosen: BackboneChoice) -> tuple[Depth, ...]:
    """Return the depths whose features this backbone gives: `top` always, `deep` where its middles are read too."""
    return ("top", "deep") if is_embedded(chosen.name) else ("top",)


def backbone_widths(chosen: BackboneChoice, size: int) -> Mapping[Depth, int]:
    """Return how many of the first features each depth reads; the short names need neither torch nor timm."""
    top: dict[Depth, int] = {"top": find_width(chosen.name, size)}
    deep = _DEEP_WIDTHS["efficientnet_lite2" if "lite2" in chosen.name else "efficientnet_lite0"]
    return MappingProxyType(top | {"deep": deep} if "deep" in depths(chosen) else top)


def backbone_model(chosen: BackboneChoice, preprocessing: Preprocessing, cache: Path) -> Path:
    """Return the path of the backbone as an ONNX file, `image` (n, h, w, 3) uint8 RGB to `features` (n, d) float32.

    The features begin with the pooled last layer, what ImageNet's classes were told apart by (depth `top`); behind
    them stand, where `depths` says so, the pooled middles of the last blocks, for pictures unlike ImageNet's such as
    charts (depth `deep`; Evci et al., "Head2Toe: Utilizing Intermediate Representations for Better Transfer
    Learning", ICML 2022). Most backbones take squares of any size; the file of one that does not, a transformer's or
    AlexNet's, is for `preprocessing.size` alone.

    Args:
        chosen: which backbone with which weights.
        preprocessing: its `mean` and `std` go into the graph: those that `weights.find_norm` gives.
        cache: the folder where conversions are kept.

    Raises:
        SettingsError: no such backbone, no such weights for it, a square that it cannot take, or no way to ONNX.
        RuntimeError: the converted model does not agree with the original.
    """
    _, digest = find_weights(chosen.name, chosen.weights, sha256=chosen.sha256)
    any_size, one_size = (_cached(chosen.name, digest, preprocessing, cache, size) for size in (0, preprocessing.size))
    path = next((path for path in (any_size, one_size) if path.exists()), None)
    if path is None:
        data, fixed = _convert(chosen, preprocessing)
        path = one_size if fixed else any_size
        write_bytes(path, data)
    return path


def _cached(name: str, digest: str, preprocessing: Preprocessing, cache: Path, size: int) -> Path:
    """Return the path of a conversion; a size of 0 stands for any."""
    key = f"{_FORM} {OPSET} {name} {preprocessing.mean} {preprocessing.std} {digest} {size}"
    readable = re.sub(r"[^\w.-]", "-", name)
    return cache / f"{readable}-{hash_text(key)[:12]}.onnx"


def _convert(chosen: BackboneChoice, preprocessing: Preprocessing) -> tuple[bytes, bool]:
    """Return the bytes of the ONNX file, and whether it takes squares of one size only."""
    require("torch", extra="train")
    size = preprocessing.size
    with seeded(0):  # random weights are the same ones on every machine
        backbone = load_backbone(chosen.name, chosen.weights, size, sha256=chosen.sha256)
    # timm knows which networks take one size only, such as transformers with their positions
    fixed = _fix_pools(backbone.module) or getattr(backbone.module, "pretrained_cfg", {}).get("fixed_input_size", False)
    model = _with_pixels(backbone.module, preprocessing, deep="deep" in depths(chosen))
    names = {0: "n"} if fixed else {0: "n", 1: "height", 2: "width"}
    try:
        data = convert_module(model, size, {"image": names, "features": {0: "n"}})
    except RuntimeError as error:
        reason = str(error).splitlines()[0][:200]
        message = f"{chosen.name} cannot be converted to ONNX: {reason}"
        raise SettingsError(message, "choose another backbone") from error
    _check(model, data, (3, size, size, 3))
    if not fixed:
        _check(model, data, (1, size, size + 64, 3))
    return data, fixed


def _fix_pools(module: Any) -> bool:
    """Replace pools to a number of cells, such as AlexNet's, by products with two matrices; return whether any were.

    ONNX has such pools only where the cells divide the side. A cell is the mean of what it touches, so a pool is linear
    in rows and in columns, and for one size of square both matrices are constants.
    """
    import torch

    class Pool(torch.nn.Module):
        """The same means as `AdaptiveAvgPool2d`."""

        def __init__(self, cells: tuple[int, int]) -> None:
            super().__init__()
            self.cells = cells

        def forward(self, values: Any) -> Any:
            """Return (n, channels, rows, columns) cells."""
            down, across = (_means(int(side), count) for side, count in zip(values.shape[2:], self.cells, strict=True))
            return torch.from_numpy(down) @ values @ torch.from_numpy(across.T.copy())

    replaced = False
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, torch.nn.AdaptiveAvgPool2d) and child.output_size not in (1, (1, 1)):
                cells: Any = child.output_size
                setattr(parent, name, Pool(cells if isinstance(cells, tuple) else (cells, cells)))
                replaced = True
    return replaced


def _means(side: int, cells: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return (cells, side): row i takes the mean from floor(i side / cells) to ceil((i + 1) side / cells)."""
    means = np.zeros((cells, side), np.float32)
    for cell in range(cells):
        first, last = cell * side // cells, -(-(cell + 1) * side // cells)
        means[cell, first:last] = 1 / (last - first)
    return means


def _with_pixels(backbone: Any, preprocessing: Preprocessing, *, deep: bool) -> Any:
    """Return the backbone in evaluation mode, taking uint8 pixels and normalising them itself."""
    import torch

    class PixelBackbone(torch.nn.Module):
        """Pixels in, features out."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("mean", 255.0 * torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", 255.0 * torch.tensor(preprocessing.std).view(1, 3, 1, 1))

        def forward(self, image: Any) -> Any:
            """Return features, (n, d) float32."""
            pixels = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return _read_deep(self.backbone, pixels) if deep else self.backbone(pixels)

    return PixelBackbone().eval()


def _read_deep(backbone: Any, pixels: Any) -> Any:
    """Return pooled features, (n, d) float32: of the last layer, then of each of the last blocks, all at least 0."""
    import torch

    blocks = [block for stage in backbone.blocks for block in stage][-_DEEP_BLOCKS:]
    middles: list[Any] = []
    hooks = [block.bn2.register_forward_hook(lambda *call: middles.append(call[2])) for block in blocks]
    top = backbone(pixels)
    for hook in hooks:
        hook.remove()
    return torch.cat([top, *(middle.mean((2, 3)) for middle in middles)], dim=1)


def _check(model: Any, data: bytes, shape: tuple[int, int, int, int]) -> None:
    """Check that the ONNX file gives the original's features of pictures of this shape."""
    import onnxruntime
    import torch

    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = model(torch.from_numpy(image)).numpy()
    difference = float(np.abs(session.run(None, {"image": image})[0] - expected).max())
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise RuntimeError(f"the converted backbone differs by {difference:.2g}")
