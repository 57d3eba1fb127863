"""What is shown of a training: lines, tables, curves and a board, and none of it changes what is learnt."""

import csv
import io
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from fieldguide.errors import DiskFull, InputUnusable, MissingExtra  # noqa: E402
from fieldguide.learners import tracking  # noqa: E402
from fieldguide.learners.architectures import Network, build_network  # noqa: E402
from fieldguide.learners.checkpoint import pack  # noqa: E402
from fieldguide.learners.loop import Callbacks, train_network  # noqa: E402
from fieldguide.learners.preview import draw_confusion  # noqa: E402
from fieldguide.learners.sampling import ClassBalance, balance_csv, balance_table, class_balance  # noqa: E402
from fieldguide.learners.tracking import (  # noqa: E402
    EpochRow,
    TensorBoardWriter,
    describe_epoch,
    history_csv,
    history_curves,
)
from learning import QUICK, change, coloured, ticking, tiny_network, without_time  # noqa: E402

ROWS = (
    EpochRow(1, 1.25, 0.5, 1.5, 0.25, 1e-3, 96.4, 60.0),
    EpochRow(2, 0.75, 0.625, None, None, 5e-4, 100.0, 30.0),
)


def read(folder: Path) -> Any:
    """Read a folder as TensorBoard does."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = read(folder)
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def expected_scalars(rows: tuple[EpochRow, ...]) -> dict[str, list[tuple[int, float]]]:
    """Return what the board should say of these rows, as far as no clock says it."""
    tags = {"loss/train": "loss", "loss/val": "val_loss", "accuracy/train": "accuracy", "accuracy/val": "val_accuracy",
            "lr": "lr"}  # fmt: skip
    return {tag: [(row.epoch, float(np.float32(getattr(row, key)))) for row in rows] for tag, key in tags.items()}


class Killed(Exception):
    """End a training from its watcher."""


# ---- the board


def test_each_epoch_stands_there_once_with_all_its_numbers(tmp_path: Path) -> None:
    with TensorBoardWriter(tmp_path, clock=lambda: 1000.0) as board:
        for row in (*ROWS, *ROWS):
            board.add_epoch(row)
        # a person looks while it learns
        assert scalars(tmp_path)["loss/train"] == [(1, 1.25), (2, 0.75)]
    events = read(tmp_path)
    series = scalars(tmp_path)
    assert set(series) == {"loss/train", "loss/val", "accuracy/train", "accuracy/val", "lr", "images_per_s"}
    assert series["loss/val"] == [(1, 1.5)] and series["accuracy/val"] == [(1, 0.25)]
    assert series["images_per_s"] == [(1, float(np.float32(96.4))), (2, 100.0)]
    assert [event.wall_time for event in events.Scalars("lr")] == [1060.0, 1090.0]


def test_training_is_the_same_to_the_byte_with_and_without_a_board(tmp_path: Path) -> None:
    settings = change(QUICK, augment="strong", ema=0.9)
    plain = train_network(tiny_network(), coloured(), settings)
    network = tiny_network()
    with TensorBoardWriter(tmp_path / "events") as board:
        assert board.add_graph(network)

        def watch(row: EpochRow) -> None:
            board.add_epoch(row)
            board.add_graph(network)
            board.add_confusion(np.eye(3, dtype=int), ["a", "b", "c"])
            board.add_samples(np.zeros((2, 4, 4, 3), np.uint8))

        trained = train_network(network, coloured(), settings, callbacks=Callbacks(on_epoch=watch))
    assert pack(trained.state) == pack(plain.state)
    assert without_time(trained.history) == without_time(plain.history)
    series = scalars(tmp_path / "events")
    assert {tag: series[tag] for tag in expected_scalars(trained.history)} == expected_scalars(trained.history)


@pytest.mark.parametrize("damage", [False, True])
def test_a_training_that_goes_on_leaves_no_epoch_out_and_none_twice(tmp_path: Path, damage: bool) -> None:
    settings = change(QUICK, epochs=6)

    def go(stop: int) -> Any:
        with TensorBoardWriter(tmp_path / "events") as board:

            def watch(row: EpochRow) -> None:
                board.add_epoch(row)
                if row.epoch == stop:
                    raise Killed

            return train_network(tiny_network(), coloured(), settings, tmp_path / "kept", Callbacks(on_epoch=watch))

    with pytest.raises(Killed):
        go(3)
    if damage:  # so that an epoch that is on the board is learnt once more
        newest = max((tmp_path / "kept").glob("*.safetensors"))
        newest.write_bytes(newest.read_bytes()[:-9])
    for _ in range(2):  # the second time everything is done already
        trained = go(0)
        series = scalars(tmp_path / "events")
        assert {tag: series[tag] for tag in expected_scalars(trained.history)} == expected_scalars(trained.history)
        assert len(list((tmp_path / "events").iterdir())) == 1
    assert [step for step, _ in series["lr"]] == [1, 2, 3, 4, 5, 6]


def test_a_board_takes_away_only_events(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for _ in range(2):
        with TensorBoardWriter(tmp_path) as board:
            board.add_epoch(ROWS[0])
    assert notes.read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


def test_an_event_cut_by_a_kill_hides_no_other(tmp_path: Path) -> None:
    with TensorBoardWriter(tmp_path) as board:
        board.add_epoch(ROWS[0])
        board.add_epoch(ROWS[1])
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:-5])
    assert scalars(tmp_path)["loss/train"] == [(1, 1.25), (2, 0.75)]


@pytest.mark.parametrize("make", [tiny_network, lambda: build_network("small", 5, 64, 0)])
def test_the_graph_is_drawn_and_the_network_stays_as_it_was(tmp_path: Path, make: Callable[[], Network]) -> None:
    network = make()
    network.module.train()
    next(network.module.body.children()).eval()
    network.module.register_forward_pre_hook(lambda module, inputs: (inputs[0] + 0 * torch.rand(1),))
    modes = [part.training for part in network.module.modules()]
    state, dice = pack(network.module.state_dict()), torch.get_rng_state()
    with TensorBoardWriter(tmp_path) as board:
        assert board.add_graph(network)
    assert [part.training for part in network.module.modules()] == modes
    assert pack(network.module.state_dict()) == state
    assert torch.equal(torch.get_rng_state(), dice)
    names = [node.name for node in read(tmp_path).Graph().node]
    assert any("Conv2d" in name for name in names) and any("head" in name for name in names)


def test_a_network_that_cannot_be_traced_has_no_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = tiny_network()

    def fail(module: Any, inputs: tuple[Any, ...]) -> None:
        raise RuntimeError("this cannot be traced")

    network.module.register_forward_pre_hook(fail)
    with TensorBoardWriter(tmp_path) as board:
        assert not board.add_graph(network)
        board.add_epoch(ROWS[0])
    assert scalars(tmp_path)["loss/train"] == [(1, 1.25)]
    assert capsys.readouterr() == ("", "")


def test_pictures_are_shown_at_the_last_epoch(tmp_path: Path) -> None:
    counts = np.array([[5, 1], [0, 7]])
    squares = np.random.default_rng(0).integers(0, 256, (3, 20, 20, 3), np.uint8)
    with TensorBoardWriter(tmp_path) as board:
        board.add_epoch(ROWS[0])
        board.add_confusion(counts, ["rose", "tulip"])
        board.add_samples(squares)
    events = read(tmp_path)
    (confusion,), (samples,) = events.Images("confusion"), events.Images("samples")
    assert confusion.step == samples.step == 1
    drawn = Image.open(io.BytesIO(draw_confusion(counts, ["rose", "tulip"]))).convert("RGB")
    image = Image.open(io.BytesIO(confusion.encoded_image_string))
    assert np.array_equal(np.asarray(image), np.asarray(drawn))
    grid = np.asarray(Image.open(io.BytesIO(samples.encoded_image_string)))
    assert all(np.array_equal(grid[:20, 20 * place : 20 * place + 20], squares[place]) for place in range(3))


def test_without_tensorboard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match="tensorboard") as caught, TensorBoardWriter(tmp_path):
        pass
    assert "fieldguide[train]" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_and_a_full_disk_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputUnusable), TensorBoardWriter(tmp_path / "file" / "events"):
        pass
    with TensorBoardWriter(tmp_path / "events") as board:

        def full() -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("torch.utils.tensorboard.SummaryWriter.flush", lambda writer: full())
        with pytest.raises(DiskFull, match="no space left while writing"):
            board.add_epoch(ROWS[0])
        monkeypatch.undo()


# ---- lines, tables, curves


def test_a_line_says_how_an_epoch_went_and_how_long_is_left() -> None:
    line = describe_epoch(ROWS[0], 3)
    assert line == "epoch 1 of 3: loss 1.250, accuracy 50.0%; val 1.500, 25.0%; 96 images/s; 2:00 left"
    assert describe_epoch(ROWS[1], 2) == "epoch 2 of 2: loss 0.750, accuracy 62.5%; 100 images/s"


def test_the_history_as_csv_has_a_column_for_each_field() -> None:
    rows = list(csv.DictReader(io.StringIO(history_csv(ROWS))))
    assert list(rows[0]) == [field.name for field in fields(EpochRow)]
    assert rows[0]["lr"] == "0.001" and rows[0]["loss"] == "1.25" and rows[1]["epoch"] == "2"
    assert rows[1]["val_loss"] == rows[1]["val_accuracy"] == ""
    trained = train_network(tiny_network(), coloured(), QUICK, callbacks=Callbacks(clock=ticking()))
    read_back = csv.DictReader(io.StringIO(history_csv(trained.history)))
    parsed = [{name: float(value) for name, value in row.items()} for row in read_back]
    assert parsed == [asdict(row) for row in trained.history], "no digit is lost"


def test_the_curves_are_training_beside_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    assert all(data.startswith(b"\x89PNG") for data in history_curves(ROWS).values())
    calls: list[tuple[Any, Any]] = []

    def draw(series: Any, **words: str) -> bytes:
        calls.append((series, words))
        return words["y"].encode()

    monkeypatch.setattr(tracking, "draw_curves", draw)
    assert history_curves(ROWS) == {"loss.png": b"loss", "accuracy.png": b"accuracy"}
    assert calls[0][0] == {"training": [(1.0, 1.25), (2.0, 0.75)], "validation": [(1.0, 1.5)]}
    assert calls[1][0] == {"training": [(1.0, 0.5), (2.0, 0.625)], "validation": [(1.0, 0.25)]}
    assert {words["x"] for _, words in calls} == {"epoch"}
    history_curves(ROWS[1:])
    assert list(calls[2][0]) == ["training"], "no line for what was not validated"


@pytest.mark.parametrize("imbalance", ["none", "weights", "oversample"])
def test_the_balance_says_what_was_done_for_each_class(imbalance: Any) -> None:
    labels = np.array([0] * 12 + [1] * 6 + [2] * 2)
    table = balance_table(class_balance(labels, 4, imbalance), ["rose", "tulip", "=iris", "none"])
    assert [row["class_name"] for row in table] == ["rose", "tulip", "=iris", "none"]
    assert [row["pictures"] for row in table] == [12, 6, 2, 0]
    shares = [float(row["share"]) for row in table]
    assert shares == pytest.approx([0.6, 0.3, 0.1, 0] if imbalance == "none" else [1 / 3, 1 / 3, 1 / 3, 0])
    assert [row["shown"] for row in table] == ([12, 12, 12, 0] if imbalance == "oversample" else [12, 6, 2, 0])
    text = balance_csv(class_balance(labels, 4, imbalance), ["rose", "tulip", "=iris", "none"])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[2]["class_name"] == "'=iris" and len(rows) == 4
    assert [float(row["weight"]) for row in rows] == pytest.approx([float(row["weight"]) for row in table], rel=1e-5)


def test_a_balance_of_nothing_has_no_shares() -> None:
    assert balance_table([ClassBalance(0, 0, 0, 1.0)], ["rose"])[0]["share"] == 0.0
    assert re.fullmatch(r"class_name,pictures,shown,weight,share\n", balance_csv([], []))
