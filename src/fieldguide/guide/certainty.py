"""How sure an answer is, in words, and what it is a kind of where the class itself is unsure.

The probabilities are calibrated, so of the answers that are "sure" nine in ten or more are right. Knows nothing about
pictures or models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fieldguide.records import Certainty

SURE = 0.9


@dataclass(frozen=True)
class Ranks:
    """What classes are kinds of, such as species of a genus.

    Attributes:
        parents: class name to what it is a kind of; a class that others are a kind of is one of these itself.
        unsure_below: the probability under which a class is unsure, and from which what it is a kind of is not.
    """

    parents: Mapping[str, str]
    unsure_below: float = 0.6

    @classmethod
    def of(cls, about: Mapping[str, object], classes: Sequence[Mapping[str, str]]) -> "Ranks":
        """Return the ranks in a guide.json; a parent of a single class says no more than the class, and is none."""
        parents = {row["name"]: row.get("parent", "") for row in classes}
        members = [parent for parent in parents.values() if parent]
        shared = {name for name in members if members.count(name) + (name in parents) > 1}
        kept = {name: parent for name, parent in parents.items() if parent in shared}
        kept |= {name: name for name in parents if name in shared}
        return cls(kept, float(str(about.get("unsure_below", cls.unsure_below))))

    def find_parent(self, probs: Mapping[str, float]) -> tuple[str, float]:
        """Return what the answer is a kind of, with its probability, where the class is unsure and that is not.

        Args:
            probs: class name to probability, the most probable first.

        Returns:
            "" and 0 where the class is sure, has no parent, or that is as unsure.
        """
        first = next(iter(probs))
        parent = self.parents.get(first, "")
        if not parent or probs[first] >= self.unsure_below:
            return "", 0.0
        share = sum(prob for name, prob in probs.items() if self.parents.get(name) == parent)
        return (parent, share) if share >= self.unsure_below else ("", 0.0)

    def certainty(self, prob: float) -> Certainty:
        """Return how sure an answer of this probability is."""
        return "sure" if prob >= SURE else "leaning" if prob >= self.unsure_below else "unsure"
