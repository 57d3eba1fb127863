"""Backbones by name, and their weights from a package, a file or a hub: whole, or an error of two lines."""

import hashlib
import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from fieldguide.errors import InputMissing, InputUnusable, NetworkDown, SettingsError  # noqa: E402
from fieldguide.learners.heads import attach_head  # noqa: E402
from fieldguide.learners.weights import (  # noqa: E402
    BACKBONE_NAMES,
    Backbone,
    Hub,
    find_backbone,
    find_norm,
    find_weights,
    find_width,
    load_backbone,
    load_embedded,
    read_weights,
)

SMALL = "mobilenet_v3_small"
SIZE = 64
WIDTHS = {
    "efficientnet_lite0": 1280, "efficientnet_lite2": 1280,
    "alexnet": 4096, "convnext_tiny": 768, "densenet121": 1024, "densenet201": 1920,
    "resnet18": 512, "mobilenet_v1": 1024, "mobilenet_v2": 1280, "mobilenet_v3_small": 1024, "mobilenet_v3_large": 1280,
    "dinov2_small": 384,
}  # fmt: skip


def answer(backbone: Backbone) -> Any:
    """Return its features of one made-up square, without dropout."""
    backbone.module.eval()
    pixels = torch.rand((1, 3, backbone.size, backbone.size), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return backbone.module(pixels)


def random_state(name: str = SMALL, seed: int = 3) -> dict[str, Any]:
    torch.manual_seed(seed)
    return dict(load_backbone(name, "none", SIZE).module.state_dict())


def save(state: dict[str, Any], path: Path) -> Path:
    """Write this state as a safetensors file; return its path."""
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


# ---- names


def timm_norm(name: str) -> Any:
    """Return the library's own norm of a name; ImageNet's for the one whose weights are not the library's."""
    import timm

    if name == "alexnet":
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config: Any = timm.models.get_pretrained_cfg(find_backbone(name))
    return config.mean, config.std


@pytest.mark.parametrize("name", list(WIDTHS))
def test_each_name_of_the_seeds_is_built_without_weights(name: str) -> None:
    backbone = load_backbone(name, "none", 70 if name == "dinov2_small" else SIZE)
    assert backbone.width == WIDTHS[name]
    assert answer(backbone).shape == (1, WIDTHS[name])
    names = [parameter for stage in backbone.stages for parameter in stage]
    assert sorted(names) == sorted(parameter for parameter, _ in backbone.module.named_parameters())
    assert len(backbone.stages) >= 5
    assert (backbone.source, backbone.digest) == ("random numbers", "")
    assert (backbone.mean, backbone.std) == find_norm(name) == timm_norm(name)
    assert find_width(name, SIZE) == backbone.width
    network = attach_head(backbone, "linear", 3, 0)
    assert len(network.stages) == len(backbone.stages) + 1


def test_the_names_are_those() -> None:
    assert set(WIDTHS) == set(BACKBONE_NAMES)
    assert find_backbone("resnet18") == "resnet18.tv_in1k"
    timm_name = "mobilenetv4_conv_small.e2400_r224_in1k"
    assert find_backbone(timm_name) == timm_name, "any name of timm's"
    assert find_norm(timm_name) == timm_norm(timm_name)
    assert find_width(timm_name, SIZE) == load_backbone(timm_name, "none", SIZE).width == 1280
    assert find_width("vit_tiny_patch16_224", SIZE) == 192
    with pytest.raises(SettingsError, match="cannot take squares of 10"):
        find_width("vit_tiny_patch16_224", 10)


def test_the_first_stages_are_those_near_the_pixels() -> None:
    stages = load_backbone("resnet18", "none", SIZE).stages
    assert stages[0][0] == "conv1.weight"
    assert stages[-1][-1].startswith("layer4.1")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("resnet_18", "resnet18"), ("efficientnetlite0", "efficientnet_lite0"), ("mobilenet_v3_smal", SMALL)],
)
def test_an_unknown_backbone_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(SettingsError, match=f"no backbone '{wrong}'") as caught:
        load_backbone(wrong, "none", SIZE)
    assert near in caught.value.hint
    with pytest.raises(SettingsError) as caught:
        find_backbone("qqqqqqqq")
    assert "efficientnet_lite0" in caught.value.hint
    with pytest.raises(SettingsError, match=r"no weights called 'resnet18\.tv_in1kk'") as caught:
        find_backbone("resnet18.tv_in1kk")
    assert caught.value.hint.startswith("did you mean resnet18.tv_in1k")
    assert find_backbone("resnet18.tv_in1k") == "resnet18.tv_in1k"


