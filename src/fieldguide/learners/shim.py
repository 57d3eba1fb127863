"""Lets torchvision be imported beside a processor-only torch.

The registry's torchvision is built for CUDA: its compiled part cannot load there, so the operators that it would
register are missing and its import fails. Declaring their schemas first is enough for everything that needs no
compiled operator. Where torchvision is whole, this does nothing.
"""

import importlib.util
from pathlib import Path
from typing import Any

from fieldguide.errors import MissingExtra

__all__ = ["declare_torchvision_operators"]

_SCHEMAS = ("nms", "qnms")
_declared: list[Any] = []  # a library's schemas live as long as the library


def declare_torchvision_operators() -> bool:
    """Whether schemas had to be declared; call before the first import of torchvision or timm.

    Raises:
        MissingExtra: torch or torchvision is not installed.
    """
    import torch

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise MissingExtra("torchvision is not installed", "pip install 'fieldguide[train]'")
    extensions = sorted(Path(found.origin).parent.glob("_C*.so"))
    if _declared or not extensions:
        return bool(_declared)
    try:
        torch.ops.load_library(str(extensions[0]))  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in _SCHEMAS:
            library.define(  # type: ignore[no-untyped-call]
                f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _declared.append(library)
    return bool(_declared)
