"""A guide as a stranger may have changed it: refused by name, and never more than numpy, onnxruntime and Pillow."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fieldguide
from command import check_two_lines, environment, run, start
from conftest import draw_picture, encode, picture_bytes
from fieldguide.api import predict
from fieldguide.errors import BadImage, GuideDamaged, InputMissing
from fieldguide.features import open_runner
from fieldguide.guide import Guide, open_guide, write_manifest
from fieldguide.images import Limits
from fieldguide.learners import load_model
from fieldguide.learners.frozen import FrozenModel
from fieldguide.project import Project
from fieldguide.project.runs import load_run

onnx = pytest.importorskip("onnx", reason="changing models needs the extra [train]")
Change = Callable[[dict[str, Any]], object]
DOCUMENTS = ("README.md", "CREDITS.csv")


@pytest.fixture
def folder(built_once: Path, tmp_path: Path) -> Path:
    """Copy a guide, to be changed."""
    return Path(shutil.copytree(built_once / "guide", tmp_path / "guide"))


@pytest.fixture(scope="module")
def guide(built_once: Path) -> Guide:
    return open_guide(built_once / "guide")


def refusal(folder: Path) -> str:
    """Return why a guide is not opened."""
    with pytest.raises(GuideDamaged) as caught:
        open_guide(folder)
    assert caught.value.hint
    return caught.value.message


def rewrite(folder: Path, change: Change) -> None:
    """Change guide.json and make the manifest agree."""
    path = folder / "guide.json"
    about = json.loads(path.read_text(encoding="utf-8"))
    change(about)
    path.write_text(json.dumps(about), encoding="utf-8")
    write_manifest(folder)


# ---- files


def test_every_file_of_a_guide_is_under_its_manifest(folder: Path) -> None:
    listed = {line.partition("  ")[2] for line in (folder / "MANIFEST").read_text().splitlines()}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert listed == files - {"MANIFEST"}
    assert {"model.onnx", "guide.json", "README.md", "CREDITS.csv"} < listed
    assert any(name.startswith("examples/") for name in listed)


def test_one_flipped_bit_in_any_file_is_found_and_named(folder: Path) -> None:
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "MANIFEST"):
        data = path.read_bytes()
        changed = [
            data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :] for place in (0, len(data) // 2, len(data) - 1)
        ]
        for content in (*changed, data[:-1]):
            path.write_bytes(content)
            if path.name in DOCUMENTS:
                assert open_guide(folder).edited == (path.name,)
            else:
                assert f"{path} has been altered" in refusal(folder)
        path.unlink()
        if path.name in DOCUMENTS:
            assert open_guide(folder).edited == (path.name,)
        else:
            assert f"{path} is missing" in refusal(folder)
        path.write_bytes(data)
    assert open_guide(folder).edited == ()


def test_a_flipped_byte_in_the_manifest_is_found(folder: Path) -> None:
    path = folder / "MANIFEST"
    data = path.read_bytes()
    for place in range(0, len(data), 37):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        line = data[data.rfind(b"\n", 0, place) + 1 :].partition(b"\n")[0].decode()
        in_digest = place - data.rfind(b"\n", 0, place) <= 64
        if line.partition("  ")[2] in DOCUMENTS and in_digest:
            assert open_guide(folder).edited == (line.partition("  ")[2],)
        else:
            assert refusal(folder)
    path.write_bytes(data.decode().encode("utf-16"))
    assert refusal(folder)


def test_the_line_ends_of_windows_alter_nothing(folder: Path, guide: Guide) -> None:
    for name in ("guide.json", "MANIFEST", *DOCUMENTS):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    opened = open_guide(folder)
    assert opened.edited == () and opened.about == guide.about


def test_a_card_that_its_owner_edited_is_told_and_closes_nothing(built: Project) -> None:
    card = built.guide_folder / "README.md"
    card.write_text(card.read_text(encoding="utf-8") + "\nAsk Ada about it.\n", encoding="utf-8")
    picture = next((built.guide_folder / "examples").iterdir())
    result = run("predict", picture, "-C", built.root)
    assert result.returncode == 0 and "README.md is not as published" in result.stderr
    server = start("serve", "-C", built.root, "--port", "0")
    try:
        assert server.stderr
        assert "README.md is not as published" in server.stderr.readline()
        assert server.stderr.readline().startswith("http://127.0.0.1:")
    finally:
        server.kill()
        server.communicate()
    assert run("publish", "-C", built.root).returncode == 0
    assert "Ask Ada" in card.read_text(encoding="utf-8"), "what is up to date is not written again"
    card.unlink()
    assert run("publish", "-C", built.root).returncode == 0
    assert card.is_file()


def test_an_edited_card_is_kept_when_a_new_one_is_published(built: Project) -> None:
    card, kept = built.guide_folder / "README.md", built.guide_folder / "README.edited.md"
    plain = card.read_text(encoding="utf-8")
    card.write_text(f"{plain}\nAsk Ada about it.\n", encoding="utf-8")
    for about in ("Shapes of one colour.", "Shapes."):
        built.write_settings({"about": about})
        result = run("publish", "-C", built.root)
        assert result.returncode == 0 and ("guide/README.edited.md" in result.stderr) == ("colour" in about)
        assert about in card.read_text(encoding="utf-8") and "Ada" not in card.read_text(encoding="utf-8")
        assert kept.read_text(encoding="utf-8") == f"{plain}\nAsk Ada about it.\n", "also by the publishing after that"
        assert open_guide(built.guide_folder).edited == ()
    assert not (built.guide_folder / "CREDITS.edited.csv").exists()


def test_the_program_says_it_in_two_lines(folder: Path) -> None:
    picture = next((folder / "examples").iterdir())
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    commands: list[list[str | Path]] = [
        ["predict", picture, "--guide", folder],
        ["serve", "--guide", folder, "--port", "0"],
    ]
    for command in commands:
        check_two_lines(run(*command), 6, "model.onnx has been altered", "fieldguide publish")


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "examples/../../outside.txt"])
def test_a_manifest_that_names_a_file_outside(name: str, folder: Path) -> None:
    (folder.parent / "outside.txt").write_text("outside")
    with (folder / "MANIFEST").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    assert "outside the guide" in refusal(folder)


@pytest.mark.parametrize("name", ["guide.json", "model.onnx"])
def test_a_manifest_that_leaves_out_what_is_read(name: str, folder: Path) -> None:
    lines = (folder / "MANIFEST").read_text().splitlines(keepends=True)
    (folder / "MANIFEST").write_text("".join(line for line in lines if name not in line))
    assert f"does not list {name}" in refusal(folder)


def test_a_folder_without_a_guide(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputMissing, match="no guide"):
            open_guide(place)


# ---- guide.json


@pytest.mark.parametrize(
    "text",
    [
        "", "not JSON", "[]", "5", "null", '{"name": "x"}', '{"schema_version": "one"}', '{"schema_version": null}',
        '{"schema_version": Infinity}', "[" * 100_000, '{"schema_version": 1}', '{"schema_version": 1, "classes": 3}',
    ],
)  # fmt: skip
def test_a_guide_json_that_is_none(text: str, folder: Path) -> None:
    (folder / "guide.json").write_text(text)
    write_manifest(folder)
    assert "guide.json" in refusal(folder)


def test_a_guide_json_that_is_no_text(folder: Path) -> None:
    (folder / "guide.json").write_bytes(b"\xff\xfe{}")
    write_manifest(folder)
    assert "guide.json" in refusal(folder)


def test_a_guide_of_a_newer_form(folder: Path) -> None:
    rewrite(folder, lambda about: about.update(schema_version=2))
    assert "schema version 2" in refusal(folder)
    with pytest.raises(GuideDamaged) as caught:
        open_guide(folder)
    assert "newer Fieldguide" in caught.value.hint


def test_a_class_that_is_missing_is_counted(folder: Path) -> None:
    rewrite(folder, lambda about: about.update(classes=[{**row, "neighbours": []} for row in about["classes"][:2]]))
    assert "it names 2 classes, and its model answers with 3" in refusal(folder)


CHANGES: dict[str, Change] = {
    "one class fewer": lambda about: about["classes"].pop(),
    "one class more": lambda about: about["classes"].append({**about["classes"][0], "name": "fourth"}),
    "no classes": lambda about: about.update(classes=[]),
    "a class twice": lambda about: about["classes"][0].update(name=about["classes"][1]["name"]),
    "a class without a name": lambda about: about["classes"][0].pop("name"),
    "a class that is a number": lambda about: about["classes"][0].update(name=5),
    "classes by name": lambda about: about.update(classes={row["name"]: row for row in about["classes"]}),
    "another size": lambda about: about["preprocessing"].update(size=192),
    "a size that is text": lambda about: about["preprocessing"].update(size="224"),
    "a huge size": lambda about: about["preprocessing"].update(resize_shorter=10**9),
    "a size that is none": lambda about: about["preprocessing"].update(resize_shorter=None),
    "another fit": lambda about: about["preprocessing"].update(fit="stretch"),
    "another filter": lambda about: about["preprocessing"].update(interpolation="nearest"),
    "an unknown key": lambda about: about["preprocessing"].update(gamma=2.2),
    "no preprocessing": lambda about: about.pop("preprocessing"),
    "a mean that is a number": lambda about: about["preprocessing"].update(mean=0.5),
    "no threshold": lambda about: about["decline"].pop("threshold"),
    "a threshold that is none": lambda about: about["decline"].update(threshold=None),
    "a threshold that is no number": lambda about: about["decline"].update(threshold=float("nan")),
    "no name": lambda about: about.pop("name"),
    "no scores": lambda about: about.pop("scores"),
    "no links": lambda about: about["classes"][0].pop("links"),
    "links that are numbers": lambda about: about["classes"][0].update(links=[1]),
    "an example outside": lambda about: about["classes"][0]["examples"][0].update(file="../../../etc/hostname"),
    "names that are a list": lambda about: about["classes"][0].update(names=["Kreis"]),
    "a name in German that is a number": lambda about: about["classes"][0].update(names={"de": 5}),
    "a neighbour that is a number": lambda about: about["classes"][0]["neighbours"][0].update(name=3),
    "a neighbour without counts": lambda about: about["classes"][0]["neighbours"][0].pop("taken_for_it"),
    "counts that are text": lambda about: about["classes"][0]["neighbours"][0].update(taken_for_it=["1", "2"]),
    "neighbours that are a number": lambda about: about["classes"][0].update(neighbours=3),
    "branding that is text": lambda about: about.update(branding="red"),
    "a logo that is not listed": lambda about: about.update(branding={"logo": "../logo.png"}),
    "an example that is not listed": lambda about: about["classes"][0]["examples"][0].update(file="examples/x.jpg"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_guide_json_that_says_something_impossible(change: Change, folder: Path) -> None:
    rewrite(folder, change)
    assert "guide.json" in refusal(folder)


def test_an_example_that_the_manifest_does_not_list(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "examples" / "link.jpg").symlink_to(tmp_path / "secret")
    path = folder / "guide.json"
    about = json.loads(path.read_text())
    about["classes"][0]["examples"][0]["file"] = "examples/link.jpg"
    path.write_text(json.dumps(about))
    write_manifest(folder)
    lines = (folder / "MANIFEST").read_text().splitlines(keepends=True)
    (folder / "MANIFEST").write_text("".join(line for line in lines if "link.jpg" not in line))
    assert "link.jpg" in refusal(folder)


# ---- the model


def test_a_model_that_is_none(folder: Path) -> None:
    model = folder / "model.onnx"
    sound = model.read_bytes()
    for data in (b"", b"not ONNX at all", sound[: len(sound) // 2], b"\x80\x04\x95" + sound, bytes(1000)):
        model.write_bytes(data)
        write_manifest(folder)
        assert "model" in refusal(folder)


def test_a_model_with_data_elsewhere_or_operators_of_its_own(folder: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="changing a model needs the extra [train]")
    path = folder / "model.onnx"
    sound = path.read_bytes()
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(4000))
    model = onnx.load_model_from_string(sound)
    tensor = model.graph.initializer[0]
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../outside.bin"
    tensor.data_location = onnx.TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    write_manifest(folder)
    assert "other files" in refusal(folder)
    model = onnx.load_model_from_string(sound)
    model.graph.node[0].domain = "com.example.custom"
    path.write_bytes(model.SerializeToString())
    write_manifest(folder)
    assert "com.example.custom" in refusal(folder)


# ---- answers


def test_answers_are_those_of_the_trained_head(guide: Guide) -> None:
    (run_folder,) = (guide.folder.parent / "runs").glob("*-transfer")
    _, model = load_model(load_run(run_folder))
    assert isinstance(model, FrozenModel)
    squares = np.stack([guide.load(picture_bytes(name, number)) for name in guide.class_names for number in (40, 41)])
    probs, features, familiarity = guide.session.run(["probs", "features", "familiarity"], {"image": squares})
    by_hand = open_runner(model.backbone, "onnxruntime")(squares)
    assert np.abs(probs - model.head.probs(by_hand)).max() < 1e-4
    assert np.abs(features - by_hand[:, : model.top]).max() < 1e-4
    assert np.abs(probs.sum(axis=1) - 1).max() < 1e-5
    assert probs.dtype == np.float32 and familiarity.shape == (6,) and (familiarity <= 0).all()
    for answer, row in zip(guide.answer(squares, [""] * 6), probs, strict=True):
        assert {name: answer.probs[name] for name in guide.class_names} == dict(
            zip(guide.class_names, row.tolist(), strict=True)
        )
        assert list(answer.probs.values()) == sorted(answer.probs.values(), reverse=True)


def test_new_pictures_get_their_names(guide: Guide) -> None:
    for name in guide.class_names:
        answers = [guide.classify(picture_bytes(name, number)) for number in range(50, 54)]
        assert [next(iter(answer.probs)) for answer in answers].count(name) >= 3


def test_one_picture_and_many_give_one_answer(guide: Guide) -> None:
    data = [picture_bytes(name, number) for name in guide.class_names for number in (60, 61, 62)]
    together = guide.answer(np.stack([guide.load(file) for file in data]), [""] * len(data))
    for file, answer in zip(data, together, strict=True):
        alone = guide.classify(file)
        assert alone.class_name == answer.class_name
        assert max(abs(alone.probs[name] - answer.probs[name]) for name in guide.class_names) < 1e-4


def test_under_its_threshold_a_guide_declines(folder: Path) -> None:
    data = picture_bytes("circle", 70)
    familiarity = open_guide(folder).classify(data).familiarity
    for threshold, declines in ((familiarity + 1e-3, True), (familiarity - 1e-3, False)):
        rewrite(folder, lambda about, threshold=threshold: about["decline"].update(threshold=threshold))  # type: ignore[misc]
        answer = open_guide(folder).classify(data)
        assert answer.declined == declines
        assert answer.class_name == ("" if declines else next(iter(answer.probs)))
        assert abs(sum(answer.probs.values()) - 1) < 1e-4


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_the_eight_orientations_give_one_answer(kind: str, guide: Guide) -> None:
    upright = draw_picture("triangle", 80)
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
            7: "TRANSVERSE", 8: "ROTATE_270"}  # fmt: skip
    stored_as: dict[str, dict[str, Any]] = {
        "PNG": {}, "WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}
    }  # fmt: skip
    answers = []
    for orientation in range(1, 9):
        stored = upright.transpose(Image.Transpose[undo[orientation]]) if orientation > 1 else upright
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = io.BytesIO()
        stored.save(file, kind, exif=exif, **stored_as[kind])
        answers.append(guide.classify(file.getvalue()))
    for answer in answers[1:]:
        assert answer.class_name == answers[0].class_name
        room = 0.02 if kind == "JPEG" else 1e-6
        assert max(abs(answer.probs[name] - answers[0].probs[name]) for name in guide.class_names) <= room


def test_a_bad_picture_is_a_reason(guide: Guide) -> None:
    for data in (b"", b"<html></html>", picture_bytes("circle", 1)[:-40], bytes(5000)):
        with pytest.raises(BadImage):
            guide.classify(data)


def test_a_list_is_answered_in_batches(guide: Guide) -> None:
    files = [picture_bytes("circle", number) for number in range(10)]
    calls = []

    class Counting:
        def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
            calls.append(len(inputs["image"]))
            return guide.session.run(names, inputs)

    together = replace(guide, session=Counting()).classify(files)
    assert calls == [4, 4, 2] and guide.classify([]) == []
    alone = [guide.classify(file) for file in (files[0], files[9])]
    assert [answer.class_name for answer in (together[0], together[9])] == [answer.class_name for answer in alone]


def test_a_model_that_fails_at_its_work_is_damaged(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    output = next(node for node in model.graph.node if "familiarity" in node.output)
    output.output[list(output.output).index("familiarity")] = "whole"
    shape = onnx.helper.make_tensor("shape_of_another", onnx.TensorProto.INT64, [1], [7])
    model.graph.initializer.append(shape)
    model.graph.node.append(onnx.helper.make_node("Reshape", ["whole", "shape_of_another"], ["familiarity"]))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    write_manifest(folder)
    broken = open_guide(folder)
    with pytest.raises(GuideDamaged, match="cannot answer"):
        broken.classify(picture_bytes("circle", 1))
    picture = next((folder / "examples").iterdir())
    check_two_lines(run("predict", picture, "--guide", folder), 6, "cannot answer", "get the guide again")


# ---- little is needed


def test_a_guide_needs_only_numpy_onnxruntime_and_pillow(built_once: Path, tmp_path: Path) -> None:
    program = """
