"""Who answers for a guide: processes of their own, one per core, or threads of the server.

A picture is decoded and classified in one process, under limits of processor time and memory; a hostile one ends that
process and nothing else. Knows nothing about HTTP.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from fieldguide.engine import Crash, GuardedProcess, core_count
from fieldguide.errors import BadImage
from fieldguide.guide import Guide, open_session
from fieldguide.images import Limits, read_header
from fieldguide.records import Prediction

_LARGE_PIXELS = 16_000_000  # from here on a picture may take half a gigabyte while it is decoded
_SLOW_PIXELS = 4_000_000  # from here on whatever cannot be decoded smaller takes many times as long as usual
_PROGRESSIVE = b"\xff\xc2"  # the marker that begins such a frame: ITU-T T.81, table B.1
_ASIDE = 10  # niceness of who looks at those: a ninth of the time of a core on which usual ones are waiting
_TRIES = 2  # a process may have been ended from outside, which is not the picture's fault
_WARM_UP = bytes.fromhex(  # the smallest PNG, one grey pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63680000008200817745c7bc0000000049454e44ae426082"
)


@dataclass(frozen=True)
class Work:
    """What came of a picture.

    Attributes:
        answer: the classes, why it is no picture, or None where it is costly and was not to be.
        decode_s: seconds until it was as the model sees it.
        model_s: seconds in the model.
    """

    answer: Prediction | BadImage | None
    decode_s: float = 0.0
    model_s: float = 0.0


class Classifier:
    """A guide as it is sent to a process of its own; called with a picture and whether it may be a costly one.

    Args:
        guide: the guide; without its session where `model` is given.
        limits: which pictures are taken.
        model: the checked bytes of the model, from which a process opens a session.
        threads: of the processor, for the model.
        niceness: of its process, beyond that of the server.
    """

    def __init__(self, guide: Guide, limits: Limits, model: bytes = b"", threads: int = 1, niceness: int = 0) -> None:
        self._guide, self._limits, self._model = guide, limits, model
        self._threads, self._niceness = threads, niceness

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the session where this arrives in a process, which no limit of a picture counts."""
        self.__dict__.update(state)
        # the server ends this process when it has drained; a signal to the whole group is for the server
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.nice(self._niceness)
        self._guide = replace(self._guide, session=open_session(self._model, self._threads))
        self._model = b""

    def aside(self, niceness: int) -> "Classifier":
        """Return the same for a process that gives way to others."""
        return Classifier(self._guide, self._limits, self._model, self._threads, niceness)

    def __call__(self, question: tuple[bytes, bool]) -> Work:
        """Classify a picture."""
        data, costly_too = question
        start = time.perf_counter()
        try:
            if not costly_too and _is_costly(data, self._limits):
                return Work(None)
            square = self._guide.load(data, self._limits)
        except BadImage as error:
            error.__cause__ = error.__context__ = None  # a decoder's own exception may not survive the way back
            return Work(error, time.perf_counter() - start)
        decoded = time.perf_counter()
        answer = self._guide.answer(square[None], [""])[0]
        return Work(answer, decoded - start, time.perf_counter() - decoded)


def _is_costly(data: bytes, limits: Limits) -> bool:
    """Tell by the header whether a picture takes much memory, or much longer than most."""
    header = read_header(data, limits)
    pixels = header.width * header.height
    # a progressive JPEG is decoded whole; a marker never stands in its pixels, so at worst this errs for one in EXIF
    whole = header.format != "JPEG" or _PROGRESSIVE in data
    return pixels >= _LARGE_PIXELS or (whole and pixels >= _SLOW_PIXELS)


class Answerer(Protocol):
    """Who classifies the pictures.

    Attributes:
        size: how many usual ones at once.
        costly_size: how many costly ones at once.
    """

    size: int
    costly_size: int

    async def ask(self, data: bytes, costly_too: bool) -> Work:
        """Classify a picture when there is room; see `Classifier`."""

    def close(self) -> None:
        """End what was started."""


class Threads:
    """Answers in threads of this process: the least memory, but a picture that ends its decoder ends the server."""

    def __init__(self, classifier: Callable[[tuple[bytes, bool]], Work]) -> None:
        self.size = core_count()
        self.costly_size = min(2, max(1, self.size - 1))
        self._classifier = classifier
        self._slots = asyncio.Semaphore(self.size)

    async def ask(self, data: bytes, costly_too: bool) -> Work:
        """Classify a picture in a thread."""
        async with self._slots:
            return await asyncio.to_thread(self._classifier, (data, costly_too))

    def close(self) -> None:
        """Do nothing."""


