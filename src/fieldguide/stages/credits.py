"""The stage that names who made the kept pictures and under which terms: CREDITS.csv and credits.html.

Both are written anew each time from the catalogue, so they are never out of date after a run of this.
"""

from collections import Counter, defaultdict
from itertools import groupby

from fieldguide.errors import NotReady
from fieldguide.licences import CreditLine, credit_lines, credit_table, licence_name
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_text
from fieldguide.records import CreditsReport, ImageState, Origin
from fieldguide.settings import Settings
from fieldguide.text import render


def credits(project: Project, settings: Settings, *, progress: Progress) -> CreditsReport:
    """How many kept pictures are credited, and under which licences.

    Raises:
        NotReady: no picture is kept yet.
        DiskFull: no space; the old files stay.
        NoPermission: the project cannot be read or written.
    """
    with project.catalog() as catalog:
        kept = [state for state in catalog.states() if state.state == "kept"]
        if not kept:
            raise NotReady("no picture is kept yet", "run: fieldguide clean")
        origins: defaultdict[str, list[Origin]] = defaultdict(list)
        for origin in catalog.origins():
            origins[origin.sha256].append(origin)
    progress.start("naming authors and licences", len(kept))
    credited = []
    for state in sorted(kept, key=lambda one: (one.class_name, one.sha256)):
        credited.append(credit_lines(state.sha256, _file(project, state), state.class_name, origins[state.sha256]))
        progress.advance()
    report = _report(project, credited)
    write_text(project.root / "CREDITS.csv", credit_table(line for lines in credited for line in lines))
    write_text(project.root / "credits.html", render("credits.html", _page(settings.name, credited, report)))
    return report


def _file(project: Project, state: ImageState) -> str:
    """Where the original lies, seen from the project's folder."""
    return project.image_path(state.sha256, state.format).relative_to(project.root).as_posix()


def _report(project: Project, credited: list[list[CreditLine]]) -> CreditsReport:
    """The counts, by the first line of each picture, which is the best known."""
    found = Counter(lines[0].licence.spdx for lines in credited)
    unknown = found.pop("", 0)
    licences = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return CreditsReport(str(project.root), len(credited), unknown, licences)


def _page(name: str, credited: list[list[CreditLine]], report: CreditsReport) -> dict[str, object]:
    """What the page shows; addresses in it are of the web, everything else is text."""
    classes = [
        {"name": class_name, "images": [[_shown(line) for line in lines] for lines in images]}
        for class_name, images in groupby(credited, key=lambda lines: lines[0].class_name)
    ]
    return {"name": name, "classes": classes, "report": report}


def _shown(line: CreditLine) -> dict[str, str]:
    """One credit in the parts that the page links."""
    return {
        "title": line.title or "Untitled",
        "page": line.page,
        "author": line.author or "an unknown author",
        "author_url": line.author_url,
        "licence": licence_name(line.licence),
        "licence_url": line.licence.url,
        "source": line.source,
        "file": line.file,
    }
