"""Ended at any moment: nothing that was said to be done is lost, nothing half made is seen, and the end is the same.

The program is killed behind a line of progress chosen at random, after a short random time, so that the kills fall
inside the stages whatever the speed of the machine.
"""

import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from command import TIMEOUT_S, ran, run, set_key, start
from conftest import Pictures, make_project
from fieldguide.guide import open_guide
from fieldguide.project import Project
from fieldguide.stages.status import status


def prepare(folder: Path) -> Project:
    """Make a project whose results can be repeated exactly and are quickly had."""
    project = make_project(folder)
    set_key(project.settings_file, "features", 'runtime = "onnxruntime"')
    set_key(project.settings_file, "features", "batch_size = 4")
    for line in ('fit = "squash"', "strengths = [0.01]", "folds = 2"):
        set_key(project.settings_file, "train", line)
    set_key(project.settings_file, "evaluate", "folds = 2")
    return project


def outcome(project: Project) -> dict[str, Any]:
    """Return what the whole walk came to: each picture's place, and every figure."""
    with project.catalog() as catalog:
        rows = [
            (state.sha256, state.class_name, state.state, state.group_id, state.split) for state in catalog.states()
        ]
        verdicts = {check: sorted(catalog.verdicts(check)) for check in ("files", "duplicates")}
        evaluated, published = catalog.finished("evaluate"), catalog.finished("publish")
    assert evaluated and published
    metrics = json.loads((project.root / evaluated.report["report"]).with_name("metrics.json").read_text())
    guide = json.loads((project.guide_folder / "guide.json").read_text())
    for document in (metrics, guide, published.report):
        document.pop("run")
    return {"rows": rows, "verdicts": verdicts, "metrics": metrics, "guide": guide, "published": published.report}


def set_back(project: Project, stage: str) -> None:
    """Forget that the stage has finished, as if it had been killed at its last step."""
    with closing(sqlite3.connect(project.root / "catalog.db")) as database, database:
        database.execute("DELETE FROM stage WHERE name = ?", (stage,))


def check_sound(project: Project) -> None:
    """Check that whatever can be seen is whole, and that `status` works."""
    status(project, project.settings())
    with project.catalog() as catalog:
        for sha256, row in catalog.images().items():
            assert len(project.read_image(sha256, row.format)) == row.bytes
        known = catalog.hashes()
        assert known >= set(catalog.splits())
        trained = catalog.finished("train")
    for path in (project.root / "images").rglob("*"):
        if path.is_file() and not path.name.endswith(".tmp"):
            assert re.fullmatch(r"[0-9a-f]{64}\.[a-z]+", path.name), path
    if trained:
        assert {"run.json", "learnt.npz"} <= {
            path.name for path in (project.runs_folder / trained.report["run"]).iterdir()
        }
    if project.guide_folder.exists():
        open_guide(project.guide_folder)


def end_early(dice: random.Random, latest: float, log: Path, *arguments: str | Path) -> int:
    """Kill a program behind a random line of its progress; return its exit code."""
    lines_first = dice.randrange(0, 3)
    wait_s = dice.uniform(0.0, latest)
    with log.open("w") as file:
        process = start(*arguments, stdout=subprocess.DEVNULL, stderr=file)
    try:
        while log.read_text().count("\n") < lines_first and process.poll() is None:
            time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
    finally:
        process.kill()
        process.wait()
    return process.returncode