class Lanes:
    """Answers in processes of their own, costly pictures in other ones than the usual, which pass by.

    Those for the costly ones give way to all others, so that whoever sends nothing but such pictures delays nobody
    else. They are started when the first one comes.

    Args:
        classifier: what each of the processes does.
        size: how many for the usual ones.
        cpu_s: see `Crew`.
        memory_bytes: see `Crew`.
        restarted: see `Crew`.
    """

    def __init__(
        self, classifier: Classifier, size: int, *, cpu_s: float, memory_bytes: int, restarted: Callable[[], None]
    ) -> None:
        self.size, self.costly_size = size, max(1, size // 4)
        make = partial(Crew, cpu_s=cpu_s, memory_bytes=memory_bytes, restarted=restarted)
        self._usual = make(classifier, size)
        self._make_costly = partial(make, classifier.aside(_ASIDE), self.costly_size)
        self._costly: asyncio.Task[Crew] | None = None
        self._closed = False

    def start(self) -> None:
        """Start the processes for the usual pictures; see `Crew`."""
        self._usual.start()

    async def ask(self, data: bytes, costly_too: bool) -> Work:
        """Classify a picture; see `Classifier`."""
        if not costly_too:
            return await self._usual.ask(data, False)
        costly = self._costly or asyncio.get_running_loop().create_task(asyncio.to_thread(self._start_costly))
        self._costly = costly
        try:
            crew = await asyncio.shield(costly)
        except (OSError, RuntimeError):
            self._costly = None
            return Work(BadImage("too_much_memory", "there is no room now for so large a picture"))
        return await crew.ask(data, True)

    def _start_costly(self) -> "Crew":
        """Start the processes for the costly pictures. Blocks."""
        crew = self._make_costly()
        crew.start()
        if self._closed:
            crew.close()
        return crew

    def close(self) -> None:
        """End the processes."""
        self._closed = True
        self._usual.close()
        if self._costly and self._costly.done() and not self._costly.cancelled() and not self._costly.exception():
            self._costly.result().close()


class Crew:
    """Answers in processes of their own. One that a picture ends is replaced.

    Args:
        classifier: what each of them does.
        size: how many.
        cpu_s: most seconds of processor time for a picture.
        memory_bytes: most memory of a process beside what it has when it starts.
        restarted: told when a process is replaced.
    """

    def __init__(
        self, classifier: Classifier, size: int, *, cpu_s: float, memory_bytes: int, restarted: Callable[[], None]
    ) -> None:
        self.size = size
        self._classifier, self._cpu_s, self._memory_bytes = classifier, cpu_s, memory_bytes
        self._restarted = restarted
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="fieldguide-worker")
        self._idle: asyncio.LifoQueue[GuardedProcess] = asyncio.LifoQueue()
        self._all: set[GuardedProcess] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._restarts: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the processes; return once each has answered. Blocks.

        Raises:
            RuntimeError: a process could not be started, or the model does not answer.
        """
        try:
            for process in [*self._threads.map(lambda _: self._start_one(), range(self.size))]:
                self._idle.put_nowait(process)
        except BaseException:
            self.close()
            raise

    def _start_one(self) -> GuardedProcess:
        """Start a process that has answered once, so that the first picture does not wait."""
        process = GuardedProcess(self._classifier, cpu_s=self._cpu_s, memory_bytes=self._memory_bytes)
        with self._lock:
            self._all.add(process)
            closed = self._closed
        work = process.ask((_WARM_UP, True))
        if isinstance(work, Crash) or isinstance(work.answer, BadImage) or closed:
            process.end()
            raise RuntimeError(f"the model does not answer: {getattr(work, 'detail', work)}")
        return process

    async def ask(self, data: bytes, costly_too: bool) -> Work:
        """Classify a picture in a process that is idle, or the next that will be."""
        for _ in range(_TRIES):
            process = await self._idle.get()
            # only a server that ends cancels this: the process is ended then too
            running = asyncio.get_running_loop().run_in_executor(self._threads, process.ask, (data, costly_too))
            try:
                work = await running
            except Exception:  # the model's own fault, as with any picture: the process is as good as before
                self._idle.put_nowait(process)
                raise
            if isinstance(work, Work):
                self._idle.put_nowait(process)
                return work
            self._replace(process)
            if work.reason == "too_slow":
                break
        return Work(BadImage(work.reason, f"decoding it was given up: {work.detail}"))

    def _replace(self, process: GuardedProcess) -> None:
        """Start another process for one that has ended, while the others answer."""
        with self._lock:
            self._all.discard(process)
        if not self._closed:
            self._restarted()
            task = asyncio.get_running_loop().create_task(self._start_again())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def _start_again(self) -> None:
        """Start a process, again and again where the machine has no room for one now."""
        while not self._closed:
            try:
                self._idle.put_nowait(await asyncio.get_running_loop().run_in_executor(None, self._start_one))
                return
            except (OSError, RuntimeError):
                await asyncio.sleep(1.0)

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            self._closed = True
            processes, self._all = self._all, set()
        for process in processes:
            process.end()
        self._threads.shutdown(wait=False)
