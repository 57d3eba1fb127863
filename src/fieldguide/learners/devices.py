"""What a network runs on, in which precision, and what makes it exact and quick on a processor.

Knows nothing about networks or pictures.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from fieldguide.engine import core_count
from fieldguide.errors import SettingsError
from fieldguide.settings import LoopSettings

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h
_INT_MAX = 2**31 - 1
_MEMORY_ERRORS = ("out of memory", "can't allocate memory", "not enough memory", "could not create a memory")


class Hardware(NamedTuple):
    """What a training runs on: `cuda`, `mps` or `cpu`; `bf16` or `fp32`; torch's threads on the processor."""

    device: str
    precision: str
    threads: int


def choose_hardware(settings: LoopSettings) -> Hardware:
    """Return what the settings ask for, and for `auto` what is best here."""
    device = choose_device(settings.device)
    threads = core_count() if settings.threads == "auto" else settings.threads
    return Hardware(device, choose_precision(settings.precision, device), threads)


def choose_device(requested: str) -> str:
    """Return the device asked for, or for `auto` the best there is."""
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if requested == "auto":
        return next(name for name, here in available.items() if here)
    if requested not in available:
        raise SettingsError(f"there is no device called {requested!r}", f"choose auto, {', '.join(available)}")
    if not available[requested]:
        here = ", ".join(name for name in available if available[name])
        raise SettingsError(
            f"device {requested} is asked for, and torch finds only {here} here",
            'device = "auto" takes what there is; a GPU needs its driver and a torch that is built for it',
        )
    return requested


def choose_precision(requested: str, device: str) -> str:
    """Return the precision asked for, or for `auto` bf16 on a CUDA device that has it, else fp32.

    On a processor bf16 helps passes forward only; training was slower with it for networks with depthwise kernels.
    """
    import torch

    if requested == "bf16" and device == "mps":
        raise SettingsError("bf16 does not work on MPS", 'precision = "auto"')
    if requested != "auto":
        return requested
    return "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


@contextmanager
def on_device(module: Any, requested: str) -> Iterator[None]:
    """Move a torch module to a device inside the block, and back to the processor after it."""
    module.to(choose_device(requested))
    try:
        yield
    finally:
        module.to("cpu")


@contextmanager
def deterministic(hardware: Hardware) -> Iterator[None]:
    """Make the processor's sums the same in every run inside the block; on a GPU nothing is promised.

    Outside, torch's settings and its stream of random numbers are as before.
    """
    import torch

    threads = torch.get_num_threads()
    strict, warn = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    filling = memory.fill_uninitialized_memory
    try:
        torch.set_num_threads(hardware.threads)
        if hardware.device == "cpu":
            torch.use_deterministic_algorithms(True)
            memory.fill_uninitialized_memory = False  # slow, and only a help against mistakes
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        memory.fill_uninitialized_memory = filling


@contextmanager
def lean_activations(module: Any) -> Iterator[None]:
    """Let each ReLU6 of a torch module keep its output for the backward pass, inside the block.

    Torch keeps a copy of its input, a fifth of what a training of EfficientNet-Lite0 holds, while the output is kept
    anyway by the layer that follows. The gradient is the same to the bit: both are outside (0, 6) at the same places.
    """
    import torch

    class Clip(torch.autograd.Function):
        """ReLU6 (Howard et al., "MobileNets", 2017)."""

        @staticmethod
        def forward(context: Any, inputs: Any) -> Any:
            """Return the inputs, clipped to 0..6."""
            outputs = torch.nn.functional.relu6(inputs)
            context.save_for_backward(outputs)
            return outputs

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            """Return the gradient where nothing was clipped, else 0."""
            (outputs,) = context.saved_tensors
            return torch.ops.aten.hardtanh_backward(gradient, outputs, 0.0, 6.0)

    clips: list[Any] = [part for part in module.modules() if isinstance(part, torch.nn.ReLU6)]
    for part in clips:
        part.forward = Clip.apply
    try:
        yield
    finally:
        for part in clips:
            del part.forward


def keep_freed_memory() -> bool:
    """Tell the C library to keep what it frees, for the life of this process; return whether it could be told.

    Each pass asks for the same large blocks again; getting them from the system each time costs more than a third of
    a training step (glibc's mallopt, 107 million page faults in one evaluation). Other libraries have no such setting.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, _INT_MAX))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that memory was not enough; torch has no one class for it."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _MEMORY_ERRORS)