def test_a_square_that_it_cannot_take() -> None:
    with pytest.raises(SettingsError, match="cannot take squares of 30 pixels") as caught:
        load_backbone("alexnet", "none", 30)
    assert caught.value.hint


# ---- embedded


def test_the_embedded_weights_are_the_ones_that_are_frozen_elsewhere(shared: Path) -> None:
    backbone = load_backbone("efficientnet_lite0", "embedded", 224)
    original = load_embedded()
    pixels = torch.rand((1, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = original.forward_head(original.forward_features(pixels), pre_logits=True)
        assert torch.equal(backbone.module.eval()(pixels), expected)
    assert backbone.source == "embedded"
    assert backbone.digest.startswith("57934424")


def test_only_one_backbone_has_embedded_weights() -> None:
    with pytest.raises(SettingsError, match="no weights for resnet18 are embedded") as caught:
        load_backbone("resnet18", "embedded", SIZE)
    assert "hub" in caught.value.hint and "path" in caught.value.hint


# ---- files


def test_the_file_that_is_meant_is_found_without_building_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"weights")
    monkeypatch.setattr("fieldguide.learners.weights.import_timm", None)
    assert find_weights("resnet18", "none") == (None, "")
    assert find_weights("resnet18", str(path)) == (path, hashlib.sha256(b"weights").hexdigest())
    path_found, digest = find_weights("efficientnet_lite0", "embedded")
    assert path_found and path_found.is_file() and digest.startswith("57934424")
    with pytest.raises(InputUnusable, match="has SHA-256"):
        find_weights("resnet18", str(path), sha256="0" * 64)
    with pytest.raises(InputMissing):
        find_weights("resnet18", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("form", ["safetensors", "plain", "wrapped", "parallel", "with classifier"])
def test_a_file_of_its_weights(form: str, tmp_path: Path) -> None:
    state = random_state()
    path = tmp_path / f"mine.{'safetensors' if form == 'safetensors' else 'pth'}"
    if form == "safetensors":
        save(state, path)
    else:
        tensors: dict[str, Any] = dict(state)
        if form == "parallel":
            tensors = {f"module.{name}": value for name, value in state.items()}
        if form == "with classifier":
            tensors |= {"classifier.weight": torch.zeros(1000, 1024), "classifier.bias": torch.zeros(1000)}
        torch.save(
            {"state_dict": tensors, "epoch": 3, "optimizer": {"lr": 0.1}} if form == "wrapped" else tensors, path
        )
    backbone = load_backbone(SMALL, str(path), SIZE)
    assert all(torch.equal(value, state[name]) for name, value in backbone.module.state_dict().items())
    assert backbone.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert backbone.source == path.name
    checked = load_backbone(SMALL, str(path), SIZE, sha256=backbone.digest.upper())
    assert torch.equal(answer(checked), answer(backbone))
    with pytest.raises(InputUnusable, match="has SHA-256"):
        load_backbone(SMALL, str(path), SIZE, sha256="0" * 64)


def test_a_transformer_s_positions_are_fitted_to_the_square(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = load_backbone("dinov2_small", "none", 70).module.state_dict()
    path = save(dict(state), tmp_path / "dino.safetensors")
    larger = load_backbone("dinov2_small", str(path), 98)
    assert state["pos_embed"].shape == (1, 26, 384)
    assert larger.module.pos_embed.shape == (1, 50, 384)
    assert answer(larger).shape == (1, 384)
    assert torch.equal(larger.module.blocks[0].mlp.fc1.weight, state["blocks.0.mlp.fc1.weight"])


def test_weights_of_another_architecture_name_the_first_mismatch(tmp_path: Path) -> None:
    path = save(random_state("mobilenet_v2"), tmp_path / "v2.safetensors")
    with pytest.raises(
        InputUnusable, match=r"no weights of efficientnet_lite0: blocks\.2\.0\.conv_dw\.weight is"
    ) as caught:
        load_backbone("efficientnet_lite0", str(path), SIZE)
    assert "(144, 1, 3, 3) in it and (144, 1, 5, 5) in efficientnet_lite0" in caught.value.message
    with pytest.raises(InputUnusable, match=r"no weights of resnet18: conv1\.weight is not in it"):
        load_backbone("resnet18", str(path), SIZE)
    with pytest.raises(InputUnusable, match=r"no weights of alexnet: features\.0\.weight is not in it"):
        load_backbone("alexnet", str(path), SIZE)
    more = save(random_state() | {"extra.weight": torch.zeros(3)}, tmp_path / "more.safetensors")
    with pytest.raises(InputUnusable, match=r"extra\.weight is not in mobilenet_v3_small"):
        load_backbone(SMALL, str(more), SIZE)


class Trap:
    """Do what a pickle must never be let do."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("trapped"),)


def test_nothing_in_a_file_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "trap.pth"
    torch.save({"weight": Trap()}, path)
    with pytest.raises(InputUnusable, match="not a file of weights alone") as caught:
        load_backbone(SMALL, str(path), SIZE)
    assert "safetensors" in caught.value.hint
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputUnusable):
        read_weights(tmp_path / "old.pth")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.safetensors", None), ("noise.safetensors", b"\x07" * 300), ("empty.safetensors", b""),
        ("noise.pth", b"\x07" * 300), ("empty.pth", b""), ("page.pth", b"<html>not found</html>"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_weights(name: str, data: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    sound = save(random_state(), tmp_path / "whole.safetensors").read_bytes()
    path.write_bytes(sound[: len(sound) // 2] if data is None else data)
    with pytest.raises(InputUnusable) as caught:
        load_backbone(SMALL, str(path), SIZE)
    assert str(path) in caught.value.message and caught.value.hint


def test_a_file_that_holds_other_things(tmp_path: Path) -> None:
    for number, content in enumerate(([1, 2], {"epoch": 3}, torch.zeros(3))):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path)
        with pytest.raises(InputUnusable, match="no weights by name"):
            read_weights(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="no file of weights") as caught:
        load_backbone(SMALL, str(tmp_path / "nowhere.safetensors"), SIZE)
    assert "embedded" in caught.value.hint


# ---- the hub


class Server(http.server.ThreadingHTTPServer):
    """A hub with one file of one backbone."""

    data: bytes = b""
    digest: str = ""
    requests: int = 0
    file: str = "model.safetensors"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.reply(b"")

    def do_GET(self) -> None:
        self.reply(self.server.data)

    def reply(self, body: bytes) -> None:
        self.server.requests += 1
        known = self.path.startswith("/timm/mobilenetv3_small_100.lamb_in1k/resolve/") and self.server.file in self.path
        self.send_response(200 if known else 404)
        if known:
            self.send_header("ETag", f'"{self.server.digest}"')
            self.send_header("X-Repo-Commit", "1" * 40)
            self.send_header("Content-Length", str(len(self.server.data)))
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
        self.end_headers()
        if known:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Do nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    hub_server = Server(("127.0.0.1", 0), Handler)
    hub_server.data = save(random_state(), tmp_path / "hub.safetensors").read_bytes()
    hub_server.digest = hashlib.sha256(hub_server.data).hexdigest()
    thread = threading.Thread(target=hub_server.serve_forever)
    thread.start()
    yield hub_server
    hub_server.shutdown()
    thread.join()
    hub_server.server_close()


def hub_of(server: Server, cache: Path) -> Hub:
    return Hub(f"http://127.0.0.1:{server.server_address[1]}", cache)


def test_weights_of_the_hub_are_fetched_once_and_checked(server: Server, tmp_path: Path) -> None:
    hub = hub_of(server, tmp_path / "cache")
    fetched = load_backbone(SMALL, "hub", SIZE, hub=hub)
    assert fetched.digest == server.digest and fetched.source == "hub"
    requests = server.requests
    cached = load_backbone(SMALL, "hub", SIZE, hub=hub)
    assert server.requests == requests, "the second time nothing is asked"
    assert torch.equal(answer(fetched), answer(cached))


def test_older_weights_of_the_hub_are_fetched_once_too(server: Server, tmp_path: Path) -> None:
    torch.save(random_state(), tmp_path / "old.bin")
    server.data, server.file = (tmp_path / "old.bin").read_bytes(), "pytorch_model.bin"
    server.digest = hashlib.sha256(server.data).hexdigest()
    fetched = load_backbone(SMALL, "hub", SIZE, hub=hub_of(server, tmp_path / "cache"))
    cached = load_backbone(SMALL, "hub", SIZE, hub=Hub("http://127.0.0.1:9", tmp_path / "cache"))
    assert fetched.digest == cached.digest == server.digest


def test_what_the_hub_sends_is_compared_with_what_it_says(server: Server, tmp_path: Path) -> None:
    server.data = server.data[:-1] + bytes([server.data[-1] ^ 1])
    with pytest.raises(InputUnusable, match="has SHA-256") as caught:
        load_backbone(SMALL, "hub", SIZE, hub=hub_of(server, tmp_path / "cache"))
    assert "remove the file" in caught.value.hint


def test_a_hub_without_the_weights(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no weights for resnet18 in timm/") as caught:
        load_backbone("resnet18", "hub", SIZE, hub=hub_of(server, tmp_path / "cache"))
    assert "embedded" in caught.value.hint


def test_without_a_network_the_two_ways_on_are_named(tmp_path: Path) -> None:
    hub = Hub("http://127.0.0.1:9", tmp_path / "cache")
    with pytest.raises(NetworkDown, match="weights of mobilenet_v3_small are not here") as caught:
        load_backbone(SMALL, "hub", SIZE, hub=hub)
    assert "embedded" in caught.value.hint and "path of a file" in caught.value.hint


def test_weights_at_an_address_carry_their_checksum_in_their_name(tmp_path: Path) -> None:
    data = b"weights"
    digest = hashlib.sha256(data).hexdigest()[:8]
    hub = Hub(cache=tmp_path)
    address = "http://127.0.0.1:9/models/alexnet-{}.pth"
    (tmp_path / f"alexnet-{digest}.pth").write_bytes(data)
    assert hub.fetch("alexnet", {"url": address.format(digest)}).read_bytes() == data
    (tmp_path / "alexnet-00000000.pth").write_bytes(data)
    with pytest.raises(InputUnusable, match="has SHA-256"):
        hub.fetch("alexnet", {"url": address.format("00000000")})
    with pytest.raises(NetworkDown, match="weights of alexnet"):
        hub.fetch("alexnet", {"url": address.format("11111111")})
    with pytest.raises(SettingsError, match="nobody offers"):
        hub.fetch("mine", {})


def test_the_record_says_all_that_a_run_must_keep() -> None:
    backbone = load_backbone(SMALL, "none", SIZE)
    record = {name: getattr(backbone, name) for name in ("name", "size", "width", "mean", "std", "source", "digest")}
    assert json.loads(json.dumps(record))["width"] == 1024
    assert np.isclose(sum(backbone.std), 0.678)