@pytest.fixture(scope="module")
def source(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write ten pictures of each class, one of them twice, one broken, one too small."""
    folder = pictures(tmp_path_factory.mktemp("kill") / "source", per_class=10)
    data = (folder / "circle" / "001.png").read_bytes()
    (folder / "circle" / "again.png").write_bytes(data)
    (folder / "square" / "broken.png").write_bytes((folder / "square" / "001.png").read_bytes()[:2000])
    pictures(folder, per_class=1, first=500, side=40)
    return folder


@pytest.mark.slow
def test_twenty_kills_change_nothing(source: Path, own_cache: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the extra [train]")
    calm, hurt = prepare(tmp_path / "calm"), prepare(tmp_path / "hurt")
    ran("add", source, "-C", calm.root)
    ran("build", "-C", calm.root)
    dice = random.Random(0)
    plan: list[tuple[int, float, list[str | Path]]] = [
        (5, 0.1, ["add", source]), (4, 0.2, ["clean"]), (2, 0.05, ["split"]), (4, 1.0, ["train"]),
        (3, 1.0, ["evaluate"]), (4, 2.5, ["build"]),
    ]  # fmt: skip
    kills = 0
    for count, latest, command in plan:
        remaining = count
        for _ in range(10 * count):
            code = end_early(dice, latest, tmp_path / "log", *command, "-C", hurt.root)
            assert code in (0, -signal.SIGKILL), (tmp_path / "log").read_text()
            check_sound(hurt)
            remaining -= code == -signal.SIGKILL
            if not remaining:
                break
            if code == 0:  # quicker than its killer, who hurries from now on
                latest *= 0.6
                set_back(hurt, str(command[0]).replace("build", "publish"))
        kills += count - remaining
        if command[0] != "build":
            ran(*command, "-C", hurt.root)
    ran("build", "-C", hurt.root)
    check_sound(hurt)
    assert kills >= 20, f"only {kills} kills came in time"
    hurt_outcome, calm_outcome = outcome(hurt), outcome(calm)
    for project, result in ((hurt, hurt_outcome), (calm, calm_outcome)):
        result["guide"].pop("name")
        with project.catalog() as catalog:  # a killed evaluation has opened the test split, and that is told
            assert result["guide"]["scores"].pop("looks") == catalog.count_looks()
    assert hurt_outcome == calm_outcome
    assert "nothing" not in ran("status", "-C", hurt.root)
    before = sorted(path for path in hurt.root.rglob("*") if path.name != "catalog.db")
    ran("build", "-C", hurt.root)
    assert sorted(path for path in hurt.root.rglob("*") if path.name != "catalog.db") == before


@pytest.mark.slow
def test_kills_while_drawing_change_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    from fieldguide_charts import CLASS_NAMES as KINDS

    names = [name for name in KINDS if name in ("line", "scatter")] or list(KINDS[:2])
    projects = [make_project(tmp_path / folder, names) for folder in ("calm", "hurt")]
    for project in projects:
        set_key(project.settings_file, "collect", 'sources = ["drawn"]')
        set_key(project.settings_file, "collect", "per_class = 12")
    calm, hurt = projects
    ran("collect", "-C", calm.root)
    dice = random.Random(1)
    codes = []
    for _ in range(4):
        codes.append(end_early(dice, 1.5, tmp_path / "log", "collect", "-C", hurt.root))
        check_sound(hurt)
    assert -signal.SIGKILL in codes
    ran("collect", "-C", hurt.root)
    contents = []
    for project in projects:
        with project.catalog() as catalog:
            contents.append((catalog.hashes(), catalog.locations("drawn"), catalog.labels()))
    assert contents[0] == contents[1] and len(contents[0][1]) == 24


def descendants(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    alive = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                alive.append(int(entry.name))
    return alive


@pytest.mark.parametrize("command", ["collect", "train"])
def test_an_interrupt_says_how_to_go_on_and_leaves_nobody_behind(
    command: str, source: Path, own_cache: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes cannot be counted here")
    project = prepare(tmp_path / "place")
    if command == "collect":
        pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
        from fieldguide_charts import CLASS_NAMES as KINDS

        project = make_project(tmp_path / "drawn", list(KINDS[:4]))
        set_key(project.settings_file, "collect", 'sources = ["drawn"]')
        sign = "drawing"
    else:
        pytest.importorskip("torch", reason="training needs the extra [train]")
        for arguments in (["add", source], ["clean"], ["split"]):
            ran(*arguments, "-C", project.root)
        sign = "features"
    log = tmp_path / "log"
    with log.open("w") as file:
        process = start(command, "-C", project.root, start_new_session=True, stderr=file)
    try:
        while sign not in log.read_text() and process.poll() is None:
            time.sleep(0.01)
        while command == "collect" and len(descendants(process.pid)) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
        output = log.read_text()
        if process.returncode == 0:
            pytest.skip("the stage ended before it could be interrupted")
        assert process.returncode == 130, output
        kept = {
            "collect": "it continues where it stopped",
            "train": "the features, checkpoints and folds that are finished are kept",
        }
        assert output.splitlines()[-2:] == ["fieldguide: stopped", f"  run the same command again: {kept[command]}"]
        assert "Traceback" not in output
        deadline = time.monotonic() + TIMEOUT_S
        while descendants(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not descendants(process.pid)
    finally:
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
    check_sound(project)
    assert not list(project.root.rglob("*.tmp"))
    if command == "train":
        ran("train", "-C", project.root)


def test_a_dead_program_leaves_no_workers(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="drawing needs the extra [drawn]")
    if not Path("/proc/self/stat").exists():
        pytest.skip("processes cannot be counted here")
    from fieldguide_charts import CLASS_NAMES as KINDS

    project = make_project(tmp_path / "place", list(KINDS[:4]))
    set_key(project.settings_file, "collect", 'sources = ["drawn"]')
    process = start("collect", "-C", project.root, start_new_session=True)
    assert process.stderr
    try:
        while len(descendants(process.pid)) < 2 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
        deadline = time.monotonic() + TIMEOUT_S
        while descendants(process.pid) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not descendants(process.pid), "workers outlive the program that started them"
    finally:
        for pid in descendants(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()
    assert run("status", "-C", project.root).returncode == 0
