"""All training runs side by side: how good, how large, how fast, and which differ by more than chance.

Only held-out answers of training are compared: the test split is nowhere in here.
"""

from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.records.comparison import CompareReport
from fieldguide.settings import Settings
from fieldguide.stages.compare.gathering import gather, use_run
from fieldguide.stages.compare.page import draw_page, write_comparison
from fieldguide.stages.compare.ranking import MIN_SHARED, baseline, compare_runs

__all__ = ["MIN_SHARED", "baseline", "compare", "compare_runs", "draw_page", "write_comparison"]


def compare(project: Project, settings: Settings, *, progress: Progress, use: str = "") -> CompareReport:
    """Every run of the project beside the most frequent class and the colour learner, and where the page is.

    Where no run of the colour learner is there, a quick one is made.

    Args:
        project: whose runs they are.
        settings: what its fieldguide.toml says.
        progress: told of what is measured.
        use: a run that becomes the current one, whose settings go into fieldguide.toml; "" changes nothing.

    Raises:
        NotReady: the pictures are not split, or the run to use is not there, or was made from other pictures.
        MissingExtra: something optional is not installed.
        DiskFull: no space.
        NoPermission: the project cannot be written.
    """
    with project.catalog() as catalog:
        if use:
            use_run(project, settings, catalog, use)
        contenders = gather(project, settings, catalog, progress)
    progress.start("comparing", None)
    return write_comparison(project.root / "compare", settings.name, compare_runs(contenders))
