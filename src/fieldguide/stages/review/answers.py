"""What the review server answers, as JSON: the frame of the page, a page of pictures, one picture, what was saved.

Reads the catalogue; knows nothing about HTTP.
"""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fieldguide.checks.audit import Look, estimate_errors
from fieldguide.project.catalog import Catalog
from fieldguide.project.decisions import Decisions, Outcome
from fieldguide.project.review_details import Details, read_details, read_looks, read_origins
from fieldguide.project.review_list import FILTERS, Item, Query, ReviewList, class_names_of
from fieldguide.records import Verdict
from fieldguide.settings import Settings
from fieldguide.text import plural, web_address

_MOST_COPIES = 24


def describe_audit(catalog: Catalog) -> dict[str, Any]:
    """Return how many pictures were looked at, and how many wrong labels are left."""
    undecided = ReviewList(catalog).counts()["open"]
    looks = [Look(*look) for look in read_looks(catalog)]
    left = estimate_errors(looks, undecided.get("kept", 0) + undecided.get("suspect", 0))
    known = not math.isnan(left.share)
    percents = [100 * share if known else None for share in (left.share, left.low, left.high)]
    estimate = "look at some in random order to know how many wrong labels are left"
    if known:
        share, low, high = (_percent(percent) for percent in percents)
        estimate = f"about {share} % ({low} to {high}) wrong labels left"
    return {
        "looked_at": left.looked,
        "total": left.pictures,
        "sampled": left.random,
        "wrong": sum(look.random and look.wrong for look in looks),
        "left_percent": percents[0],
        "low_percent": percents[1],
        "high_percent": percents[2],
        "line": f"looked at {left.looked:,} of {left.pictures:,}; {estimate}",
    }


def _percent(percent: float | None) -> str:
    """Return a percentage with as many digits as tell something."""
    value = percent or 0.0
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".removesuffix(".0")


def describe_state(catalog: Catalog, settings: Settings, by: str, version: int) -> dict[str, Any]:
    """Return the frame of the page, all but the audit."""
    decisions = Decisions(catalog)
    counts = ReviewList(catalog).counts()
    can_undo, can_redo = decisions.can_undo(by)
    return {
        "project": settings.name,
        "rules": list(settings.review.rules),
        "version": version,
        "decided_at": decisions.last_id(),
        "total": sum(counts["state"].values()),
        "classes": list(class_names_of(catalog, settings)),
        "counts": {kind: counts[kind] for kind in FILTERS},
        "can_undo": can_undo,
        "can_redo": can_redo,
    }


def list_pictures(catalog: Catalog, query: Query, version: int) -> dict[str, Any]:
    """Return one page of pictures."""
    listed = ReviewList(catalog)
    items = listed.page(query)
    more = len(items) == query.limit
    answer: dict[str, Any] = {
        "version": version,
        "total": listed.total(query),
        "pictures": show_items(catalog, items),
        "next": write_cursor(query, items[-1]) if more else None,
    }
    return answer if query.after is not None else {**answer, "offset": query.offset}


def write_cursor(query: Query, item: Item) -> str:
    """Return where the next page begins, as a word of the address."""
    return base64.urlsafe_b64encode(json.dumps([query.order, *item.key(query.order)]).encode()).decode()


def read_cursor(query: Query, text: str) -> tuple[Any, ...]:
    """Return what the picture before the page is sorted by.

    Raises:
        ValueError: no cursor of this order.
    """
    order, *key = json.loads(base64.urlsafe_b64decode(text.encode()))
    if order != query.order or len(key) != (2 if order == "class" else 1):
        raise ValueError(text)
    return tuple(key)


def show_items(catalog: Catalog, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Return pictures with what the page shows of them."""
    details = read_details(catalog, [item.sha256 for item in items])
    return [_show(item, details[item.sha256]) for item in items if item.sha256 in details]


def _show(item: Item, details: Details) -> dict[str, Any]:
    image = details.image
    return {
        "sha256": item.sha256,
        "class_name": item.class_name,
        "labels": details.labels,
        "state": item.state,
        "decision": item.decision,
        "revision": details.revision,
        "split": item.split,
        "sources": details.sources,
        "width": image.width,
        "height": image.height,
        "format": image.format.lower(),
        "bytes": image.bytes,
        "readable": details.readable,
        "group": item.group_id,
        "verdicts": [_show_verdict(verdict) for verdict in sorted(details.verdicts, key=_weight)],
    }


def _weight(verdict: Verdict) -> tuple[bool, str]:
    return verdict.verdict != "reject", verdict.check


def _show_verdict(verdict: Verdict) -> dict[str, Any]:
    reason, _, detail = verdict.reason.partition(": ")
    return {
        "check": verdict.check,
        "verdict": verdict.verdict,
        "reason": reason,
        "detail": detail,
        "score": verdict.score,
        "copy_of": verdict.copy_of,
    }


def show_picture(catalog: Catalog, sha256: str) -> dict[str, Any] | None:
    """Return everything about one picture; None where the project has no such picture."""
    listed = ReviewList(catalog)
    item = listed.item(sha256)
    shown = show_items(catalog, [item]) if item else []
    if not item or not shown:
        return None
    details = read_details(catalog, [sha256])[sha256]
    origins = [
        {
            **{key: getattr(origin, key) for key in ("source", "location", "title", "author", "licence", "query")},
            **{key: web_address(getattr(origin, key)) for key in ("author_url", "licence_url", "page")},
        }
        for origin in read_origins(catalog, sha256)
    ]
    history = [event._asdict() for event in Decisions(catalog).history(sha256)]
    copies = show_items(catalog, listed.group(item, _MOST_COPIES))
    return {**shown[0], "added_at": details.added_at, "origins": origins, "history": history, "copies": copies}


def show_outcome(catalog: Catalog, outcome: Outcome, by: str) -> dict[str, Any]:
    """Return what was saved and what was not."""
    decisions = Decisions(catalog)
    can_undo, can_redo = decisions.can_undo(by)
    return {
        "action": outcome.action or None,
        "decided_at": decisions.last_id(),
        "saved": [asdict(item) for item in outcome.saved],
        "stale": show_items(catalog, ReviewList(catalog).items(outcome.stale)),
        "refused": [{"sha256": sha256, "detail": detail} for sha256, detail in outcome.refused],
        "can_undo": can_undo,
        "can_redo": can_redo,
    }


def explain_outcome(outcome: Outcome) -> tuple[int, str, str]:
    """Return the status, the code and the sentence of an answer; 200 where everything was saved."""
    if outcome.stale:
        number = plural(len(outcome.stale), "picture")
        return 409, "stale", f"{number} decided on by others meanwhile; look at them again"
    if outcome.refused:
        return 422, "unusable", outcome.refused[0][1]
    return 200, "", ""
