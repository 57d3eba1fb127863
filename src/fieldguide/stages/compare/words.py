"""Numbers as a person reads them: times, sizes, counts, p.

Knows nothing about what they measure.
"""

__all__ = ["say_bytes", "say_count", "say_ms", "say_p", "say_seconds"]


def say_ms(milliseconds: float | None) -> str:
    """A time: `3.2 ms`, `41 ms`; `-` where it is not known."""
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.2g} ms"


def say_seconds(seconds: float) -> str:
    """A time: `41 s`, `3.2 min`, `1.4 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def say_bytes(count: int) -> str:
    """A size: `14.2 MB`, `310 kB`, `12 B`."""
    if count >= 999_500:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e3:.0f} kB" if count >= 1000 else f"{count} B"


def say_count(count: int) -> str:
    """A number of things: `2.5 M`, `310 k`, `12`."""
    if count >= 999_500:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e3:.0f} k" if count >= 1000 else str(count)


def say_p(p: float | None) -> str:
    """A p: `0.31`, `0.004`, `< 0.001`; `-` where nothing was tested."""
    if p is None:
        return "-"
    if p < 0.001:
        return "< 0.001"
    return f"{p:.2f}" if p >= 0.0995 else f"{p:.3f}"
