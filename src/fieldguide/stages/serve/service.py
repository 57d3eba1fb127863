"""The guide that is served now: who answers for it, how many may wait, and how another takes its place.

A request stays with the guide that it began with; one that was replaced is closed when its last request has ended.
Knows nothing about HTTP but the problems that it answers.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fieldguide.engine import core_count
from fieldguide.errors import BadImage, FieldguideError, GuideDamaged, translate_os_errors
from fieldguide.guide import Guide, open_guide
from fieldguide.images import Limits
from fieldguide.records import Prediction
from fieldguide.serving import Problem
from fieldguide.settings import ServeSettings
from fieldguide.stages.serve.metrics import Metrics
from fieldguide.stages.serve.workers import Answerer, Classifier, Lanes, Threads, Work

_MAX_SCANS = 30  # honest progressive JPEGs have up to 14; each scan costs a pass over all pixels
_MOST_WAIT_S = 2.0  # a picture that would wait longer is told to come back
_MOST_WAITING = 256
_MOST_COSTLY = 8  # each may hold the largest upload, and take as long as a picture may
_USUAL_S = 0.05  # for a picture, until some were measured
_WORKER_BYTES = 2_000_000_000
_STATUS = {"unsupported_format": 415, "not_an_image": 415, "too_many_bytes": 413, "too_many_pixels": 413}
_LOOK_EVERY_S = 1.0


@dataclass(eq=False)
class Loaded:
    """A guide that is open.

    Attributes:
        guide: the guide; its session is open in the processes that answer.
        limits: which pictures are taken.
        answerer: who classifies.
        sha256: the hash of the model's file; "" where the guide was not read from a folder.
        users: how many requests are with it now.
        replaced: whether another has taken its place.
    """

    guide: Guide
    limits: Limits
    answerer: Answerer
    sha256: str = ""
    users: int = 0
    replaced: bool = False
    costly: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.costly = asyncio.Semaphore(self.answerer.costly_size)

    @cached_property
    def name(self) -> str:
        """The guide's name as it can stand in an address."""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", str(self.guide.about["name"])).strip("-.") or "guide"

    @cached_property
    def version(self) -> str:
        """The run that the guide was published from, or the beginning of its model's hash."""
        return str(self.guide.about.get("run") or self.sha256[:12] or "1")

    @property
    def model(self) -> dict[str, str]:
        """What an answer says about the model it is from."""
        return {"name": str(self.guide.about["name"]), "version": self.version, "sha256": self.sha256}


class _Waiting:
    """How many pictures wait or are looked at."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.count = 0
        self._changed = changed

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a picture inside the block."""
        self.count += 1
        self._changed()
        try:
            yield
        finally:
            self.count -= 1
            self._changed()


class Service:
    """Answers for the guide that is served now.

    Args:
        loaded: the first guide.
        metrics: where the work is counted.
    """

    def __init__(self, loaded: Loaded, metrics: Metrics) -> None:
        self.loaded = loaded
        self.metrics = metrics
        self.ending = False
        self._waiting, self._costly = _Waiting(self._show_waiting), _Waiting(self._show_waiting)
        self._picture_s = _USUAL_S

    @property
    def busy(self) -> bool:
        """Whether a further picture would wait too long."""
        size = self.loaded.answerer.size
        return self._waiting.count >= min(_MOST_WAITING, size + max(size, int(_MOST_WAIT_S / self._picture_s * size)))

    @property
    def ready(self) -> bool:
        """Whether a picture that is sent now will be answered soon."""
        return not (self.ending or self.busy)

    def check_room(self) -> None:
        """Refuse a picture that would wait too long, before it is read.

        Raises:
            Problem: 503.
        """
        if self.busy:
            raise self._busy("too many pictures are waiting; try again in a second")

    def _busy(self, detail: str) -> Problem:
        """Count a picture that is turned away, and return what it is told."""
        self.metrics.rejected.add("busy")
        return Problem(503, "busy", detail)

    def _show_waiting(self) -> None:
        self.metrics.waiting.set(self._waiting.count + self._costly.count)

    @contextmanager
    def using(self) -> Iterator[Loaded]:
        """Yield the guide that is served now; it stays open inside the block."""
        loaded = self.loaded
        loaded.users += 1
        try:
            yield loaded
        finally:
            loaded.users -= 1
            if loaded.replaced and not loaded.users:
                loaded.answerer.close()

    async def classify(self, loaded: Loaded, data: bytes) -> Prediction:
        """Classify a picture.

        Raises:
            Problem: it is none that can be decoded, or too many are waiting.
        """
        self.check_room()
        start = time.perf_counter()
        with self._waiting.one_more():
            work = await loaded.answerer.ask(data, False)
        usual = work.answer is not None
        if not usual:
            if self._costly.count >= _MOST_COSTLY:
                raise self._busy("too many large pictures are waiting; try again in a second")
            with self._costly.one_more():
                async with loaded.costly:
                    work = await loaded.answerer.ask(data, True)
        return self._count(work, time.perf_counter() - start, usual)

    def _count(self, work: Work, took_s: float, usual: bool) -> Prediction:
        """Count what came of a picture, and return the answer."""
        answer, metrics = work.answer, self.metrics
        own_s = work.decode_s + work.model_s
        metrics.queue_s.observe(max(0.0, took_s - own_s))
        if isinstance(answer, BadImage):
            metrics.pictures.add(answer.reason)
            raise Problem(_STATUS.get(answer.reason, 422), answer.reason, answer.detail)
        assert answer is not None
        metrics.pictures.add("declined" if answer.declined else "answered")
        metrics.decode_s.observe(work.decode_s)
        metrics.model_s.observe(work.model_s)
        if usual:
            self._picture_s += 0.05 * (own_s - self._picture_s)
        return answer

    def replace(self, loaded: Loaded) -> None:
        """Let another guide take the place of the one that is served."""
        old, self.loaded = self.loaded, loaded
        old.replaced = True
        self.metrics.show_model(loaded.model)
        if not old.users:
            old.answerer.close()


