"""A training run on disk: it comes back as it was saved, and half a run is none."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fieldguide.errors import NotReady
from fieldguide.project.runs import Run, load_run, save_run
from fieldguide.records import Preprocessing, TrainReport

REPORT = TrainReport(
    run="x", learner="transfer", backbone="", fit="pad", size=96, chosen={"strength": 0.5}, temperature=1.5,
    accuracy=(0.5, 0.25, 0.75), measured_by="validation split", measured=2, macro_f1=0.5, tried={}, runtime="torch",
    images=4, classes=2, parameters=8, seed=7, seconds=1.0,
)  # fmt: skip
RUN = Run(
    name="20240101-000000-transfer", learner="transfer", settings={"learner": "transfer", "loop": {"lr": 0.5}}, seed=7,
    preprocessing=Preprocessing(size=96, fit="pad", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
    class_names=("Käfer", "猫"), data="d" * 64, report=json.loads(json.dumps(asdict(REPORT))),
    file_name="learnt.npz", model=b"\0\1bytes",
)  # fmt: skip


def test_a_run_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / RUN.name
    board = tmp_path / "board"
    board.mkdir()
    (board / "events").write_bytes(b"events")
    save_run(folder, RUN, {"predictions.csv": "a,b\nKäfer,1\n".encode()}, {"board": board})
    assert (folder / "board" / "events").read_bytes() == b"events"
    assert load_run(folder) == RUN
    assert (folder / "predictions.csv").read_text(encoding="utf-8") == "a,b\nKäfer,1\n"
    assert sorted(path.name for path in folder.iterdir()) == ["board", "learnt.npz", "predictions.csv", "run.json"]
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["class_names"] == ["Käfer", "猫"]


def test_a_run_is_saved_anew_as_a_whole(tmp_path: Path) -> None:
    save_run(tmp_path / "run", RUN, {"old.csv": b"x"})
    save_run(tmp_path / "run", RUN, {})
    assert not (tmp_path / "run" / "old.csv").exists()


@pytest.mark.parametrize(
    "damage", ["no folder", "no head", "no json", "half a json", "a list", "a field too many", "a field too few"]
)
def test_half_a_run_is_none(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "run"
    save_run(folder, RUN, {})
    said = json.loads((folder / "run.json").read_text())
    match damage:
        case "no folder":
            folder = tmp_path / "absent"
        case "no head":
            (folder / "learnt.npz").unlink()
        case "no json":
            (folder / "run.json").unlink()
        case "half a json":
            (folder / "run.json").write_text(json.dumps(said)[:50])
        case "a list":
            (folder / "run.json").write_text("[]")
        case "a field too many":
            (folder / "run.json").write_text(json.dumps({**said, "more": 1}))
        case _:
            del said["preprocessing"]["mean"]
            (folder / "run.json").write_text(json.dumps(said))
    with pytest.raises(NotReady) as caught:
        load_run(folder)
    assert "fieldguide train" in caught.value.hint
