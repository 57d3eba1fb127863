"""Files of weights: read as numbers only, and laid into the network that they are of.

Knows nothing about where files come from. They are safetensors, or torch's form under `weights_only`: nothing in them
can run.
"""

import importlib
import pickle
import warnings
from pathlib import Path
from typing import Any

from fieldguide.errors import InputUnusable

__all__ = ["fill_weights", "read_weights"]

_WRAPPINGS = ("state_dict_ema", "state_dict", "model_state_dict", "model_ema", "model")


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a file by name, on the processor.

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
    tensors = (
        {str(key): value for key, value in state.items() if torch.is_tensor(value)} if isinstance(state, dict) else {}
    )
    if not tensors:
        raise InputUnusable(f"{path} holds no weights by name", "give a state_dict: tensors by name")
    return {key.removeprefix("module."): value for key, value in tensors.items()}


def fill_weights(module: Any, state: dict[str, Any], name: str, path: Path) -> None:
    """Nothing; the module has these weights; those of a classifier on top are left out.

    Args:
        module: a backbone without its classifier.
        state: tensors by name.
        name: the backbone's, for messages.
        path: the file's, for messages.

    Raises:
        InputUnusable: they are of another architecture; the first that does not fit is named.
    """
    wanted = module.state_dict()
    fitting = _translate(module, state)
    for key, tensor in wanted.items():
        if key not in fitting and not key.endswith("num_batches_tracked"):
            raise _mismatch(f"{key} is not in it", name, path)
        if key in fitting and fitting[key].shape != tensor.shape:
            shapes = f"{key} is {tuple(fitting[key].shape)} in it and {tuple(tensor.shape)} in {name}"
            raise _mismatch(shapes, name, path)
    heads = _classifier_names(module)
    for key in fitting:
        if key not in wanted and not key.startswith(heads):
            raise _mismatch(f"{key} is not in {name}", name, path)
    module.load_state_dict({key: fitting[key] for key in wanted if key in fitting}, strict=False)


def _mismatch(what: str, name: str, path: Path) -> InputUnusable:
    """The error for weights of another architecture."""
    return InputUnusable(f"{path} holds no weights of {name}: {what}", "name the backbone that they are of")


def _classifier_names(module: Any) -> tuple[str, ...]:
    """Beginnings of the names that only a classifier has."""
    config = getattr(module, "pretrained_cfg", {"classifier": "classifier.6"})  # torchvision's AlexNet has none
    given = config.get("classifier") or ()
    return tuple(f"{one}." for one in ((given,) if isinstance(given, str) else given))


def _translate(module: Any, state: dict[str, Any]) -> dict[str, Any]:
    """The weights under timm's names and for this size of square, where timm knows how."""
    change = getattr(importlib.import_module(type(module).__module__), "checkpoint_filter_fn", None)
    if change is None:
        return state
    try:
        return dict(change(dict(state), module))
    except (KeyError, RuntimeError, AttributeError, IndexError, TypeError, ValueError):
        return state  # of another architecture: the comparison that follows says so