import sys
ALLOWED = {"numpy", "onnxruntime", "PIL", "fieldguide", *sys.stdlib_module_names}
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in ALLOWED:
            raise ImportError(f"refused: {name}")
sys.meta_path.insert(0, Refuse())
for name in ("torch", "pydantic", "typer"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} was not refused")
from pathlib import Path
from fieldguide.guide import open_guide
guide = open_guide(Path(sys.argv[1]))
print(guide.classify(Path(sys.argv[2]).read_bytes()).class_name)
"""
    picture = tmp_path / "picture.png"
    picture.write_bytes(picture_bytes("circle", 1))
    result = subprocess.run(
        [sys.executable, "-c", program, str(built_once / "guide"), str(picture)],
        env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "circle\n"), result.stderr


@pytest.mark.slow
def test_three_libraries_in_a_new_environment_are_enough(built_once: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    constraints = Path(__file__).parents[2] / "constraints.txt"
    wanted = ["-m", "pip", "install", "--quiet", "--no-deps", "-c", str(constraints), "numpy", "onnxruntime", "Pillow"]
    installed = subprocess.run([python, *wanted], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"nothing can be installed here: {installed.stderr[-200:]}")
    program = """
import sys
from importlib.metadata import distributions
names = sorted({item.metadata["Name"].lower() for item in distributions()} - {"pip", "setuptools"})
assert names == ["numpy", "onnxruntime", "pillow"], names
from fieldguide import open_guide
guide = open_guide(sys.argv[1])
print([answer.class_name for answer in guide.classify([sys.argv[2], sys.argv[2]])])
"""
    picture = tmp_path / "picture.png"
    picture.write_bytes(picture_bytes("circle", 1))
    source = str(Path(fieldguide.__file__).resolve().parents[1])
    result = subprocess.run(
        [python, "-c", program, str(built_once / "guide"), str(picture)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": source}, capture_output=True, text=True,
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (0, "['circle', 'circle']\n"), result.stderr


# ---- links


def test_links_may_be_addresses_alone_as_in_older_guides(folder: Path) -> None:
    rewrite(folder, lambda about: about["classes"][0].update(links=["https://example.org/circle"]))
    assert open_guide(folder).about["classes"][0]["links"] == ["https://example.org/circle"]


@pytest.mark.parametrize("link", [5, {"url": "https://example.org"}, {"label": 5, "url": "x"}, ["https://example.org"]])
def test_links_of_another_form_are_refused(folder: Path, link: Any) -> None:
    rewrite(folder, lambda about: about["classes"][0].update(links=[link]))
    assert "guide.json" in refusal(folder)


# ---- limits


def test_a_guide_takes_what_its_project_took(folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(picture_bytes("circle", 1))
    assert open_guide(folder).about["limits"]["max_pixels"] == open_guide(folder).limits.max_pixels == 50_000_000
    rewrite(folder, lambda about: about.update(limits={"max_bytes": 10**6, "max_pixels": 1_000, "max_scans": 9}))
    with pytest.raises(BadImage, match="too_many_pixels"):
        open_guide(folder).classify(picture)
    rewrite(folder, lambda about: about.pop("limits"))
    assert open_guide(folder).classify(picture).class_name == "circle"


def test_a_guide_from_elsewhere_cannot_ask_for_a_gigabyte(folder: Path, tmp_path: Path) -> None:
    rewrite(folder, lambda about: about.update(limits={"max_bytes": 10**9, "max_pixels": 5 * 10**8}))
    assert open_guide(folder).limits == Limits(max_bytes=10**8, max_pixels=10**8)
    assert open_guide(folder, trusted=True).limits == Limits(max_bytes=10**9, max_pixels=5 * 10**8)
    large = tmp_path / "large.png"
    large.write_bytes(encode(Image.new("1", (10_001, 10_000))))
    assert predict(large, guide=folder)[0].error.startswith("too_many_pixels")
    (folder.parent / "fieldguide.toml").write_text("")
    assert not predict(large, guide=folder)[0].error


@pytest.mark.parametrize("limits", [{"max_pixels": 10**12}, {"max_bytes": "9"}, {"max_scans": 0}, {"other": 1}, [1]])
def test_limits_that_no_project_can_have_are_refused(folder: Path, limits: Any) -> None:
    rewrite(folder, lambda about: about.update(limits=limits))
    assert "limits" in refusal(folder)
