"""fieldguide.toml: defaults, faults named with the nearest key and the bounds, and a round trip of the template."""

import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from fieldguide.errors import NamesError, NoPermission, ProjectTooNew, SettingsError
from fieldguide.names import match_key
from fieldguide.settings import (
    SCHEMA_VERSION,
    ClassSettings,
    HostSettings,
    LoopSettings,
    Settings,
    TrainSettings,
    change_settings,
    digest_json,
    load_settings,
    parse_settings,
    render_settings,
)


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "fieldguide.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def fault(tmp_path: Path, text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, text)
    assert caught.value.hint
    return caught.value.message


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings()


def test_what_is_written_counts(tmp_path: Path) -> None:
    settings = load(
        tmp_path, 'seed = 7\n[classes]\ncat = {about = "It purrs."}\n[split]\ntest = 0.3\n[train]\nfit = "pad"\n'
    )
    assert (settings.seed, settings.split.test, settings.train.fits()) == (7, 0.3, ("pad",))
    assert settings.classes == {"cat": ClassSettings(about="It purrs.")}
    assert Settings().train.fits() == ("squash", "crop", "pad")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trian]\nsize = 224\n", "did you mean 'train'"),
        ("[train]\nstrenghts = [1.0]\n", "unknown key 'train.strenghts', did you mean 'strengths'"),
        ('[classes]\ncat = {abuot = "x"}\n', "did you mean 'about'"),
        ("[split]\nzzz = 1\n", "known: burst_s, features_alike, group_pattern, test, val"),
        ("seeed = 1\n", "did you mean 'seed'"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, message: str) -> None:
    assert message in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[split]\ntest = 0.9\n", "split.test = 0.9: has to be from 0.02 to 0.45"),
        ("[split]\ntest = nan\n", "split.test"),
        ("[train]\nsize = 1000\n", "640"),
        ('[train]\nfit = "stretch"\n', "'auto', 'crop', 'squash' or 'pad'"),
        ('[images]\nformats = ["SVG"]\n', "images.formats.0"),
        ("[images]\nformats = []\n", "at least 1"),
        ("[serve]\nport = 70000\n", "65535"),
        ('seed = "x"\n', 'seed = "x"'),
        ("[train]\nstrengths = []\n", "has to be of length 1 to 20"),
    ],
)
def test_a_value_out_of_bounds_names_them(tmp_path: Path, text: str, message: str) -> None:
    assert message in fault(tmp_path, text)


def test_both_bounds_are_named(tmp_path: Path) -> None:
    message = fault(tmp_path, "[split]\ntest = 0.9\n")
    assert "0.02" in message
    assert "0.45" in message


@pytest.mark.parametrize("value", ["0.0", "-1.0"])
def test_a_strength_must_be_positive(tmp_path: Path, value: str) -> None:
    assert "train.strengths" in fault(tmp_path, f"[train]\nstrengths = [{value}]\n")


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    message = fault(tmp_path, "seed = -1\n[split]\ntest = 0.9\n[clean]\nmin_sid = 3\n")
    assert all(part in message for part in ("seed", "split.test", "min_sid"))


def test_what_is_no_toml_names_the_line(tmp_path: Path) -> None:
    assert "line 2" in fault(tmp_path, "seed = 1\nname = \n")
    (tmp_path / "fieldguide.toml").write_bytes(b'name = "K\xe4fer"\n')
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(tmp_path / "fieldguide.toml")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "fieldguide.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "Birds"\r\n')
    assert load_settings(path).name == "Birds"


def test_a_file_of_a_newer_form_is_left_alone(tmp_path: Path) -> None:
    text = f"schema_version = {SCHEMA_VERSION + 1}\n[something_new]\nx = 1\n"
    with pytest.raises(ProjectTooNew, match=f"up to {SCHEMA_VERSION}$"):
        load(tmp_path, text)


OLD = """schema_version = 1
[collect]
hosts = {"img.example.org" = {browser = "no", private = "yes", robots = "ignore"}}
[train]
size = 0
seed = -1
[train.loop]
epochs = 0
lr = 0.0
layer_decay = 0
freeze = -1
unfreeze = 0
compile = "yes"
threads = 0
[tune]
trials = 0
pruning = "no"
space = {"loop.freeze" = [-1, 2], loop = {compile = ["no", "yes"]}, "loop.lr" = {low = 0.1, high = 0.2}}
"""


