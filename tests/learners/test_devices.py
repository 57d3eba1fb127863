"""How a training uses the machine: threads that wait leave the cores to others, and no more is held than is needed."""

import os
import subprocess
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from command import environment  # noqa: E402
from fieldguide.learners.devices import lean_activations  # noqa: E402


def spin_counts(**variables: str) -> set[int]:
    """Return how often the OpenMP libraries of torch and scikit-learn look, in a new process, before they sleep."""
    inherited = {key: value for key, value in environment().items() if key != "OMP_WAIT_POLICY"}
    program = "import fieldguide.learners, torch, sklearn.svm, sklearn.ensemble"
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**inherited, "OMP_DISPLAY_ENV": "VERBOSE", **variables},
    )  # fmt: skip
    lines = finished.stderr.splitlines()
    return {int(line.partition("=")[2].strip(" '")) for line in lines if "GOMP_SPINCOUNT" in line}


@pytest.mark.skipif(os.name != "posix" or sys.platform != "linux", reason="OpenMP shows its settings on Linux")
def test_waiting_threads_sleep_unless_the_user_says_otherwise() -> None:
    assert spin_counts() == {0}
    assert min(spin_counts(OMP_WAIT_POLICY="ACTIVE")) > 0


def run_backward(module: Any) -> tuple[dict[str, Any], int]:
    """Return the gradients of a pass, and the bytes that were held for it."""
    held: dict[int, int] = {}

    def note(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    module.zero_grad()
    inputs = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = module(inputs).square().mean()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in module.named_parameters()}, sum(held.values())


def test_lean_activations_hold_less_for_the_same_gradients() -> None:
    nn = torch.nn
    torch.manual_seed(0)
    layers: list[Any] = []
    for channels in (3, 8):
        layers += [nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)]
    module = nn.Sequential(*layers, nn.Conv2d(8, 2, 3))
    with torch.no_grad():
        module[1].weight.mul_(8)  # so that both ends are reached
    usual, usual_bytes = run_backward(module)
    with lean_activations(module):
        lean, lean_bytes = run_backward(module)
    assert all(torch.equal(lean[name], gradient) for name, gradient in usual.items())
    assert lean_bytes < 0.8 * usual_bytes
    after, after_bytes = run_backward(module)
    assert after_bytes == usual_bytes
    assert all(torch.equal(after[name], gradient) for name, gradient in usual.items())
