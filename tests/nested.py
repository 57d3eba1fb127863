"""JSON of any shape, for tests that nothing a server says ends in a fault."""

from hypothesis import strategies as st

__all__ = ["nested"]


def nested(leaf: st.SearchStrategy[object], keys: st.SearchStrategy[str], depth: int = 3) -> st.SearchStrategy[object]:
    """Return lists and objects of such leaves, at most so many in each other."""
    if not depth:
        return leaf
    inner = nested(leaf, keys, depth - 1)
    return leaf | st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4)