@pytest.mark.parametrize("text", [OLD, OLD.partition("\n")[2]])
def test_a_file_of_the_first_version_is_read_in_the_words_of_this_one(tmp_path: Path, text: str) -> None:
    settings = load(tmp_path, text)
    assert settings.schema_version == SCHEMA_VERSION
    assert settings.collect.hosts["img.example.org"] == HostSettings(private=True, robots="ignore")
    learner = "transfer" if "schema_version" in text else "auto"  # the default of then, where it is known to be meant
    assert settings.train == TrainSettings(learner=learner, loop=LoopSettings(unfreeze=0, compile=True))
    assert (settings.tune.trials, settings.tune.pruning, settings.learning_seed) == ("auto", False, 0)
    space = {"loop.freeze": ["auto", 2], "loop": {"compile": [False, True]}, "loop.lr": {"low": 0.1, "high": 0.2}}
    assert settings.tune.space == space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[train]\nsize = 0\n",
            'train.size = 0: has to be from 1 to 640 or "auto"',
        ),
        ('[tune]\npruning = "often"\n', 'tune.pruning = "often": has to be true or false'),
        ('[train.loop]\nlr = "high"\n', "above 0, at most 1000 or"),
    ],
)
def test_a_file_of_this_version_may_not_use_the_old_words(tmp_path: Path, text: str, message: str) -> None:
    assert message in fault(tmp_path, f"schema_version = 2\n{text}")


def test_what_the_first_version_made_is_still_up_to_date() -> None:
    text = digest_json(parse_settings({"schema_version": 1}, Path("fieldguide.toml")), "train", exclude={"seed"})
    assert text.startswith('{"learner":"transfer","backbone":"efficientnet_lite0","weights":"embedded"')
    for words in ('"size":0,', '"epochs":0,', '"lr":0.0,', '"layer_decay":0.0,', '"freeze":-1,', '"compile":"no",'):
        assert words in text
    assert '"threads":0' in text and '"seed"' not in text
    hosts = {"a.example": {"browser": True}}
    assert '"browser":"yes","private":"no"' in digest_json(
        change_settings(Settings(), {"collect.hosts": hosts}), "collect"
    )


def test_numbers_are_not_truths(tmp_path: Path) -> None:
    assert "true or false" in fault(tmp_path, "[features]\nbatch_size = true\n")


@pytest.mark.parametrize("names", [["Rose", "rose"], ["a/b"], ["x" * 121], [""]])
def test_names_in_the_file_are_held_to_the_same_rules(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(NamesError):
        load(tmp_path, "[classes]\n" + "".join(f'"{name}" = {{}}\n' for name in names))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> str:
        raise PermissionError(13, "no", str(self))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(NoPermission):
        load_settings(tmp_path / "fieldguide.toml")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().seed = 3  # type: ignore[misc]


def test_the_template_shows_every_key_with_its_default() -> None:
    text = render_settings(Settings())
    live = "\n".join(line.removeprefix("# ") if " = " in line else line for line in text.splitlines()[1:])
    assert parse_settings(tomllib.loads(live), Path("x")) == Settings()
    for section in Settings.model_fields.values():
        for field in getattr(section.annotation, "model_fields", {}).values():
            inner = getattr(field.annotation, "model_fields", {})
            for leaf in inner.values() if inner else (field,):
                assert leaf.description and leaf.description in text


def test_changed_keys_are_live(tmp_path: Path) -> None:
    changed: dict[str, dict[str, Any]] = {"train": {"fit": "pad", "strengths": [0.5, 1.0]}, "split": {"test": 0.3}}
    settings = load(tmp_path, render_settings(Settings(), changed))
    assert (settings.train.fit, settings.train.strengths, settings.split.test) == ("pad", (0.5, 1.0), 0.3)
    assert settings.split.val == Settings().split.val


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_names = st.text("abcé ж中\"'#=[]{}🌹", min_size=1, max_size=20).map(str.strip).filter(bool)


@given(_text.filter(bool), _text, st.dictionaries(_names, st.tuples(_text, st.lists(_text, max_size=3)), max_size=3))
def test_any_text_survives_the_file(name: str, about: str, classes: dict[str, tuple[str, list[str]]]) -> None:
    assume(len({match_key(key) for key in classes}) == len(classes))
    class_settings = {
        unicodedata.normalize("NFC", key): ClassSettings(about=text, links=tuple(links))
        for key, (text, links) in classes.items()
    }
    settings = Settings(name=name, about=about, classes=class_settings)
    assert parse_settings(tomllib.loads(render_settings(settings)), Path("x")) == settings


def test_single_values_can_be_changed_below_dotted_names() -> None:
    changed = change_settings(Settings(), {"train.loop.lr": 0.5, "train.learner": "cnn", "seed": 3})
    assert (changed.train.loop.lr, changed.train.learner, changed.seed) == (0.5, "cnn", 3)
    assert changed.train.loop.epochs == Settings().train.loop.epochs
    assert change_settings(changed, {"train.loop.lr": 0.25}).seed == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train.loop.rl": 0.5}, "'lr'"),
        ({"train.loop.lr": -1.0}, "has to be above 0"),
        ({"train.learner.lr": 0.5}, "not a table"),
        ({"trian.lr": 0.5}, "'train'"),
    ],
)
def test_a_change_that_cannot_be_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        change_settings(change_settings(Settings(), {"train.learner": "cnn"}), changed)
    assert message in str(caught.value) + caught.value.hint
