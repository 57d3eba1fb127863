"""Collecting charts that are drawn on this machine, as many as asked.

Each drawing is known by its class and number, so an interrupted run goes on where it stopped and the final set is the
same.
"""

import importlib.util
from collections import Counter
from functools import partial

from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import BadImage, MissingExtra, NotReady, SettingsError
from fieldguide.images import read_header
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow, Label, Origin
from fieldguide.settings import Settings
from fieldguide_charts import CLASS_NAMES, Drawing, draw

__all__ = ["draw_charts"]

_BATCH = 32
_CPU_S = 60.0
_MEMORY_BYTES = 2**42  # of address space: V8, inside vl-convert, sets aside far more than it uses


def draw_charts(project: Project, settings: Settings, catalog: Catalog, progress: Progress) -> dict[str, int]:
    """How many drawings of each class there are now.

    Raises:
        SettingsError: it has nothing for one of the names.
        NotReady: a class could not be drawn.
        MissingExtra: the extra [drawn] is not installed.
        DiskFull: no space; what was gathered stays.
        NoPermission: the project cannot be written.
    """
    unknown = sorted(set(settings.classes) - set(CLASS_NAMES))
    if unknown or not settings.classes:
        said = f"cannot draw {unknown[0]!r}" if unknown else "needs names in [classes]"
        raise SettingsError(f"the source 'drawn' {said}", f"it draws: {', '.join(CLASS_NAMES)}")
    missing = [name for name in ("matplotlib", "scipy", "vl_convert") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtra(f"drawing charts needs {', '.join(missing)}", "pip install 'fieldguide[drawn]'")
    known = catalog.locations("drawn")
    todo = [
        (name, number)
        for number in range(settings.collect.per_class)
        for name in settings.classes
        if _location(name, number, settings.seed) not in known
    ]
    progress.start("drawing charts", len(todo))
    failed = _draw_all(project, settings, catalog, todo, progress)
    if failed:
        name, why = failed.most_common(1)[0][0]
        message = f"{failed.total()} charts could not be drawn, first {name!r}: {why}"
        raise NotReady(message, "run the same command again; if it stays, report it")
    return catalog.count_origins("drawn")


def _location(name: str, number: int, seed: int) -> str:
    """How a drawing is known."""
    return f"{name}/{seed + number}"


def draw_numbered(item: tuple[str, int], *, seed: int) -> Drawing:
    """The drawing of a class with that number."""
    name, number = item
    return draw(name, seed + number)


def _draw_all(
    project: Project, settings: Settings, catalog: Catalog, todo: list[tuple[str, int]], progress: Progress
) -> Counter[tuple[str, str]]:
    """What could not be drawn, and why; the rest is stored."""
    failed: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[ImageRow, Origin, Label]] = []
    limits = decode_limits(settings)
    work = partial(draw_numbered, seed=settings.seed)
    for index, drawing in map_guarded(work, todo, workers=core_count(), cpu_s=_CPU_S, memory_bytes=_MEMORY_BYTES):
        name, number = todo[index]
        progress.advance()
        if isinstance(drawing, Crash):
            failed[name, drawing.detail] += 1
            continue
        try:
            header = read_header(drawing.data, limits)
        except BadImage as error:
            failed[name, error.detail] += 1
            continue
        sha256 = project.store_image(drawing.data, header.format)
        row = ImageRow(
            sha256, header.format, len(drawing.data), header.width, header.height, header.mode, header.frames
        )
        origin = Origin(sha256, "drawn", _location(name, number, settings.seed), "Fieldguide", "CC0-1.0",
                        "https://creativecommons.org/publicdomain/zero/1.0/")  # fmt: skip
        rows.append((row, origin, Label(sha256, name, "query")))
        if len(rows) == _BATCH:
            catalog.add_images(rows, project.now())
            rows = []
    catalog.add_images(rows, project.now())
    return failed
