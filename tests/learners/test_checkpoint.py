"""Checkpoints: whole or not there, and a training that was killed ends as one that was not."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from command import TIMEOUT_S, environment  # noqa: E402
from fieldguide.errors import DiskFull, InputUnusable  # noqa: E402
from fieldguide.learners import checkpoint as room  # noqa: E402
from fieldguide.learners.checkpoint import Checkpoint, load_checkpoint, pack, save_checkpoint  # noqa: E402
from fieldguide.learners.loop import Callbacks, train_network  # noqa: E402
from fieldguide.learners.tracking import describe_epoch  # noqa: E402
from fieldguide.progress import SilentProgress  # noqa: E402
from learning import QUICK, change, coloured, tiny_network, without_time  # noqa: E402


def make_checkpoint(number: int) -> Checkpoint:
    """Return a checkpoint whose every value follows from its number."""
    parts = {"model": {"a/b": torch.full((2, 3), float(number)), "n": torch.tensor(number)}, "empty": {}}
    return Checkpoint(number, {"epoch": number, "loss": 0.1 * number}, parts)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def equals(left: Checkpoint, right: Checkpoint) -> bool:
    return left.state == right.state and all(
        left.tensors[part].keys() == right.tensors[part].keys()
        and all(torch.equal(left.tensors[part][name], right.tensors[part][name]) for name in left.tensors[part])
        for part in left.tensors.keys() | right.tensors.keys()
    )


def test_what_was_saved_comes_back_and_the_two_newest_are_kept(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "nowhere").checkpoint is None
    for number in (1, 2, 3):
        save_checkpoint(tmp_path, make_checkpoint(number))
        loaded = load_checkpoint(tmp_path)
        assert loaded.checkpoint is not None and not loaded.damaged
        assert equals(loaded.checkpoint, make_checkpoint(number))
    assert names(tmp_path) == [f"checkpoint-0000000{n}.{kind}" for n in (2, 3) for kind in ("json", "safetensors")]


@pytest.mark.parametrize("kind", ["json", "safetensors"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "empty"])
def test_a_damaged_one_falls_back_to_the_one_before_and_says_so(tmp_path: Path, kind: str, damage: str) -> None:
    for number in (1, 2):
        save_checkpoint(tmp_path, make_checkpoint(number))
    path = tmp_path / f"checkpoint-00000002.{kind}"
    data = path.read_bytes()
    flipped = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
    path.write_bytes({"cut": data[: len(data) // 2], "flip": flipped, "gone": b"", "empty": b""}[damage])
    if damage == "gone":
        path.unlink()
    loaded = load_checkpoint(tmp_path)
    assert loaded.checkpoint is not None
    assert equals(loaded.checkpoint, make_checkpoint(1))
    if (damage, kind) != ("gone", "json"):  # a file of tensors without its JSON was never finished
        assert len(loaded.damaged) == 1 and "checkpoint-00000002.json is damaged" in loaded.damaged[0]
    save_checkpoint(tmp_path, make_checkpoint(2))
    reloaded = load_checkpoint(tmp_path)
    assert reloaded.checkpoint is not None and not reloaded.damaged
    assert equals(reloaded.checkpoint, make_checkpoint(2))
    assert "checkpoint-00000001.json" in names(tmp_path), "the good one stays until there are two newer"


def test_a_number_changed_in_the_json_is_damage_too(tmp_path: Path) -> None:
    for number in (1, 2):
        save_checkpoint(tmp_path, make_checkpoint(number))
    path = tmp_path / "checkpoint-00000002.json"
    text = path.read_text()
    assert '\\"epoch\\": 2' in text
    path.write_text(text.replace('\\"epoch\\": 2', '\\"epoch\\": 3'))
    loaded = load_checkpoint(tmp_path)
    assert loaded.checkpoint is not None and equals(loaded.checkpoint, make_checkpoint(1))
    assert "not what was written" in loaded.damaged[0]


def test_when_all_are_damaged_a_new_one_is_the_newest(tmp_path: Path) -> None:
    for number in (7, 8):
        save_checkpoint(tmp_path, make_checkpoint(number))
    for path in tmp_path.glob("*.json"):
        path.write_bytes(path.read_bytes()[:30])
    loaded = load_checkpoint(tmp_path)
    assert loaded.checkpoint is None and len(loaded.damaged) == 2
    save_checkpoint(tmp_path, make_checkpoint(1))
    reloaded = load_checkpoint(tmp_path)
    assert reloaded.checkpoint is not None and reloaded.checkpoint.number == 1 and not reloaded.damaged


def test_a_full_disk_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, make_checkpoint(1))

    def full(path: Path, text: str) -> None:
        raise DiskFull("no space", "free some")

    monkeypatch.setattr(room, "write_text", full)
    with pytest.raises(DiskFull):
        save_checkpoint(tmp_path, make_checkpoint(2))
    monkeypatch.undo()
    loaded = load_checkpoint(tmp_path)
    assert loaded.checkpoint is not None and equals(loaded.checkpoint, make_checkpoint(1))


def test_the_same_tensors_give_the_same_bytes_in_any_order_and_layout() -> None:
    tensor = torch.arange(24.0).view(1, 2, 3, 4)
    forward = {"a": tensor, "b": torch.tensor(1)}
    backward = {"b": torch.tensor(1), "a": tensor.to(memory_format=torch.channels_last)}
    assert pack(forward) == pack(backward) != pack({"a": tensor + 1, "b": torch.tensor(1)})


class Killed(Exception):
    """End a training from its watcher."""


@pytest.mark.parametrize(
    "changes", [{}, {"optimiser": "sgd", "ema": 0.5}, {"freeze": 1, "unfreeze": 2, "optimiser": "rmsprop"}]
)
def test_a_training_goes_on_to_the_same_bytes(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = change(QUICK, epochs=7, augment="strong", checkpoint_s=1e-9, **changes)
    uninterrupted = train_network(tiny_network(), coloured(), settings)
    countdown = [3, 5, 9]  # each time it is told the epochs from before once more

    def stop(row: object) -> None:
        countdown[0] -= 1
        if not countdown[0]:
            countdown.pop(0)
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            train_network(tiny_network(), coloured(), settings, tmp_path, Callbacks(on_epoch=stop))
    resumed = train_network(tiny_network(), coloured(), settings, tmp_path)
    assert pack(resumed.state) == pack(uninterrupted.state)
    assert without_time(resumed.history) == without_time(uninterrupted.history)
    assert resumed.best_epoch == uninterrupted.best_epoch
    assert resumed.notes and "resumed at epoch 6" in resumed.notes[0]


def test_a_cut_checkpoint_is_said_and_changes_nothing_in_the_end(tmp_path: Path) -> None:
    settings = change(QUICK, augment="strong")
    uninterrupted = train_network(tiny_network(), coloured(), settings, tmp_path)
    newest = max(tmp_path.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-100])
    lines: list[str] = []

    class Telling(SilentProgress):
        def say(self, line: str) -> None:
            lines.append(line)

    resumed = train_network(tiny_network(), coloured(), settings, tmp_path, Callbacks(Telling()))
    assert lines == [*resumed.notes, describe_epoch(resumed.history[-1], 4)]
    assert "is damaged" in resumed.notes[0]
    assert "resumed at epoch 4" in resumed.notes[1]
    assert pack(resumed.state) == pack(uninterrupted.state)
    assert without_time(resumed.history) == without_time(uninterrupted.history)


@pytest.mark.parametrize(
    ("what", "word"), [("lr", "lr"), ("seed", "seed"), ("network", "first weights"), ("pictures", "pictures")]
)
def test_checkpoints_of_another_training_are_refused(tmp_path: Path, what: str, word: str) -> None:
    train_network(tiny_network(), coloured(), change(QUICK, epochs=1), tmp_path)
    settings = change(QUICK, epochs=1, lr=0.5 if what == "lr" else QUICK.lr, seed=9 if what == "seed" else 0)
    examples = coloured(seed=3 if what == "pictures" else 0)
    with pytest.raises(InputUnusable, match=f"another {word}") as caught:
        train_network(tiny_network(1 if what == "network" else 0), examples, settings, tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("fails_at", [1, 9, 14, 20])
def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path: Path, fails_at: int) -> None:
    settings = change(QUICK, augment="strong", checkpoint_s=1e-9, imbalance="oversample", ema=0.9)
    uninterrupted = train_network(tiny_network(), coloured(), settings)
    countdown = [fails_at]

    class Failing(SilentProgress):
        def advance(self, steps: int = 1, part: str = "") -> None:
            countdown[0] -= 1
            if not countdown[0]:
                raise Killed

    with pytest.raises(Killed):
        train_network(tiny_network(), coloured(), settings, tmp_path, Callbacks(Failing()))
    resumed = train_network(tiny_network(), coloured(), settings, tmp_path)
    assert pack(resumed.state) == pack(uninterrupted.state)
    assert without_time(resumed.history) == without_time(uninterrupted.history)
    steps = -(-sum(row.shown for row in uninterrupted.balance) // settings.batch_size)
    steps_before = fails_at - 2  # progress is told once at the start, and before each step is kept
    expected = (
        f"resumed at epoch {steps_before // steps + 1}, step {steps_before % steps + 1}" if steps_before > 0 else ""
    )
    assert "".join(resumed.notes) == expected


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read what a board says of each epoch, but for what a clock says."""
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag != "images_per_s"]
    values_by_tag = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags}
    assert (
        all([step for step, _ in values] == list(range(1, 11)) for values in values_by_tag.values())
        and len(values_by_tag) == 5
    )
    return values_by_tag


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint_s", [0.0, 60.0])
def test_twenty_kills_at_random_change_nothing(tmp_path: Path, checkpoint_s: float) -> None:
    script = Path(__file__).parents[1] / "kill_training.py"
    command = [sys.executable, str(script), str(tmp_path), "20", "4", str(checkpoint_s)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment())
    assert result.returncode == 0, result.stderr
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert (tmp_path / "kills").read_text() == "20", "it ended before it could be killed"
    assert "resumed at epoch" in (killed / "notes").read_text(), "nothing was left to go on from"
    assert json.loads((killed / "said.json").read_text()) == json.loads((whole / "said.json").read_text())
    assert (killed / "state.safetensors").read_bytes() == (whole / "state.safetensors").read_bytes()
    assert scalars(killed / "events") == scalars(whole / "events")
