"""Patterns over paths that name a group, such as `{group}_*.jpg`: the patient, camera or video in a file's name.

Not regular expressions: `*` and `{group}` each end at the first place where the text behind them stands, so that a
pattern takes no longer for a long name than for a short one.
"""

import re

_GROUP = "{group}"
_WILD = re.compile(r"\{group\}|\*")


def check_pattern(pattern: str) -> str:
    """Return the pattern.

    Raises:
        ValueError: it does not name one group, or nothing stands between two of its parts.
    """
    if pattern and pattern.count(_GROUP) != 1:
        raise ValueError("must have {group} in it once, such as {group}_*.jpg")
    if re.search(r"(\*|\{group\})(\*|\{group\})", pattern):
        raise ValueError("must have some text between * and {group}: nothing tells where one of them ends")
    return pattern


def read_group(pattern: str, path: str) -> str:
    """Return what stands at `{group}` in a path; "" where the pattern does not match it.

    A pattern without slashes is for the file's name, one with slashes for so many folders above it too.

    Args:
        pattern: as `check_pattern` accepts it.
        path: with forward slashes.
    """
    parts = pattern.split("/")
    names = path.split("/")[-len(parts) :]
    if len(names) < len(parts):
        return ""
    groups = [_match(part, name) for part, name in zip(parts, names, strict=True)]
    return "" if None in groups else "".join(filter(None, groups))


def _match(part: str, name: str) -> str | None:
    """Return the group in one name of a path, "" where the part has none; None where it does not match."""
    texts, wilds = _WILD.split(part), _WILD.findall(part)
    if not wilds:
        return "" if part == name else None
    if not name.startswith(texts[0]):
        return None
    place, group = len(texts[0]), ""
    for number, wild in enumerate(wilds, start=1):
        least = place + (wild == _GROUP)
        if number == len(wilds):
            end = len(name) - len(texts[-1])
            end = end if name.endswith(texts[-1]) and end >= least else -1
        else:
            end = name.find(texts[number], least)
        if end < 0:
            return None
        group = name[place:end] if wild == _GROUP else group
        place = end + len(texts[number])
    return group
