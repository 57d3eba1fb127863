"""Where a stage says how far it is. Knows nothing about terminals: whoever shows it brings a `Progress`."""

from collections.abc import Mapping
from typing import Protocol

__all__ = ["Progress", "SilentProgress"]


class Progress(Protocol):
    """Where a stage says how far it is. A stage never prints."""

    def start(self, what: str, total: int | None) -> None:
        """Nothing; a new piece of work begins, of `total` steps where that is known."""

    def say(self, line: str) -> None:
        """Nothing; the person is told something that stays to be read."""

    def note(self, text: str) -> None:
        """Nothing; the person sees beside the work at hand how it goes, until the next note or the next work."""

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Nothing; work begins that goes on in several parts at once, each with its steps."""

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Nothing; that many more steps are done, of a part where there are parts."""


class SilentProgress:
    """A `Progress` that tells nobody."""

    def start(self, what: str, total: int | None) -> None:
        """Nothing."""

    def say(self, line: str) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Nothing."""

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Nothing."""
