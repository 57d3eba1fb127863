"""Map a pure function over rows, on the cores of this machine.

Knows nothing about what the function does. `map_threads` is for functions that let other threads run and can
be trusted to return; `map_guarded` is for functions that meet hostile bytes: each call has a limit of time
and memory, and a call that dies takes nothing with it. `GuardedProcess` is one process of these, for calls that come
one by one. Needs POSIX timers; the memory limit needs Linux.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Literal, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Crash:
    """A call that did not return.

    Attributes:
        reason: `too_slow` past its time, `too_much_memory` past its memory, `crashed` inside C code.
        detail: a sentence for a person.
    """

    reason: Literal["crashed", "too_slow", "too_much_memory"]
    detail: str


def core_count(cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many cores this process may use, at least 1: its affinity, or less where a control group says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _granted_cores(cgroups)))


def map_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int | None = None
) -> Iterator[Result]:
    """Yield results in the order of the items, computed by threads.

    At most `ahead` items (by default twice the workers) are taken before their results are asked for. Closing
    the iterator drops what has not begun and waits for what has.

    Raises:
        Exception: whatever the function raises, at its item's turn.
    """
    items = iter(items)
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="fieldguide")
    try:
        for item in islice(items, max(1, ahead if ahead is not None else 2 * workers)):
            waiting.append(pool.submit(function, item))
        while waiting:
            result = waiting.popleft().result()
            for item in islice(items, 1):
                waiting.append(pool.submit(function, item))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def map_guarded(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    cpu_s: float = 10.0,
    memory_bytes: int = 2_000_000_000,
    chunk: int = 8,
) -> Iterator[tuple[int, Result | Crash]]:
    """Yield each item's position with its result, or with the `Crash` that it was, in any order.

    The function runs in processes of its own. One call may use `cpu_s` seconds of processor time,
    3 x `cpu_s` + 5 seconds in all, and `memory_bytes` more than an idle worker; past that, even inside C
    code, its process is ended by the system, the call is a `Crash`, and a new process goes on with the rest.
    Closing the iterator, an exception and Ctrl-C end every process before they pass on. A process whose
    parent dies ends by itself after the call it is in.

    Args:
        function: of an importable module, not of a script; it must not use SIGPROF or SIGALRM. What it prints
            is dropped.
        items: taken as they are needed, at most `workers` x `chunk` at a time; sent by pickle, so send paths
            rather than large bytes.
        workers: processes.
        cpu_s: seconds of processor time per call, over all its threads.
        memory_bytes: address space per process.
        chunk: items sent to a process at once.

    Raises:
        Exception: whatever the function raises (a mistake, since trouble with an item is its result), with a
            note of where.
        RuntimeError: a process could not be started.
    """
    job = _Job((pickle.dumps(function), cpu_s, memory_bytes), enumerate(items), max(1, chunk))
    crew: list[_Worker] = []
    try:
        while True:
            _give_work(job, crew, max(1, workers))
            if not crew:
                return
            ready = wait([worker.connection for worker in crew])
            for worker in [worker for worker in crew if worker.connection in ready]:
                yield from _take(job, crew, worker)
    finally:
        for worker in crew:
            worker.end()


class GuardedProcess:
    """A process of its own that answers one item at a time, under the limits of `map_guarded`.

    Args:
        function: as in `map_guarded`; it is sent once, so it may keep what is expensive to open.
        cpu_s: seconds of processor time per call.
        memory_bytes: address space of the process.
    """

    def __init__(self, function: Callable[[Any], Any], *, cpu_s: float, memory_bytes: int) -> None:
        self._worker = _start((pickle.dumps(function), cpu_s, memory_bytes))

    def ask(self, item: Any) -> Any:
        """Return the function's result, or the `Crash` that it was: the process has ended then. Blocks.

        Raises:
            Exception: whatever the function raises.
            RuntimeError: the process could not be started.
        """
        worker = self._worker
        try:
            worker.connection.send([(0, item)])
            if not worker.up:
                self._receive()
                worker.up = True
            return self._receive()
        except (EOFError, OSError):
            code = worker.process.wait()
            worker.end()
            if not worker.up:
                raise RuntimeError(f"a worker process could not be started (exit code {code})") from None
            return _crash(code)

    def _receive(self) -> Any:
        succeeded, result = self._worker.connection.recv()
        if not succeeded:
            raise result
        return result

    def end(self) -> None:
        """Kill the process; an `ask` in another thread returns a `Crash`."""
        self._worker.process.kill()
        self._worker.process.wait()


@dataclass
class _Job:
    """The items to do, and those that a dead worker left behind."""

    packed: tuple[bytes, float, int]
    items: Iterator[tuple[int, Any]]
    chunk: int
    left: deque[tuple[int, Any]] = field(default_factory=deque)

    def next_items(self) -> list[tuple[int, Any]]:
        """Return the next items, at most a chunk, those left behind first."""
        taken = [self.left.popleft() for _ in range(min(self.chunk, len(self.left)))]
        return taken or list(islice(self.items, self.chunk))


@dataclass
class _Worker:
    """One process, its pipe, and the items it has not answered, in the order it does them."""

    process: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    doing: deque[tuple[int, Any]] = field(default_factory=deque)
    up: bool = False

    def end(self) -> None:
        """Kill the process and reap it."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from fieldguide import engine; engine._work()"


