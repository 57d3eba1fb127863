"""The stage that credits the authors of the kept pictures: CREDITS.csv and credits.html.

Both are written anew each time from the catalogue.
"""

from collections import Counter, defaultdict
from itertools import groupby

from fieldguide.errors import NotReady
from fieldguide.licences import CreditLine, credit_lines, credit_table, licence_name
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.atomic import write_text
from fieldguide.project.rejections import check_some_kept
from fieldguide.records import CreditsReport, ImageState, Origin
from fieldguide.settings import Settings
from fieldguide.text import render


def credits(project: Project, settings: Settings, *, progress: Progress) -> CreditsReport:
    """Write the credits; report how many kept pictures are credited, and under which licences.

    Raises:
        NotReady: no picture is kept yet.
    """
    with project.catalog() as catalog:
        kept = [state for state in catalog.states() if state.state == "kept"]
        if not kept:
            check_some_kept(catalog)
            raise NotReady("no picture is kept yet", "run: fieldguide clean")
        origins: defaultdict[str, list[Origin]] = defaultdict(list)
        for origin in catalog.origins():
            origins[origin.sha256].append(origin)
    progress.start("listing authors and licences", len(kept))
    credited = []
    for state in sorted(kept, key=lambda state: (state.class_name, state.sha256)):
        credited.append(credit_lines(state.sha256, _file(project, state), state.class_name, origins[state.sha256]))
        progress.advance()
    report = _report(project, credited)
    write_text(project.root / "CREDITS.csv", credit_table(line for lines in credited for line in lines))
    write_text(project.root / "credits.html", render("credits.html", _page(settings.name, credited, report)))
    return report


def _file(project: Project, state: ImageState) -> str:
    """Return the path of the original, relative to the project's folder."""
    return project.image_path(state.sha256, state.format).relative_to(project.root).as_posix()


def _report(project: Project, credited: list[list[CreditLine]]) -> CreditsReport:
    """Count the pictures by the first line of each, which is the best known."""
    counts = Counter(lines[0].licence.spdx for lines in credited)
    unknown = counts.pop("", 0)
    licences = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return CreditsReport(str(project.root), len(credited), unknown, licences)


def _page(name: str, credited: list[list[CreditLine]], report: CreditsReport) -> dict[str, object]:
    """Return the values of the page; its links are web addresses, everything else is text."""
    classes = [
        {"name": class_name, "images": [[_shown(line) for line in lines] for lines in images]}
        for class_name, images in groupby(credited, key=lambda lines: lines[0].class_name)
    ]
    return {"name": name, "classes": classes, "report": report}


def _shown(line: CreditLine) -> dict[str, str]:
    """Return one credit in the parts that the page links."""
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
