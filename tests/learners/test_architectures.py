"""Networks from scratch and heads: their shapes, their numbers, and the model that is published from them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from fieldguide.calibration import softmax  # noqa: E402
from fieldguide.errors import SettingsError  # noqa: E402
from fieldguide.exporters.onnx import export_network  # noqa: E402
from fieldguide.learners.architectures import NETWORKS, Network, build_network, count_parameters, seeded  # noqa: E402
from fieldguide.learners.heads import HEADS, attach_head  # noqa: E402
from fieldguide.learners.loop import predict, train_network  # noqa: E402
from fieldguide.learners.weights import load_backbone  # noqa: E402
from learning import QUICK, change, coloured, tiny_network  # noqa: E402


def vgg_small_by_hand(size: int, classes: int) -> int:
    """Count weights and biases, layer by layer: 3x3 kernels without padding, pools that halve."""
    side = size - 2 - 2
    side = side // 2 - 2 - 2
    side = side // 2 - 2
    side = side // 2
    kernels = (3 * 32 * 9 + 32) + (32 * 32 * 9 + 32) + (32 * 64 * 9 + 64) + 2 * (64 * 64 * 9 + 64)
    return kernels + (side * side * 64 * 128 + 128) + (128 * classes + classes)


@pytest.mark.parametrize(("size", "classes"), [(128, 5), (150, 3), (32, 2), (61, 7)])
def test_vgg_small_has_the_parameters_of_the_hand_count(size: int, classes: int) -> None:
    assert count_parameters(build_network("vgg-small", classes, size, 0)) == vgg_small_by_hand(size, classes)
    assert vgg_small_by_hand(128, 5) == 1_487_717


def test_vgg_small_has_the_layers_of_that_system() -> None:
    module = build_network("vgg-small", 5, 64, 0).module
    kinds = [type(layer).__name__ for layer in module.modules() if not list(layer.children())]
    block = ["Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"]
    assert kinds == [*block, *block, "Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "ReLU", "Dropout", "Linear"]
    convolutions = [layer for layer in module.modules() if type(layer).__name__ == "Conv2d"]
    assert [layer.out_channels for layer in convolutions] == [32, 32, 64, 64, 64]
    assert next(layer.p for layer in module.modules() if type(layer).__name__ == "Dropout") == 0.5


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [32, 45, 64])
def test_pixels_in_logits_out(name: str, size: int) -> None:
    network = build_network(name, 4, size, 0)
    network.module.eval()
    pixels = torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        features, logits = network.module.features(pixels), network.module(pixels)
    assert features.shape == (2, network.width) and logits.shape == (2, 4)
    assert float(features.min()) >= 0
    assert float((logits[0] - logits[1]).abs().max()) > 0
    names = [name for stage in network.stages for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.module.named_parameters())
    assert all(network.stages) and all(parameter.startswith("head.") for parameter in network.stages[-1])


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_follow_from_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    weights = build_network(name, 3, 32, 7).module.state_dict()
    torch.manual_seed(2)
    state = torch.get_rng_state()
    repeated, reseeded = (build_network(name, 3, 32, seed).module.state_dict() for seed in (7, 8))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(weights[key], repeated[key]) for key in weights)
    assert any(not torch.equal(weights[key], reseeded[key]) for key in weights)


def test_a_guess_is_where_it_starts() -> None:
    network = build_network("small", 10, 32, 0)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32)).astype(np.float32))
    with torch.inference_mode():
        loss = float(torch.nn.functional.cross_entropy(network.module(pixels), torch.arange(16) % 10))
    assert loss == pytest.approx(np.log(10), abs=0.1)


def test_normalising_is_inside() -> None:
    network = tiny_network()
    network.module.eval()
    pixels = torch.rand((1, 3, 8, 8)) * 255
    with torch.inference_mode():
        expected = network.module.body((pixels / 255 - 0.5) / 0.25)
        assert torch.allclose(network.module.features(pixels), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "size", "word"), [("vgg", 64, "no network 'vgg'"), ("small", 16, "too small")])
def test_networks_that_cannot_be(name: str, size: int, word: str) -> None:
    with pytest.raises(SettingsError, match=word) as caught:
        build_network(name, 3, size, 0)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("head", "layers"),
    [
        ("linear", [(1280, 5)]),
        ("mlp-1024", [(1280, 1024), (1024, 1024), (1024, 512), (512, 5)]),
        ("mlp-halving", [(1280, 640), (640, 320), (320, 5)]),
    ],
)
def test_heads_of_the_seeds(head: str, layers: list[tuple[int, int]]) -> None:
    backbone = load_backbone("efficientnet_lite0", "none", 32)
    network = attach_head(backbone, head, 5, 0)
    linears = [layer for layer in network.module.head.modules() if type(layer).__name__ == "Linear"]
    assert [(layer.in_features, layer.out_features) for layer in linears] == layers
    names = [name for stage in network.stages for name in stage]
    assert sorted(names) == sorted(name for name, _ in network.module.named_parameters())
    repeated = attach_head(backbone, head, 5, 0).module.head.state_dict()
    assert all(torch.equal(value, repeated[key]) for key, value in network.module.head.state_dict().items())


def test_a_head_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match="no head 'deep'") as caught:
        attach_head(load_backbone("resnet18", "none", 32), "deep", 5, 0)
    assert all(name in caught.value.hint for name in HEADS)


# ---- publishing


def learnt() -> tuple[Network, Any]:
    """Return a network that has learnt a little, so that its norms are not those of a new one."""
    network, examples = tiny_network(), coloured(60)
    train_network(network, examples, change(QUICK, epochs=2))
    return network, examples


@pytest.mark.parametrize("kind", ["tiny", "vgg-small", "small", "mobilenet_v3_small"])
def test_the_published_model_answers_as_torch_does(kind: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    size = 8 if kind == "tiny" else 32
    squares = np.random.default_rng(1).integers(0, 256, (7, size, size, 3), dtype=np.uint8)
    if kind == "tiny":
        network, _ = learnt()
    elif kind in NETWORKS:
        network = build_network(kind, 3, size, 0)
    else:
        network = attach_head(load_backbone(kind, "none", size), "mlp-halving", 3, 0)
    network.module.eval()
    outputs = predict(network, squares, np.arange(7), 4)
    data = export_network(network.module, size, 0.7)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert [(tensor.name, tensor.type, tensor.shape) for tensor in session.get_inputs()] == [
        ("image", "tensor(uint8)", ["n", size, size, 3])
    ]
    logits, features = session.run(["logits", "features"], {"image": squares})
    probs = softmax(logits.astype(np.float64))
    expected = torch.softmax(torch.from_numpy(outputs.logits) / 0.7, 1).numpy()
    assert np.abs(probs - expected).max() < 1e-4
    assert np.abs(features - outputs.features).max() < 1e-3 * max(1.0, float(np.abs(outputs.features).max()))
    assert probs.shape == (7, 3) and np.allclose(probs.sum(1), 1, atol=1e-5)
    first = session.run(["logits"], {"image": squares[:1]})[0]
    assert np.abs(first - logits[:1]).max() < 1e-4, "any number of pictures at once"
    assert np.abs(probs[0] - probs[1]).max() > 0 or kind == "small"


def test_seeded_is_a_block_of_its_own() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with seeded(5):
        numbers = torch.rand(3)
    with seeded(5):
        assert torch.equal(numbers, torch.rand(3))
    assert torch.equal(state, torch.get_rng_state())
