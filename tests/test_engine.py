"""The engine: order, bounds, limits, crashes, and that no process is left behind."""

import ctypes
import itertools
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fieldguide.engine import Crash, core_count, map_guarded, map_threads
from fieldguide.errors import BadImage

# ---- functions for the workers


def double(x: int) -> int:
    return 2 * x


def misbehave(what: object) -> object:
    match what:
        case "die":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "spin":
            while True:
                pass
        case "spin in C":
            # One call into C that never returns to the interpreter's loop.
            return sum(itertools.repeat(0))
        case "nap":
            time.sleep(2)
        case "sleep":
            time.sleep(1000)
        case "eat":
            return bytearray(3_000_000_000)
        case "eof":
            raise EOFError("not the end of a pipe")
        case "bad":
            raise BadImage("damaged", "as raised")
        case "unpicklable":
            return threading.Lock()
        case "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        case "leave":
            raise SystemExit(3)
    return what


def threads_and_pid(_: int) -> tuple[int, int]:
    return os.getpid(), threading.active_count()


def children() -> set[int]:
    """Return the processes whose parent is this one, the dead not yet reaped among them."""
    mine = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            mine.add(int(stat.parent.name))
    return mine


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    before = children()
    yield
    assert children() - before == set()


# ---- guarded


def test_every_item_once_whatever_the_workers() -> None:
    for workers, chunk in ((1, 8), (2, 1), (3, 5)):
        results = dict(map_guarded(double, range(50), workers=workers, chunk=chunk))
        assert results == {i: 2 * i for i in range(50)}


def test_nothing_to_do_starts_nothing() -> None:
    assert list(map_guarded(double, [], workers=2)) == []


def test_one_worker_is_still_another_process() -> None:
    ((_, result),) = map_guarded(threads_and_pid, [0], workers=1)
    assert not isinstance(result, Crash) and result[0] != os.getpid()


def test_a_crash_costs_only_its_item() -> None:
    items = ["die" if i % 7 == 3 else "exit" if i == 20 else i for i in range(30)]
    results = dict(map_guarded(misbehave, items, workers=2, chunk=4))
    assert sorted(results) == list(range(30))
    for i, item in enumerate(items):
        result = results[i]
        if isinstance(item, str):
            assert isinstance(result, Crash) and result.reason == "crashed"
            assert ("SIGSEGV" if item == "die" else "exit code 3") in result.detail
        else:
            assert result == item


@pytest.mark.parametrize("what", ["spin", "spin in C"])
def test_too_much_processor_time(what: str) -> None:
    results = dict(map_guarded(misbehave, [what, 1, 2], workers=1, cpu_s=0.4))
    assert results[0] == Crash("too_slow", "stopped at its limit of processor time")
    assert (results[1], results[2]) == (1, 2)


def test_the_limit_is_per_item_not_per_worker() -> None:
    results = dict(map_guarded(burn, range(6), workers=1, cpu_s=0.6))
    assert results == {i: i for i in range(6)}


def burn(x: int) -> int:
    end = time.process_time() + 0.25
    while time.process_time() < end:
        pass
    return x


def test_too_long_without_using_the_processor() -> None:
    results = dict(map_guarded(misbehave, ["nap", "sleep", 1], workers=1, cpu_s=0.1))
    assert results[0] == "nap", "who waits may take longer than who works"
    assert results[1] == Crash("too_slow", "stopped at its limit of time") and results[2] == 1


def test_ctrl_c_is_for_the_parent_alone() -> None:
    assert dict(map_guarded(misbehave, ["interrupt", 1], workers=1)) == {0: "interrupt", 1: 1}


def test_too_much_memory() -> None:
    results = dict(map_guarded(misbehave, ["eat", "killed", 1], workers=1, memory_bytes=500_000_000))
    for i in (0, 1):
        result = results[i]
        assert isinstance(result, Crash) and result.reason == "too_much_memory"
    assert results[2] == 1


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("eof", EOFError, "not the end"),
        ("bad", BadImage, "as raised"),
        ("unpicklable", RuntimeError, "cannot be sent"),
        ("leave", SystemExit, "3"),
    ],
)
def test_what_the_function_raises_reaches_the_caller(what: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        list(map_guarded(misbehave, [1, what, 2], workers=2))
    if what == "eof":
        assert "in misbehave" in "".join(caught.value.__notes__)


def test_a_function_that_cannot_be_loaded_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(double, "__module__", "no_such_module_at_all")
    monkeypatch.setitem(sys.modules, "no_such_module_at_all", sys.modules[__name__])
    with pytest.raises(RuntimeError, match="could not load the function"):
        list(map_guarded(double, [1], workers=1))


def test_a_worker_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="could not be started"):
        list(map_guarded(double, range(10), workers=2))