def load(folder: Path, settings: ServeSettings, metrics: Metrics) -> Loaded:
    """Open a guide and start who answers for it; all has answered once when this returns. Blocks.

    Raises:
        InputMissing: there is no guide in the folder.
        GuideDamaged: the guide is altered or unsafe, or its model does not answer.
    """
    with translate_os_errors(f"reading {folder}"):
        before = _read_manifest(folder)
        guide = open_guide(folder, threads=1)
        model = (folder / "model.onnx").read_bytes()
        if _read_manifest(folder) != before:
            raise GuideDamaged(f"{folder} changed while it was read", "start the server again")
    digest = hashlib.sha256(model).hexdigest()
    if f"{digest}  model.onnx" not in before:
        raise GuideDamaged(f"{folder / 'model.onnx'} changed while it was read", "start the server again")
    limits = limits_of(guide, settings)
    workers = core_count() if settings.workers == "auto" else settings.workers
    if not workers:  # a picture on each core, not one on all
        return Loaded(guide, limits, Threads(Classifier(guide, limits)), digest)
    guide = replace(guide, session=None)
    classifier = Classifier(guide, limits, model, max(1, core_count() // workers))
    lanes = Lanes(
        classifier, workers, cpu_s=settings.max_cpu_s, memory_bytes=_WORKER_BYTES, restarted=metrics.restarts.add
    )
    try:
        lanes.start()
    except RuntimeError as error:
        raise GuideDamaged(f"the guide in {folder} does not answer: {error}", "publish it again") from error
    return Loaded(guide, limits, lanes, digest)


def _read_manifest(folder: Path) -> str:
    """Return the list of the guide's files; "" where there is none."""
    path = folder / "MANIFEST"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def limits_of(guide: Guide, settings: ServeSettings) -> Limits:
    """Return the limits of the settings; where they leave it open, those that the guide's project had."""
    of_guide = guide.limits
    return Limits(
        formats=guide.formats,
        max_bytes=of_guide.max_bytes if settings.max_bytes == "auto" else settings.max_bytes,
        max_pixels=of_guide.max_pixels if settings.max_pixels == "auto" else settings.max_pixels,
        max_scans=min(_MAX_SCANS, of_guide.max_scans),
    )


class Reloading:
    """Puts a guide in the place of the served one when its folder changes, or when told to.

    The new one is checked and has answered before it takes over; where it fails, the old one stays.

    Args:
        service: what serves it.
        folder: where the guide is published.
        settings: the limits.
        say: told what happened.
    """

    def __init__(self, service: Service, folder: Path, settings: ServeSettings, say: Callable[[str], None]) -> None:
        self._service, self._folder, self._settings, self._say = service, folder, settings, say
        self._stamp = self._look()
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload, whether it changed or not."""
        self._asked.set()

    async def watch(self) -> None:
        """Look at the folder until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), _LOOK_EVERY_S)
            stamp = await asyncio.to_thread(self._look)
            if stamp and (self._asked.is_set() or stamp != self._stamp):
                self._asked.clear()
                self._stamp = stamp
                await self._reload()

    def _look(self) -> Any:
        """Return what changes when the guide does; None where there is none."""
        try:
            status = (self._folder / "MANIFEST").stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    async def _reload(self) -> None:
        """Open the guide anew; keep the old one where that fails."""
        try:
            loaded = await asyncio.to_thread(load, self._folder, self._settings, self._service.metrics)
        except FieldguideError as error:
            self._service.metrics.reloads.add("failed")
            self._say(f"the guide could not be loaded anew, so the old one stays: {error.message}")
            return
        self._service.replace(loaded)
        self._service.metrics.reloads.add("done")
        self._say(f"the guide was loaded anew: {loaded.version}, model {loaded.sha256[:12]}")
