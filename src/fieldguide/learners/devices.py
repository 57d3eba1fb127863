"""What a network runs on, in which precision, and what makes it exact and quick on a processor.

Knows nothing about networks or pictures.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fieldguide.engine import core_count
from fieldguide.errors import SettingsError

__all__ = ["choose_device", "choose_precision", "exact", "is_out_of_memory", "keep_memory", "placed"]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_MOST = 2**31 - 1


def choose_device(wanted: str) -> str:
    """`cuda`, `mps` or `cpu`: the one asked for, or for `auto` the best there is.

    Raises:
        SettingsError: it is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in there.items() if found)
    if wanted not in there:
        raise SettingsError(f"there is no kind of device {wanted!r}", f"choose auto, {', '.join(there)}")
    if not there[wanted]:
        found = ", ".join(name for name, here in there.items() if here)
        raise SettingsError(
            f"device {wanted} is asked for, and torch finds only {found} here",
            'device = "auto" takes what there is; a GPU needs its driver and a torch that is built for it',
        )
    return wanted


def choose_precision(wanted: str, device: str) -> str:
    """`bf16` or `fp32`: the one asked for, or for `auto` bf16 on a CUDA device that has it.

    On a processor bf16 helps passes forward only; training was slower with it for networks with depthwise kernels.

    Raises:
        SettingsError: bf16 is asked for on MPS.
    """
    import torch

    if wanted == "bf16" and device == "mps":
        raise SettingsError("bf16 is not for MPS", 'precision = "auto"')
    if wanted != "auto":
        return wanted
    return "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


@contextmanager
def placed(module: Any, wanted: str) -> Iterator[None]:
    """Nothing; inside the block the torch module is on the device, and behind it on the processor.

    Raises:
        SettingsError: the device is not there.
    """
    module.to(choose_device(wanted))
    try:
        yield
    finally:
        module.to("cpu")


@contextmanager
def exact(device: str, threads: int) -> Iterator[int]:
    """The number of threads in use; inside the block the processor's sums are the same in every run.

    Outside, torch's settings and its stream of random numbers are as before.

    Args:
        device: on a GPU nothing is promised.
        threads: of torch; 0 is one for each core.
    """
    import torch

    before = torch.get_num_threads()
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filling = memory.fill_uninitialized_memory
    count = threads or core_count()
    try:
        torch.set_num_threads(count)
        if device == "cpu":
            torch.use_deterministic_algorithms(True)
            memory.fill_uninitialized_memory = False  # slow, and only a help against mistakes
        with torch.random.fork_rng(devices=[]):
            yield count
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        memory.fill_uninitialized_memory = filling


def keep_memory() -> bool:
    """Whether the C library was told to keep what it frees, for the life of this process.

    Each pass asks for the same large blocks again; getting them from the system each time costs more than a third of
    a training step (glibc's mallopt, 107 million page faults in one evaluation). Other libraries have no such setting.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _MOST))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory was not enough; torch has no one class for it."""
    import torch

    said = str(error)
    known = ("out of memory", "can't allocate memory", "not enough memory", "could not create a memory")
    kinds: tuple[Any, ...] = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or (isinstance(error, RuntimeError) and any(one in said for one in known))
