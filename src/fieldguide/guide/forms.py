"""The forms that a guide was exported to, as `forms.json` has them: how large, how fast, how closely they answer alike.

Nothing is loaded from a form by what is written there; it is shown.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fieldguide.errors import GuideDamaged
from fieldguide.guide.check import GET_IT_AGAIN

FORMS_FILE = "forms.json"
_MAX_BYTES = 1_000_000
_TEXTS = ("about", "unproved")
_NUMBERS = ("bytes", "latency_ms", "compared", "agreement", "max_difference", "mean_difference", "decline_agreement")


def without_forms(card: str) -> str:
    """Return the text of a card without its table of forms."""
    return re.sub(r"<!-- forms -->.*?<!-- end of forms -->\n+", "", card, flags=re.DOTALL)


def read_forms(folder: Path) -> dict[str, Mapping[str, Any]]:
    """Read what is known of each form of the guide in a folder, by its name; nothing where it was never exported.

    Raises:
        GuideDamaged: it cannot be read, or says something of another kind.
    """
    path = folder / FORMS_FILE
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError("it is too large")
        forms = json.loads(path.read_text(encoding="utf-8"))["forms"]
        for name, row in forms.items():
            _check_row(name, row)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise GuideDamaged(f"{path} cannot be read: {error}", GET_IT_AGAIN) from error
    return dict(forms)


def _check_row(name: str, row: Mapping[str, Any]) -> None:
    """Check what will be shown of a form."""
    if any(not isinstance(row.get(key, ""), str) for key in _TEXTS):
        raise TypeError(f"what it says of {name} is not text")
    if any(isinstance(row.get(key, 0), bool) or not isinstance(row.get(key, 0), int | float) for key in _NUMBERS):
        raise TypeError(f"what it says of {name} is not a number")
