"""All training runs side by side: how good, how large, how fast, and which differ by more than chance.

Only held-out answers of training are compared: the test split is nowhere in here.
"""

from fieldguide.compare.page import draw_page, write_comparison
from fieldguide.compare.ranking import MIN_SHARED, baseline, compare_runs

__all__ = ["MIN_SHARED", "baseline", "compare_runs", "draw_page", "write_comparison"]
