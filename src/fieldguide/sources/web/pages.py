"""Pictures of pages that a person saved in their own browser: .html or .har files, or a folder of them.

Nothing is asked and no browser is started: what a person may look at, they may save. Knows nothing about networks.
"""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from fieldguide.errors import BadQuery, Blocked, LayoutChanged, SourceError, translate_os_errors
from fieldguide.records.candidates import Answer, Ask, Candidate, Query, ResultPage, SourceFacts
from fieldguide.sources.inputs import check_options
from fieldguide.sources.web.extraction import Extracted, extract
from fieldguide.sources.web.har import pages_of
from fieldguide.sources.web.htmltext import own_base
from fieldguide.sources.web.pictures import pictures_in
from fieldguide.sources.web.specs import PageSpec, load_spec
from fieldguide.text import readable

__all__ = ["PageSource"]

_MAX_BYTES = 200_000_000
_SUFFIXES = (".html", ".htm", ".xhtml", ".har")
_OPTIONS = ("spec", "base_url")


class PageSource:
    """Candidates from saved pages, one file a step.

    `query.text` is the path of a file or a folder. Options: `spec`, a page spec's name or path, without which every
    picture and every link to one counts; `base_url`, where the page came from, for addresses relative to it.
    """

    name = "page"
    facts = SourceFacts(
        about="pages that you saved in your own browser (.html or .har)",
        terms_url="",
        licence_fields=False,
        page_size=10_000,
    )

    async def search(self, query: Query, cursor: str, ask: Ask) -> ResultPage:
        """The candidates of the next file; the cursor is the name of the file before it.

        In a folder, a file without results is counted in `skipped`; alone, it is an error.

        Raises:
            BadQuery: no such path, no saved page there, too large, or an option or a spec that cannot be.
            Blocked: what was saved is a challenge or a consent page.
            LayoutChanged: what was saved holds nothing that the spec knows.
            NoPermission: it cannot be read.
        """
        check_options(query, _OPTIONS)
        spec = load_spec(query.options["spec"]) if query.options.get("spec") else None
        root = Path(query.text)
        with translate_os_errors(f"reading {root}"):
            files = _files(root)
            later = [file for file in files if not cursor or _called(file, root) > cursor]
            if not later:
                return ResultPage((), "", Answer(readable(root.name), 200, {}, b""))
            file = later[0]
            data = _read(file)
        try:
            found = _extract(file, data, spec, query.options.get("base_url", ""))
        except SourceError as error:
            if len(files) == 1:
                raise
            found = Extracted((), {_counted(error): 1})  # the other files of a folder may hold results
        following = _called(file, root) if len(later) > 1 else ""
        return ResultPage(found.candidates, following, Answer(readable(file.name), 200, {}, data), found.skipped)


def _files(root: Path) -> list[Path]:
    """The saved pages at a path, in the order of their names.

    Raises:
        BadQuery: there is none.
    """
    if root.is_dir():
        files = sorted(
            (one for one in root.rglob("*") if one.suffix.lower() in _SUFFIXES and one.is_file()),
            key=lambda one: _called(one, root),
        )
        if not files:
            raise BadQuery(f"{root} holds no saved page", f"looked for {', '.join(_SUFFIXES)}")
        return files
    if not root.is_file():
        raise BadQuery(f"there is no saved page {root}", "check the path")
    if root.suffix.lower() not in _SUFFIXES:
        raise BadQuery(f"{root} is no saved page", f"its name must end in one of {', '.join(_SUFFIXES)}")
    return [root]


def _called(file: Path, root: Path) -> str:
    """The file's name as text that any bytes can be told from, in the order of the names."""
    name = file.name if file == root else file.relative_to(root).as_posix()
    return quote(os.fsencode(name), safe="/ ")


def _read(file: Path) -> bytes:
    """The file's bytes.

    Raises:
        BadQuery: there are too many.
    """
    if file.stat().st_size > _MAX_BYTES:
        raise BadQuery(f"{file} is larger than {_MAX_BYTES // 1_000_000} MB", "save fewer pages into one file")
    return file.read_bytes()


def _extract(file: Path, data: bytes, spec: PageSpec | None, base_url: str) -> Extracted:
    """The candidates of a file.

    Raises:
        BadQuery: it is no HAR.
        Blocked: all it holds are walls.
        LayoutChanged: nothing in it is known.
    """
    if file.suffix.lower() == ".har":
        pages = [(one.html, one.url) for one in pages_of(data, file.name)]
        return _together((_one(html, spec, url) for html, url in _readable(pages)), file, len(pages))
    found = _one(data, spec, own_base(data, base_url or (spec.url if spec else "")))
    if isinstance(found, SourceError):
        raise found
    return found


def _readable(pages: Iterable[tuple[bytes | str, str]]) -> Iterable[tuple[bytes | str, str]]:
    return ((html, url) for html, url in pages if url.startswith(("http://", "https://")))


def _one(html: bytes | str, spec: PageSpec | None, url: str) -> Extracted | SourceError:
    """The candidates of one page, or its trouble: a HAR holds many pages that are no results."""
    try:
        found = extract(html, spec, url) if spec else pictures_in(html, url)
    except (Blocked, LayoutChanged) as error:
        return error
    if (
        not spec and not found.candidates and not found.skipped
    ):  # a consent page, a page whose pictures a script would have brought
        return LayoutChanged(
            "a saved page shows no picture", "save it again once its pictures can be seen, or use a spec"
        )
    return found


def _counted(error: SourceError) -> str:
    """The reason under which a page without candidates is counted."""
    if isinstance(error, BadQuery):
        return "not_a_har"
    return "page_blocked" if isinstance(error, Blocked) else "page_without_results"


def _together(results: Iterable[Extracted | SourceError], file: Path, pages: int) -> Extracted:
    """All candidates of a HAR, each address once, and the pages without results counted.

    Raises:
        Blocked: no page had results and one was a wall.
        LayoutChanged: no page had results, and none says that there are none.
    """
    found: dict[str, Candidate] = {}
    skipped: Counter[str] = Counter()
    troubles: list[SourceError] = []
    read = 0
    for result in results:
        if isinstance(result, SourceError):
            troubles.append(result)
            skipped[_counted(result)] += 1
            continue
        read += 1
        skipped.update(result.skipped)
        for candidate in result.candidates:
            if candidate.url in found:
                skipped["same_address"] += 1
            found.setdefault(candidate.url, candidate)
    if not read and troubles:
        raise next((one for one in troubles if isinstance(one, Blocked)), troubles[0])
    if not read:
        raise LayoutChanged(
            f"{file.name} holds {pages} answers and no page",
            "open the network panel before loading the page, and save the HAR with its content",
        )
    return Extracted(tuple(found.values()), dict(skipped))
