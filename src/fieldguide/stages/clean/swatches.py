"""The swatches of a project, which stand for pictures that nobody has: what can be checked of them, and what cannot.

Their numbers are read and checked. Copies among them are not looked for: two pictures of one wall have nearly the same
numbers, and so have two pictures of different walls.
"""

import hashlib
from collections.abc import Iterable, Sequence

from fieldguide.errors import BadImage
from fieldguide.images.swatches import read_swatch
from fieldguide.project import Project
from fieldguide.project.catalog import Catalog
from fieldguide.records import ImageRow, Verdict
from fieldguide.settings import Settings


def check_swatches(project: Project, catalog: Catalog, rows: Sequence[ImageRow], made_with: str) -> None:
    """Give each swatch a verdict of the check "files", and write its colour features down."""
    verdicts, features = [], {}
    for row in rows:
        reason = ""
        try:
            data = project.image_path(row.sha256, row.format).read_bytes()
            if hashlib.sha256(data).hexdigest() != row.sha256:
                reason = "changed: the file is not what was added"
            else:
                features[row.sha256] = read_swatch(data).astype("<f4").tobytes()
        except (OSError, BadImage) as error:
            reason = f"unreadable: {error}"
        verdicts.append(Verdict(row.sha256, "files", "reject" if reason else "keep", reason, 0.0))
    catalog.set_colours(features)
    catalog.set_verdicts(verdicts, made_with)


def keep_swatches(catalog: Catalog, sha256: Iterable[str], settings: Settings) -> None:
    """Give these swatches, which passed the check "files", the verdict that none of them is a copy."""
    verdicts = [Verdict(name, "duplicates", "keep", "", 0.0) for name in sorted(sha256)]
    catalog.set_verdicts(verdicts, settings.clean.model_dump_json())
