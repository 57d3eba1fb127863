"""Collecting from a source that draws its pictures on this machine, as many as the settings ask for.

Each drawing is known by its class and number, so an interrupted run continues where it stopped and the final set is the
same.
"""

from collections import Counter

from fieldguide.engine import Crash, core_count, map_guarded
from fieldguide.errors import BadImage, NotReady, SettingsError
from fieldguide.images import read_header
from fieldguide.progress import Progress
from fieldguide.project import Project, decode_limits
from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow, Label, Origin
from fieldguide.records.candidates import DrawingSource
from fieldguide.settings import Settings

_BATCH = 32
_CPU_S = 60.0
_MEMORY_BYTES = 2**42  # of address space: V8, inside vl-convert, sets aside far more than it uses


def draw_pictures(
    source: DrawingSource, project: Project, settings: Settings, catalog: Catalog, progress: Progress
) -> dict[str, int]:
    """Draw what each class still lacks and return how many drawings of each there are now."""
    unknown = sorted(set(settings.classes) - set(source.class_names))
    if unknown or not settings.classes:
        problem = f"cannot draw {unknown[0]!r}" if unknown else "needs names under [classes]"
        raise SettingsError(f"the source '{source.name}' {problem}", f"it draws: {', '.join(source.class_names)}")
    source.check()
    known = catalog.locations(source.name)
    todo = [
        (class_name, number)
        for number in range(settings.seed, settings.seed + settings.collect.per_class)
        for class_name in settings.classes
        if f"{class_name}/{number}" not in known
    ]
    if todo:
        progress.start("drawing", len(todo))
        _draw_all(source, project, settings, catalog, todo, progress)
    return catalog.count_origins(source.name)


class _Pen:
    """Draws one numbered picture in a worker process."""

    def __init__(self, source: DrawingSource) -> None:
        self._source = source

    def __call__(self, item: tuple[str, int]) -> bytes:
        return self._source.draw(*item)


def _draw_all(
    source: DrawingSource, project: Project, settings: Settings, catalog: Catalog, todo: list[tuple[str, int]],
    progress: Progress,
) -> None:  # fmt: skip
    """Store what can be drawn, and tell what cannot."""
    failed: Counter[tuple[str, str]] = Counter()
    rows: list[tuple[ImageRow, Origin, Label]] = []
    for index, data in map_guarded(_Pen(source), todo, workers=core_count(), cpu_s=_CPU_S, memory_bytes=_MEMORY_BYTES):
        class_name, number = todo[index]
        progress.advance()
        try:
            if isinstance(data, Crash):
                raise BadImage(data.reason, data.detail)
            header = read_header(data, decode_limits(settings))
        except BadImage as error:
            failed[class_name, error.detail] += 1
            continue
        sha256 = project.store_image(data, header.format)
        image = ImageRow(sha256, header.format, len(data), header.width, header.height, header.mode, header.frames)
        location = f"{class_name}/{number}"
        origin = Origin(sha256, source.name, location, source.author, source.licence, source.licence_url)
        rows.append((image, origin, Label(sha256, class_name, "query")))
        if len(rows) == _BATCH:
            catalog.add_images(rows, project.now())
            rows.clear()
    catalog.add_images(rows, project.now())
    if failed:
        class_name, reason = failed.most_common(1)[0][0]
        message = f"{failed.total()} pictures could not be drawn, the first of {class_name!r}: {reason}"
        raise NotReady(message, "run the same command again; if that does not help, report it")
