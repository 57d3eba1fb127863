"""The benchmarks: with `--small`, each runs to its end and prints its table, so that none of them rots unnoticed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from command import TIMEOUT_S, environment

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
# Of each benchmark, its table's heading and the beginning of its peer's row, as regular expressions.
TABLES = {
    "accuracy": (r"set +fieldguide, grouped 5-fold +plain script, 5-fold +target +seconds", r"rooms +\d"),
    "collect": (r"way +images/s +less start-up +CPU ms/im +peak MB +CPU others", r"plain loop +\d"),
    "colour": (r"family +published \| original: CV \(std\) quarter", r"  from files, 1 thread\(s\): original \d"),
    "demo": (r" +area +box .* recall +prec\.", r"real charts: .*; peer 0\.814;"),
    "features": (r"pipeline +images/s +ratio", r"Pillow \+ eager PyTorch fp32 +\d"),
    "finetune": (r" +images/s +ratio +seconds +accuracy", r"plain script +\d"),
    "learners": (r"way +accuracy, grouped folds +seconds +first", r"script +\d"),
    "serve": (r"answer +median ms +95 % ms +beyond work", r"the work alone, Guide\.classify +\d"),
    "start": (r"process +best of \d", r"python -c pass +\d"),
    "whole": (r"stage +seconds +peak MB", r"target +300 +2000"),
}


def run_benchmark(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"bench_{name}.py"), "--small"]
    return subprocess.run(
        command, capture_output=True, text=True, env={**environment(), **variables}, timeout=TIMEOUT_S
    )


def test_every_benchmark_is_listed() -> None:
    assert sorted(TABLES) == sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("name", TABLES)
def test_a_small_run_prints_its_table(name: str) -> None:
    for library in ("sklearn", "openvino", "cv2"):
        pytest.importorskip(library, reason="the benchmarks need the extras [train,openvino,dev]")
    finished = run_benchmark(name)
    assert finished.returncode == 0, finished.stderr[-3000:]
    for pattern in TABLES[name]:
        assert re.search(f"^{pattern}", finished.stdout, re.MULTILINE), finished.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"start"}))
def test_without_real_pictures_it_is_skipped(name: str, tmp_path: Path) -> None:
    finished = run_benchmark(name, FIELDGUIDE_SHARED=str(tmp_path))
    assert finished.returncode == 0, finished.stderr[-3000:]
    assert f"skipped: there is no {tmp_path}" in finished.stdout