def _start(packed: tuple[bytes, float, int]) -> _Worker:
    """Start a worker, without waiting until it is up."""
    ours, theirs = Pipe()
    with theirs:
        paths = json.dumps([path for path in sys.path if isinstance(path, str)])
        # Not multiprocessing's own start: that imports the caller's main program again in each worker.
        command = [sys.executable, "-P", "-c", _START, paths, str(theirs.fileno())]
        none = subprocess.DEVNULL
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=none, stdout=none, stderr=none)
    with suppress(OSError):
        ours.send(packed)
    return _Worker(process, ours)


def _give_work(job: _Job, crew: list[_Worker], workers: int) -> None:
    """Give every idle worker a chunk, start new ones for more, and end those with nothing to do."""
    idle = [worker for worker in crew if not worker.doing]
    while (idle or len(crew) < workers) and (items := job.next_items()):
        if not idle:
            idle.append(_start(job.packed))
            crew.append(idle[0])
        worker = idle.pop()
        worker.doing.extend(items)
        # Never to a busy worker: both sides could then wait for the other to read. If it has died, the end of
        # its pipe says so at the next wait.
        with suppress(OSError):
            worker.connection.send(items)
    for worker in idle:
        crew.remove(worker)
        worker.end()


def _take(job: _Job, crew: list[_Worker], worker: _Worker) -> Iterator[tuple[int, Any]]:
    """Yield the answers that a worker has sent, or the crash of the item it was at."""
    try:
        message = worker.connection.recv()
    except (EOFError, OSError):
        crew.remove(worker)
        code = worker.process.wait()
        worker.end()
        if not worker.up:
            raise RuntimeError(f"a worker process could not be started (exit code {code})") from None
        index, _ = worker.doing.popleft()
        job.left.extend(worker.doing)
        yield index, _crash(code)
        return
    succeeded, result = message
    if not succeeded:
        raise result
    if not worker.up:
        worker.up = True
        return
    index, _ = worker.doing.popleft()
    yield index, result


def _crash(code: int) -> Crash:
    """Explain an exit code; a negative one is the signal that ended the process."""
    if code == -signal.SIGPROF:
        return Crash("too_slow", "stopped at its limit of processor time")
    if code == -signal.SIGALRM:
        return Crash("too_slow", "stopped at its limit of time")
    if code in (-signal.SIGKILL, _OUT_OF_MEMORY):
        return Crash("too_much_memory", "ended by the system, most likely because memory ran out")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
    return Crash("crashed", f"the process ended with {name}")


_OUT_OF_MEMORY = 77


def _work() -> None:
    """Say that this worker is up, then answer until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(int(sys.argv[2]))
    packed, cpu_s, memory_bytes = connection.recv()
    try:
        function = pickle.loads(packed)  # noqa: S301 from our own parent
    except (AttributeError, ImportError) as error:
        connection.send((False, RuntimeError(f"a worker process could not load the function ({error})")))
        os._exit(1)
    connection.send((True, "up"))
    _limit_memory(memory_bytes)
    try:
        while True:
            for _, item in connection.recv():
                _answer(connection, function, item, cpu_s)
    except (EOFError, OSError):
        # The parent has gone or wants no more. No interpreter shutdown: nothing here is worth keeping.
        os._exit(0)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)


def _answer(pipe: Connection[Any, Any], function: Callable[[Any], Any], item: Any, cpu_s: float) -> None:
    """Send the function's result, or what it raised."""
    # The default action of both signals ends the process, wherever it is; a Python handler would wait for C.
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, 3 * cpu_s + 5)
    try:
        answer: tuple[bool, Any] = True, function(item)
    except MemoryError:
        answer = True, Crash("too_much_memory", "needed more memory than its limit")
    # Also SystemExit: whatever it is, the caller should see it, not a worker that went away.
    except BaseException as error:
        error.add_note("in a worker:\n" + traceback.format_exc())
        answer = False, error
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        packed = pickle.dumps(answer)
        pickle.loads(packed)  # noqa: S301 our own bytes; an exception may pack and not unpack
    except Exception as error:
        packed = pickle.dumps((False, RuntimeError(f"{answer[1]!r} cannot be sent ({error})")))
    pipe.send_bytes(packed)


def _limit_memory(memory_bytes: int) -> None:
    """Limit how much the address space may grow."""
    import resource

    statm = Path("/proc/self/statm")
    if statm.exists():
        now = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + memory_bytes, now + memory_bytes))


_NO_LIMIT = 1_000_000


def _granted_cores(root: Path) -> int:
    """Return the cores' worth of time that control groups grant, rounded up; large where there is no limit.

    Reads `cpu.max` of this process's group and those above it (Linux, control groups version 2).
    """
    granted = _NO_LIMIT
    own = Path("/proc/self/cgroup")
    path = own.read_text().rpartition("::")[2].strip() if own.exists() else ""
    folder = root / path.lstrip("/")
    for level in (folder, *folder.parents):
        try:
            quota, period = (level / "cpu.max").read_text().split()
            granted = min(granted, max(1, -(-int(quota) // int(period))))
        except (OSError, ValueError):
            continue
    return granted
