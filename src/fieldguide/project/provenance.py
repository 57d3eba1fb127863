"""Where the pictures of a guide came from: how they were collected, from whom and on what terms, and what was left out.

Counts alone, from the catalogue; `licences` lists each picture's credit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fieldguide.licences import read_licence
from fieldguide.project.catalog import Catalog
from fieldguide.project.rejections import load_rejections
from fieldguide.records import Origin

UNKNOWN = "unknown"


def describe_provenance(
    catalog: Catalog, images: Collection[str], origins: Mapping[str, Sequence[Origin]]
) -> dict[str, Any]:
    """Return what a model card says of its pictures, as numbers of pictures.

    Args:
        catalog: what holds them.
        images: those that are kept.
        origins: of each of them, at least one.

    A picture that came from several places is counted for each; where licences differ, for each too.
    """
    sources: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    searched = 0
    for name in images:
        sources.update({origin.source for origin in origins[name]})
        licences.update({_licence_name(origin) for origin in origins[name]})
        searched += any(origin.query for origin in origins[name])
    excluded = Counter(item.reason for item in load_rejections(catalog))
    decided = Counter(catalog.decided().values())
    return {
        "by_source": dict(sources.most_common()),
        "by_licence": dict(licences.most_common()),
        "searched": searched,
        "excluded": dict(excluded.most_common()),
        "decided_by_hand": dict(decided.most_common()),
    }


def _licence_name(origin: Origin) -> str:
    """Return the identifier of the terms, the words given where they are not understood, or that there are none."""
    return read_licence(origin.licence, origin.licence_url).spdx or origin.licence.strip()[:60] or UNKNOWN
