"""The estimator of a colour guide, fitted again: a run keeps the numbers that it learnt, not scikit-learn's objects."""

from fieldguide.errors import NotReady
from fieldguide.exporters.estimators import Estimator
from fieldguide.features import Pictures
from fieldguide.learners import load_calibration, load_model
from fieldguide.learners.colour import ColourLearner, ColourModel
from fieldguide.learners.contract import TrainingData
from fieldguide.learners.declining import Declining
from fieldguide.progress import Progress
from fieldguide.project import Project
from fieldguide.project.dataset import Dataset
from fieldguide.project.runs import DECLINING, Run
from fieldguide.settings import Settings


def fit_estimator(project: Project, settings: Settings, run: Run, data: Dataset, progress: Progress) -> Estimator:
    """Fit the estimator of a run of the colour learner again, on the same pictures with the same seed.

    Raises:
        NotReady: what the evaluation kept of the run is not whole.
        ParityError: it becomes another one.
    """
    learner, model = load_model(run)
    assert isinstance(learner, ColourLearner) and isinstance(model, ColourModel)
    folder, known = project.runs_folder / run.name, data.where("train", "val")
    try:
        declining = Declining.from_bytes((folder / DECLINING).read_bytes())
    except (OSError, ValueError) as error:
        raise NotReady(f"the evaluation of the run {run.name} is not whole", "run: fieldguide evaluate") from error
    pictures = Pictures(project, tuple(known.images.items()), settings, progress)
    fitted = learner.refit(TrainingData.of(known, pictures, settings), model)
    return Estimator(
        model.classifier.family, fitted.pipeline, fitted.class_count, model.temperature,
        load_calibration(run, folder), declining.familiarity,
    )  # fmt: skip
