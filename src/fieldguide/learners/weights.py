"""Backbones by name with weights from a package, a file or the hub.

Knows nothing about heads, training or pictures.
"""

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, SettingsError
from fieldguide.learners import backbones
from fieldguide.learners.hub import Hub
from fieldguide.learners.shim import declare_torchvision_operators
from fieldguide.learners.weightfiles import fill_weights, read_weights

__all__ = ["BACKBONE_NAMES", "Backbone", "find_backbone", "load_backbone"]

_TORCHVISION = "torchvision:"
# the short names: what the five systems tried, the default, and a DINOv2; any other name of timm's works too
BACKBONE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "efficientnet_lite0": "tf_efficientnet_lite0",
        "alexnet": f"{_TORCHVISION}alexnet",
        "convnext_tiny": "convnext_tiny.fb_in1k",
        "densenet121": "densenet121.tv_in1k",
        "densenet201": "densenet201.tv_in1k",
        "resnet18": "resnet18.tv_in1k",
        "mobilenet_v1": "mobilenetv1_100.ra4_e3600_r224_in1k",
        "mobilenet_v2": "mobilenetv2_100.ra_in1k",
        "mobilenet_v3_small": "mobilenetv3_small_100.lamb_in1k",
        "mobilenet_v3_large": "mobilenetv3_large_100.ra_in1k",
        "dinov2_small": "vit_small_patch14_dinov2.lvd142m",
    }
)
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """A network that ends in features.

    Attributes:
        name: as it was asked for.
        size: side of its square, pixels.
        width: how many features.
        mean: what its weights expect to be subtracted, per RGB channel, in units of 0..1.
        std: what they expect to be divided by.
        module: a torch module: (n, 3, size, size) normalised to (n, width).
        stages: names of its parameters from input to output, a tuple for each stage.
        source: where the weights are from, in words.
        digest: SHA-256 of the file of weights; "" for random ones.
    """

    name: str
    size: int
    width: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    module: Any
    stages: tuple[tuple[str, ...], ...]
    source: str
    digest: str


def find_backbone(name: str) -> str:
    """The full name that timm, or torchvision after "torchvision:", knows this backbone by.

    Raises:
        SettingsError: nobody knows it; the nearest names are in the hint.
        MissingExtra: torch, torchvision or timm is not installed.
    """
    timm = _import_timm()
    full = BACKBONE_NAMES.get(name, name)
    if full == f"{_TORCHVISION}alexnet" or timm.is_model(full):
        return full
    known = list(dict.fromkeys([*BACKBONE_NAMES, *timm.list_models()]))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or list(BACKBONE_NAMES)[:3]
    raise SettingsError(f"there is no backbone {name!r}", f"did you mean {', '.join(near)}?")


def load_backbone(name: str, weights: str, size: int, *, sha256: str = "", hub: Hub | None = None) -> Backbone:
    """The backbone with its weights, in training mode.

    Args:
        name: a key of `BACKBONE_NAMES`, or any name of timm's.
        weights: `embedded` (comes with the extra [train]; efficientnet_lite0 only), `hub`, `none` (random), or a path.
        size: side of the square, pixels.
        sha256: what the file of weights must have, in hexadecimal; "" for whatever it has.
        hub: where `hub` is; None for the public one.

    Raises:
        SettingsError: no such backbone, no embedded weights for it, or a square that it cannot take.
        InputMissing: there is no such file.
        InputUnusable: the file holds no weights, those of another architecture, or not what the checksum says.
        NetworkDown: the hub cannot be reached.
        MissingExtra: torch, torchvision or timm is not installed.
    """
    full = find_backbone(name)
    module, config = _create(full, size)
    source, digest = "random numbers", ""
    if weights == "embedded":
        if full != "tf_efficientnet_lite0":
            raise SettingsError(f"no weights for {name} are embedded", 'weights = "hub", or the path of a file')
        path = backbones._weights_file()
        module.load_state_dict(backbones._load("efficientnet_lite0", path).state_dict(), strict=False)
        source, digest = "embedded", _check_digest(path, sha256)
    elif weights != "none":
        path = (hub or Hub()).fetch(name, config) if weights == "hub" else Path(weights).expanduser()
        digest = _check_digest(path, sha256)
        fill_weights(module, read_weights(path), name, path)
        source = "hub" if weights == "hub" else path.name
    mean, std = tuple(config["mean"]), tuple(config["std"])
    return Backbone(name, size, config["width"], mean, std, module, _stages(module, full), source, digest)


def _import_timm() -> Any:
    """The library.

    Raises:
        MissingExtra: it or torchvision is not installed.
    """
    try:
        declare_torchvision_operators()
        import timm
    except ImportError as error:
        raise MissingExtra("training needs the extra [train]", "pip install 'fieldguide[train]'") from error
    return timm


def _create(full: str, size: int) -> tuple[Any, dict[str, Any]]:
    """The backbone without weights, and what is known of them with the `width` of its features.

    Raises:
        SettingsError: it cannot take squares of this size.
    """
    import torch

    if full.startswith(_TORCHVISION):
        module, config = _create_alexnet()
    else:
        timm = _import_timm()
        try:
            module = timm.create_model(full, num_classes=0, img_size=size)
        except TypeError:  # most have no fixed size
            module = timm.create_model(full, num_classes=0)
        config = dict(module.pretrained_cfg)
    try:
        with torch.inference_mode():
            width = module.eval()(torch.zeros((1, 3, size, size))).shape[1]
    except (RuntimeError, AssertionError, ValueError) as error:
        hint = "most take multiples of 32, transformers those of their patch: 14 or 16"
        raise SettingsError(f"{full} cannot take squares of {size} pixels", hint) from error
    return module.train(), config | {"width": width}


def _create_alexnet() -> tuple[Any, dict[str, Any]]:
    """AlexNet, which timm has not, up to its last layer but one."""
    from torchvision.models import AlexNet_Weights, alexnet

    module = alexnet(weights=None)
    module.classifier = module.classifier[:-1]
    return module, {"mean": _IMAGENET[0], "std": _IMAGENET[1], "url": AlexNet_Weights.DEFAULT.url}


def _stages(module: Any, full: str) -> tuple[tuple[str, ...], ...]:
    """Names of the parameters, from input to output."""
    names = [name for name, _ in module.named_parameters()]
    if full.startswith(_TORCHVISION):
        layers: dict[str, list[str]] = {}
        for name in names:
            layers.setdefault(name.rpartition(".")[0], []).append(name)
        return tuple(tuple(layer) for layer in layers.values())
    from timm.models import group_parameters

    groups = group_parameters(module, module.group_matcher(coarse=True))
    return tuple(tuple(group) for _, group in sorted(groups.items()))


def _check_digest(path: Path, wanted: str) -> str:
    """The SHA-256 of the file, in hexadecimal.

    Raises:
        InputMissing: there is no such file.
        InputUnusable: it is not the one wanted.
    """
    if not path.is_file():
        raise InputMissing(f"there is no file of weights at {path}", 'check the path, or weights = "embedded"')
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted and found != wanted.lower():
        raise InputUnusable(f"{path} has SHA-256 {found[:16]}..., not {wanted[:16]}...", "fetch the file again")
    return found
