"""How a stage reports its progress. Knows nothing about terminals: whoever shows it brings a `Progress`."""

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """What a stage reports its progress to. A stage never prints."""

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        """Begin a new piece of work of `total` steps; None where the number is not known.

        It ends after `limit_s` seconds at the latest, unless that is 0.
        """

    def say(self, line: str) -> None:
        """Tell the person something that stays on the screen."""

    def note(self, text: str) -> None:
        """Show a text beside the current work, until the next note or the next work."""

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Begin work that runs in several parts at once, each with its number of steps."""

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Count more steps as done, of a part where there are parts."""


class SilentProgress:
    """A `Progress` that shows nothing."""

    def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
        """Do nothing."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def start_parts(self, what: str, totals: Mapping[str, int]) -> None:
        """Do nothing."""

    def advance(self, steps: int = 1, part: str = "") -> None:
        """Do nothing."""
