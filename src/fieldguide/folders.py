"""Walking through folders: what other programs left there, projects and guides, links, and what cannot be read.

Knows nothing about pictures or classes.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fieldguide.text import readable

# What file systems, NAS boxes, editors and viewers write between pictures, in lower case; names that begin with a dot
# are left out whatever they are. After the lists of .gitignore, Syncthing, Immich and phockup.
_LEFTOVERS = (
    # file systems and desktops
    "lost+found", "lost.dir", "found.[0-9][0-9][0-9]", "$recycle.bin", "recycler", "recycled", "$extend",
    "system volume information", "__macosx", "network trash folder", "temporary items", "icon\r",
    "thumb.db", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    # NAS boxes and synchronising
    "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@sharebin", "@tmp", "@__thumb",
    "@synoresource", "*@synoresource", "*@synoeastream", "synofile_thumb_*", "synophoto_thumb_*", "~snapshot",
    "~syncthing~*", "_gsdata_", "_vti_cnf",
    # viewers and cameras
    "thumbnails", "_thumbnails", "thumbs", "_thumbs", "picasa.ini", "zbthumbnail.info", "pspbrwse.jbf", "*.thm",
    "albumartsmall.jpg", "albumart_{*", "*.lrdata", "*.photoslibrary", "*.photolibrary", "*.lrlibrary", "*.aplibrary",
    "captureone", "nksc_param",
    # editors and programming
    "*~", "~$*", "#*#", "*.*_original", "__pycache__", "node_modules", "bower_components", "site-packages",
)  # fmt: skip
_NAMES = frozenset(name for name in _LEFTOVERS if not set(name) & set("*["))
_PATTERNS = tuple(name for name in _LEFTOVERS if name not in _NAMES)

# What tells a project and a guide, and what they keep: pictures there have been added or published already.
_MARKS = ({"fieldguide.toml"}, {"catalog.db", "images"}, {"guide.json", "model.onnx"})
_OWN = frozenset((
    "fieldguide.toml", "catalog.db", "catalog.db-wal", "catalog.db-shm", "images", "features", "runs", "tune",
    "clean", "review", "split", "compare", "guide", "answers", "exports", "credits.csv", "credits.html",
    "deploy", "preview.png", "report.html", "guide.json", "model.onnx", "examples", "readme.md", "manifest",
))  # fmt: skip


@dataclass(frozen=True)
class Skipped:
    """What a walk did not read.

    Attributes:
        location: its path inside the folder, with forward slashes.
        reason: "leftover" of another program, "project" for what a project or guide keeps, "read_already" for a link
            that leads back, "unreadable".
        detail: more of it, or "".
    """

    location: str
    reason: str
    detail: str = ""


def is_leftover(name: str) -> bool:
    """Tell whether another program left a file or folder of that name; hidden ones are taken to be such."""
    folded = name.casefold()
    return folded.startswith(".") or folded in _NAMES or any(fnmatchcase(folded, pattern) for pattern in _PATTERNS)


def project_keeps(name: str, beside: Collection[str]) -> bool:
    """Tell whether a name belongs to a project or a guide, going by the names beside it."""
    return name.casefold() in _OWN and any(mark <= set(beside) for mark in _MARKS)


def walk(folder: Path, keep: Collection[str] = ()) -> tuple[list[Path], list[Skipped]]:
    """Return every file below a folder, in the order of the paths, and what was not read.

    Linked folders are followed, each folder once: real ones before links. Leftover files are left out silently.

    Args:
        folder: where to begin; whatever its own name.
        keep: names to read although they look like leftovers.

    Raises:
        OSError: the folder itself cannot be read.
    """
    os.scandir(folder).close()
    walker = _Walker(folder, frozenset(name.casefold() for name in keep))
    walker.read(folder)
    for link in iter(walker.next_link, None):
        walker.follow(link)
    return sorted(walker.files), sorted(walker.skipped, key=lambda skipped: skipped.location)


class _Walker:
    """Reads folders one after another, and links after what is really there."""

    def __init__(self, folder: Path, keep: frozenset[str]) -> None:
        self.folder, self.keep = folder, keep
        self.files: list[Path] = []
        self.skipped: list[Skipped] = []
        self.links: list[Path] = []
        self.seen: dict[tuple[int, int], Path] = {}

    def next_link(self) -> Path | None:
        """Return the next link to follow; None where there is none."""
        self.links.sort(reverse=True)
        return self.links.pop() if self.links else None

    def follow(self, link: Path) -> None:
        """Read the folder that a link leads to, unless the walk comes from there."""
        if self.folder.resolve().is_relative_to(link.resolve()):
            self._skip(link, "read_already", "the link leads back to a folder that holds it")
        else:
            self.read(link)

    def read(self, folder: Path) -> None:
        """Read a folder and all that is really below it."""
        waiting = [folder]
        while waiting:
            folder = waiting.pop()
            try:
                waiting += self._read_one(folder)
            except OSError as error:
                self._skip(folder, "unreadable", error.strerror or str(error))

    def _read_one(self, folder: Path) -> list[Path]:
        """Take the files of a folder, and return the folders in it."""
        stat = folder.stat()
        before = self.seen.setdefault((stat.st_dev, stat.st_ino), folder)
        if before != folder:
            self._skip(folder, "read_already", f"it is the same folder as {self._location(before)}")
            return []
        with os.scandir(folder) as scan:
            entries = list(scan)
        names = {entry.name for entry in entries}
        inside: list[Path] = []
        for entry in entries:
            path = Path(entry.path)
            is_folder = _is_folder(entry)
            if project_keeps(entry.name, names):
                if is_folder:
                    self._skip(path, "project")
            elif is_leftover(entry.name) and entry.name.casefold() not in self.keep:
                if is_folder and not entry.name.startswith("."):
                    self._skip(path, "leftover")
            elif not is_folder:
                self.files.append(path)
            elif entry.is_symlink():
                self.links.append(path)
            else:
                inside.append(path)
        return inside

    def _skip(self, path: Path, reason: str, detail: str = "") -> None:
        self.skipped.append(Skipped(self._location(path), reason, detail))

    def _location(self, path: Path) -> str:
        return readable(path.relative_to(self.folder).as_posix())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder or leads to one; a link that leads nowhere is a file that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False