def test_takes_items_only_as_needed() -> None:
    taken_count = 0

    def endless() -> Iterator[int]:
        nonlocal taken_count
        while True:
            taken_count += 1
            yield taken_count

    results = map_guarded(double, endless(), workers=2, chunk=4)
    for _ in range(40):
        next(results)
    assert taken_count <= 40 + 2 * 4 + 4
    results.close()  # type: ignore[attr-defined]


def test_closing_early_leaves_no_process() -> None:
    before = children()
    results = map_guarded(misbehave, [1, "sleep", "sleep", "sleep"], workers=2, chunk=1)
    next(results)
    assert children() - before
    results.close()  # type: ignore[attr-defined]
    assert children() - before == set()


INTERRUPTED = """
import os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from fieldguide.engine import map_guarded
from test_engine import children
results = map_guarded(time.sleep, [0, 50, 50], workers=2, chunk=1)
next(results)
threading.Timer(0.5, lambda: os.killpg(0, signal.SIGINT)).start()
try:
    next(results)
except KeyboardInterrupt:
    sys.exit(5 if children() else 0)
sys.exit(6)
"""


def test_ctrl_c_ends_the_workers_and_passes_on() -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(Path(__file__).parent)]
    result = subprocess.run(command, start_new_session=True, timeout=600, check=False)
    assert result.returncode == 0


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from fieldguide.engine import map_guarded\n"
        "from test_engine import threads_and_pid\n"
        "results = map_guarded(threads_and_pid, range(10**9), workers=1, chunk=1)\n"
        "open(sys.argv[1], 'w').write(str(next(results)[1][0]))\n"
        "open(sys.argv[1] + '.done', 'w').close()\n"
        "import time; time.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(note), str(Path(__file__).parent)])
    try:
        wait_for(Path(f"{note}.done").exists)
        worker = int(note.read_text())
        assert alive(worker)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not alive(worker))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: object, seconds: float = 600) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_safe_when_the_caller_has_threads() -> None:
    stop = threading.Event()
    busy = [threading.Thread(target=stop.wait) for _ in range(4)]
    for thread in busy:
        thread.start()
    try:
        results = [result for _, result in map_guarded(threads_and_pid, range(4), workers=2)]
    finally:
        stop.set()
        for thread in busy:
            thread.join()
    assert all(not isinstance(result, Crash) and result[1] == 1 for result in results)


# ---- threads


def test_threads_keep_the_order() -> None:
    def slow(x: int) -> int:
        time.sleep(0.02 if x % 3 == 0 else 0)
        return x

    assert list(map_threads(slow, range(40), workers=4)) == list(range(40))
    assert list(map_threads(slow, [], workers=4)) == []


def test_threads_look_ahead_so_far_and_no_further() -> None:
    taken_count = 0

    def items() -> Iterator[int]:
        nonlocal taken_count
        while True:
            taken_count += 1
            yield taken_count

    results = map_threads(double, items(), workers=2, ahead=5)
    assert [next(results) for _ in range(10)] == [2 * i for i in range(1, 11)]
    assert taken_count <= 15
    results.close()  # type: ignore[attr-defined]


def test_threads_work_at_once() -> None:
    meeting = threading.Barrier(3, timeout=600)
    assert len(list(map_threads(lambda _: meeting.wait(), range(3), workers=3, ahead=3))) == 3


def test_threads_pass_on_what_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_threads(lambda x: 1 // x, [1, 0, 1], workers=2))


# ---- cores


def test_core_count_is_what_this_process_may_use() -> None:
    assert 1 <= core_count() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("text", "cores"), [("150000 100000", 2), ("max 100000", 8), ("1 100000", 1)])
def test_core_count_honours_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, cores: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert core_count(tmp_path) == cores
