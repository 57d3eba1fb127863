"""The Python API: a project with a method for each command.

The methods take the words of the command line and return the report that `--json` prints. They take the project's
lock, and show a progress bar on a terminal and in a notebook. Knows nothing about how the stages work.
"""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from fieldguide.api.guides import PathLike, evaluate, predict, serve
from fieldguide.errors import InputUnusable, NotReady, SettingsError
from fieldguide.event_loop import run_beside_loop
from fieldguide.guide import Guide, open_guide
from fieldguide.names import Names, read_any_names
from fieldguide.progress.shown import ShowProgress, open_progress
from fieldguide.project import Project as ProjectFolder
from fieldguide.project import find_project
from fieldguide.project.outputs import check_place
from fieldguide.records import (
    AddReport,
    CleanReport,
    CollectReport,
    CompareReport,
    CreditsReport,
    DecideReport,
    DeployReport,
    EvaluateReport,
    ExportDataReport,
    ExportReport,
    ImageState,
    Prediction,
    PreviewReport,
    PublishReport,
    ReviewReport,
    ScoreReport,
    SplitReport,
    StatusReport,
    TrainReport,
    TuneReport,
)
from fieldguide.settings import Settings, change_settings, read_recipe

Done = Callable[[str, Any], None]


def new(
    folder: PathLike,
    names: Names | None = None,
    *,
    name: str = "",
    about: str = "",
    sources: Sequence[str] = (),
    contact: str = "",
    recipe: PathLike = "",
) -> "Project":
    """Make a project folder.

    Args:
        folder: the folder to make; it may exist if it is empty.
        names: the class names: a list; a mapping of each to a sentence, or to its `about`, `links`, `queries`; the path
            of a CSV file; or a string with commas. Without names the project takes the labels of whatever is added.
        name: what the guide is called; by default, the folder's name.
        about: a sentence on what the guide tells apart.
        sources: where `collect` looks, such as "openverse".
        contact: an address at which the sources can reach you.
        recipe: a recipe with names and settings, such as "plots", or a folder with one; the other arguments, where they
            are given, stand in place of what it says.

    Raises:
        ProjectExists: the folder holds something.
        NamesError: fewer than two names, one given twice, or one that cannot be used.
        SettingsError: a source that does not exist, or one that has to know the contact.
        InputMissing: there is no such recipe.
        InputUnusable: names beside a recipe, which has its own.
    """
    from fieldguide.sources import needs_contact, open_source
    from fieldguide.stages.new import new as make
    from fieldguide.stages.new import new_from_recipe

    for source in sources:
        open_source(source)  # reports a wrong name now and not at the first `collect`
        if needs_contact(source) and not contact:
            message = f"the source '{source}' has to be told how to reach you"
            raise SettingsError(message, "add your address: --contact you@example.org (in Python: contact=)")
    collect = {key: value for key, value in {"sources": list(sources), "contact": contact}.items() if value}
    if recipe:
        if names is not None:
            raise InputUnusable("a recipe has names of its own", "give one of the two; change [classes] afterwards")
        values = {"name": name, "about": about} | {f"collect.{key}": value for key, value in collect.items()}
        changed = {key: value for key, value in values.items() if value}
        new_from_recipe(Path(folder), read_recipe(str(recipe)), changed)
        return Project(folder)
    make(Path(folder), read_any_names(names), name=name, about=about, changed={"collect": collect})
    return Project(folder)


def open_project(folder: PathLike = ".") -> "Project":
    """Open the project in a folder.

    Raises:
        ProjectMissing: the folder has no `fieldguide.toml`.
        InputMissing: there is no such folder.
    """
    return Project(folder)


def demo(
    folder: PathLike = "demo", *, per_class: int = 250, progress: ShowProgress = "auto", done: Done | None = None
) -> dict[str, Any]:
    """Make and build a project of drawn charts, offline, and return the report of each stage.

    Args:
        folder: where the project is made, or where an earlier demo left one.
        per_class: how many charts of each kind to draw.
        progress: see `Project`.
        done: called with the name and the report of each stage as it ends.

    Raises:
        ProjectExists: the folder holds something else.
    """
    from fieldguide.stages.demo import demo as run

    with open_progress(progress) as shown:
        return run(Path(folder), per_class, progress=shown, done=done or _ignore)


class Project:
    """A project folder, with a method for each command.

    Every method that works long takes `progress`: "auto" shows a bar on a terminal and in a notebook, None is silent,
    and an object with the methods of `fieldguide.progress.Progress` is told of each step. Methods that write take the
    project's lock and raise `ProjectBusy` where another process holds it. All errors are `FieldguideError`, with a
    `hint` that says what to do.

    Attributes:
        folder: the project's folder.
    """

    def __init__(self, folder: PathLike = ".") -> None:
        self._files: ProjectFolder = find_project(Path(folder))
        self.folder: Path = self._files.root

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r})"

    @property
    def settings(self) -> Settings:
        """What `fieldguide.toml` says now.

        Raises:
            SettingsError: an unknown key or a value out of bounds.
        """
        return self._files.settings()

    def write_settings(self, changed: Mapping[str, Any]) -> None:
        """Write values at dotted names, such as `train.learner`, into `fieldguide.toml`; comments and order stay.

        Raises:
            SettingsError: an unknown name or a value out of bounds; the file is untouched.
        """
        self._files.write_settings(changed)

    def images(self) -> list[ImageState]:
        """Return what the catalogue says about each image: its label, whether it is kept, its group and its split."""
        with self._files.catalog() as catalog:
            return catalog.states()

    @property
    def guide_folder(self) -> Path:
        """The folder of the published guide.

        Raises:
            NotReady: nothing is published yet.
        """
        if not (self._files.guide_folder / "MANIFEST").is_file():
            raise NotReady("this project has no guide yet", "run: fieldguide build")
        return self._files.guide_folder

    def open_guide(self) -> Guide:
        """Open the published guide.

        Raises:
            NotReady: nothing is published yet.
            GuideDamaged: the guide was altered or is unsafe.
        """
        return open_guide(self.guide_folder)

    def add(
        self,
        *paths: PathLike | Iterable[PathLike],
        class_name: str = "",
        author: str = "",
        licence: str = "",
        licence_url: str = "",
        layout: str = "auto",
        split_from: Mapping[str, str] | None = None,
        relabel: bool = False,
        undo: bool | int = False,
        progress: ShowProgress = "auto",
    ) -> AddReport:
        """Add your own pictures, or take back what was added.

        Args:
            paths: each a folder with a folder per class, a CSV or Parquet table of path and label, a zip or a tar file,
                or, with `class_name`, a picture; or a list of these.
            class_name: the label of every picture there.
            author: who made the pictures.
            licence: an SPDX identifier, or "own".
            licence_url: where the licence can be read.
            layout: how folders are read: "auto" judges by the pictures; "class", "split/class", "class/split", "flat".
            split_from: folders that are splits under another name, such as {"holdout": "test"}.
            relabel: give pictures that are known under another label the new one. Without it they keep both, and are
                left out as long as they do, unless the folder they are in was corrected.
            undo: the number of an addition to take back instead; True for the last. No picture is deleted.
            progress: see `Project`.

        Raises:
            InputMissing: there is nothing at a path.
            InputUnusable: no picture there can be used, a table is without the right columns, or folders look like
                splits and it is not clear which.
            NotReady: there is no such addition to undo.
        """
        from fieldguide.stages.add import Terms, add
        from fieldguide.stages.add import undo as undo_addition

        report: AddReport
        if undo is not False:
            if paths:
                raise InputUnusable("nothing can be added while an addition is undone", "give undo alone")
            report = self._run("add", undo_addition, progress, number=None if undo is True else undo)
            return report
        terms = Terms(class_name, author, licence, licence_url, relabel, layout, tuple((split_from or {}).items()))
        files = [Path(path) for item in paths for path in ((item,) if isinstance(item, str | Path) else item)]
        if not files:
            raise InputUnusable("there is nothing to add", "give a folder, a table, an archive or pictures")
        report = self._run("add", lambda *project, **options: add(*project, *files, terms=terms, **options), progress)
        return report

    def collect(
        self, *, dry_run: bool = False, retry: Sequence[str] = (), progress: ShowProgress = "auto"
    ) -> CollectReport:
        """Collect pictures of each name, with their credits, from the sources in `fieldguide.toml`.

        Args:
            dry_run: only say what it would take; nothing is requested or written.
            retry: reasons, such as "timeout", whose pictures are fetched again.
            progress: see `Project`.

        Raises:
            NotReady: no source is chosen, or there are no names.
        """
        from fieldguide.stages.collect import collect

        report: CollectReport = run_beside_loop(
            lambda: self._run("collect", collect, progress, dry_run=dry_run, retry=tuple(retry))
        )
        return report

    def clean(self, *, progress: ShowProgress = "auto") -> CleanReport:
        """Decide which pictures are kept, and why the others are not."""
        from fieldguide.stages.clean import clean

        report: CleanReport = self._run("clean", clean, progress)
        return report

    def review(
        self,
        *,
        page: bool = True,
        host: str = "127.0.0.1",
        port: int | None = None,
        browser: bool = True,
        progress: ShowProgress = "auto",
        ready: Callable[[str], None] | None = None,
    ) -> ReviewReport:
        """Review the pictures in a browser, the worst first, until it is interrupted; report what was looked at.

        Args:
            page: False reports the pictures that some check suspects or rejects and nobody has decided on, at once.
            host: address to listen on; by default, this computer only.
            port: port to listen on; 0 takes a free one; by default the usual one, or a free one where that is in use.
            browser: whether to open the page in a browser.
            progress: see `Project`.
            ready: called with the address once the page can be opened; by default, progress shows it.

        Raises:
            NotReady: there are no pictures, or the page is not built.
            PortBusy: something else listens on that port.
            SettingsError: there is no such address here.
        """
        from fieldguide.stages.review import Place
        from fieldguide.stages.review import review as run

        place = Place(host, port, browser) if page else None
        with open_progress(progress) as shown:  # without the lock: each decision is one transaction
            tell = ready or (lambda address: shown.say(f"{address}  (interrupt to stop)"))
            report: ReviewReport = run_beside_loop(
                lambda: run(self._files, self.settings, place=place, progress=shown, ready=tell)
            )
        return report

    def decide(
        self,
        *,
        keep: Iterable[str] = (),
        drop: Iterable[str] = (),
        relabel: Mapping[str, str] | None = None,
        table: PathLike | None = None,
        undo: bool | int = False,
        progress: ShowProgress = "auto",
    ) -> DecideReport:
        """Decide about pictures by hand, as `review` does in a browser; a decision outranks every check.

        A picture is named by its SHA-256, by the beginning of it, by the path of its original, or by where it came
        from. All of a call is written, or nothing. Works while another command is running.

        Args:
            keep: pictures to keep whatever the checks say.
            drop: pictures to leave out. None is deleted.
            relabel: picture to its class name; it is kept.
            table: a CSV file with the columns sha256 (or path), decision (keep, drop, relabel) and class.
            undo: how many actions to take back instead, the last one first; True for one.
            progress: see `Project`.

        Raises:
            InputUnusable: a picture or a class is not known, or a picture cannot be kept. Nothing is written.
            NotReady: there is nothing to undo.
        """
        from fieldguide.stages.decide import Wishes, decide
        from fieldguide.stages.decide import undo as undo_actions

        pictures: dict[str, list[str]] = {}
        for picture, class_name in (relabel or {}).items():
            pictures.setdefault(class_name, []).append(picture)
        wishes = Wishes(tuple(keep), tuple(drop), pictures, Path(table) if table else None)
        with open_progress(progress) as shown:  # without the lock: each call is one transaction
            if undo is False:
                return decide(self._files, self.settings, wishes=wishes, progress=shown)
            if any(wishes.rows()):
                raise InputUnusable("nothing can be decided while an action is undone", "give undo alone")
            return undo_actions(self._files, self.settings, number=int(undo), progress=shown)

    def split(self, *, resplit: bool = False, progress: ShowProgress = "auto") -> SplitReport:
        """Divide the kept pictures into train, val and test, with copies always in the same split.

        Args:
            resplit: whether groups of different splits that a new picture joins go to train; else it is set aside.
            progress: see `Project`.

        Raises:
            NotReady: the pictures are not cleaned, or there are too few.
            SettingsError: [split] group_pattern matches no file name.
        """
        from fieldguide.stages.split import split

        report: SplitReport = self._run("split", split, progress, resplit=resplit)
        return report

    def train(
        self,
        *,
        learner: str | None = None,
        backbone: str | None = None,
        mode: str | None = None,
        weights: PathLike | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        set: Mapping[str, Any] | None = None,
        progress: ShowProgress = "auto",
    ) -> TrainReport:
        """Train a model on train and val. Arguments hold for this run; the defaults are in `fieldguide.toml`.

        Args:
            learner: "auto", "transfer", "cnn", "colour", or the name of another package's.
            backbone: what "transfer" builds on, such as "resnet18".
            mode: what "transfer" trains: "frozen" (the head), "unfreeze" (the head, then the backbone too) or "full".
            weights: the backbone's weights: "embedded", "hub", "none", or the path of a file.
            epochs: passes over the pictures, for learners that train a network.
            seed: the random seed; another one shows how much of the score is chance.
            set: other keys of [train], such as `{"loop.lr": 0.001}`.
            progress: see `Project`.

        Raises:
            NotReady: the pictures are not split.
            SettingsError: an unknown key or a value out of bounds.
            MissingExtra: something optional is not installed; the hint names it.
        """
        from fieldguide.stages.train import train

        options = {"learner": learner, "backbone": backbone, "mode": mode, "weights": _resolve_weights(weights),
                   "loop.epochs": epochs, "seed": seed}  # fmt: skip
        changed = {key: value for key, value in options.items() if value is not None} | dict(set or {})
        report: TrainReport = self._run("train", train, progress, {f"train.{key}": changed[key] for key in changed})
        return report

    def preview(self, *, set: Mapping[str, Any] | None = None, progress: ShowProgress = "auto") -> PreviewReport:
        """Draw `preview.png`, which shows how pictures would be changed during training.

        Args:
            set: keys of [train], such as `{"loop.augment": "strong"}`.
            progress: see `Project`.
        """
        from fieldguide.stages.train import preview

        changed = {f"train.{key}": value for key, value in (set or {}).items()}
        report: PreviewReport = self._run("preview", preview, progress, changed)
        return report

    def tune(
        self,
        *,
        minutes: float | None = None,
        trials: int | None = None,
        preset: str | None = None,
        progress: ShowProgress = "auto",
    ) -> TuneReport:
        """Search for better settings by trials and write the best into `fieldguide.toml`.

        Several processes may search at once.

        Args:
            minutes: after how many to stop; a later call continues. By default, all trials are run.
            trials: number of trials in all, those of earlier calls included.
            preset: which search to run instead of [tune.space].
            progress: see `Project`.

        Raises:
            NotReady: the pictures are not split, or the first trials all failed.
            SettingsError: the search space is not valid.
        """
        from fieldguide.stages.tune import tune

        options = {"tune.minutes": minutes, "tune.trials": trials, "tune.preset": preset}
        changed: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
        changed |= {"tune.space": {}} if preset else {}  # a preset by name goes before a space in the file
        with open_progress(progress) as shown:  # without the lock: each process writes its own trials
            return tune(self._files, change_settings(self.settings, changed), progress=shown)

    def compare(self, *, use: str = "", progress: ShowProgress = "auto") -> CompareReport:
        """Compare all runs: accuracy, size, speed, and which differences are more than chance.

        Args:
            use: a run to make the current one; its settings are written into `fieldguide.toml`.
            progress: see `Project`.

        Raises:
            NotReady: there are no runs, or none of that name.
        """
        from fieldguide.stages.compare import compare

        report: CompareReport = self._run("compare", compare, progress, use=use)
        return report

    @overload
    def evaluate(self, path: None = None, *, progress: ShowProgress = "auto") -> EvaluateReport: ...
    @overload
    def evaluate(
        self,
        path: PathLike,
        *,
        class_name: str = "",
        layout: str = "auto",
        split_from: Mapping[str, str] | None = None,
        out: PathLike | None = None,
        progress: ShowProgress = "auto",
    ) -> ScoreReport: ...
    def evaluate(
        self,
        path: PathLike | None = None,
        *,
        class_name: str = "",
        layout: str = "auto",
        split_from: Mapping[str, str] | None = None,
        out: PathLike | None = None,
        progress: ShowProgress = "auto",
    ) -> EvaluateReport | ScoreReport:
        """Score the current run on the test split, or the published guide on new labelled pictures.

        Args:
            path: new pictures, in a form that `add` takes; they are not added. Without it, the test split is scored.
            class_name: the label of every picture there; one that the guide does not know tests "none of these".
            layout: how folders are read, as in `add`.
            split_from: folders that are splits under another name, such as {"holdout": "test"}.
            out: the folder for predictions.csv and report.html; by default, a new `evaluation-<name>` in the project.
            progress: see `Project`.

        Raises:
            NotReady: nothing is trained, or the pictures have changed since; with a path, nothing is published yet.
            InputMissing: there is nothing at the path.
            InputUnusable: nothing there is a labelled picture.
        """
        if path is not None:
            return evaluate(
                path, guide=self.guide_folder, class_name=class_name, layout=layout, split_from=split_from, out=out,
                progress=progress,
            )  # fmt: skip
        from fieldguide.stages.evaluate import evaluate as run

        report: EvaluateReport = self._run("evaluate", run, progress)
        return report

    def publish(self, *, progress: ShowProgress = "auto") -> PublishReport:
        """Publish the guide, with the proof that it answers like the trained model.

        Raises:
            NotReady: the current run is not evaluated.
            ParityError: the guide and the trained model disagree; nothing is published.
        """
        from fieldguide.stages.publish import publish

        report: PublishReport = self._run("publish", publish, progress)
        return report

    def build(self, *, progress: ShowProgress = "auto", done: Done | None = None) -> dict[str, Any]:
        """Run every stage from `collect` to `publish`, redoing only what is out of date, and return their reports.

        Args:
            progress: see `Project`.
            done: called with the name and the report of each stage as it ends.

        Raises:
            FieldguideError: whatever a stage raises; the stages before it stay done.
        """
        from fieldguide.stages.build import build

        def run() -> dict[str, Any]:
            reports: dict[str, Any] = self._run("build", build, progress, done=done or _ignore)
            return reports

        return dict(run_beside_loop(run)) if self.settings.collect.sources else run()

    def predict(self, images: PathLike | Sequence[PathLike], *, progress: ShowProgress = "auto") -> list[Prediction]:
        """Classify files, and all files in folders, by the published guide.

        For bytes, arrays and Pillow images: `open_guide().classify(...)`.

        Raises:
            NotReady: nothing is published yet.
            InputMissing: there is nothing at a path.
        """
        return predict(images, guide=self.guide_folder, progress=progress)

    def serve(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        allowed_hosts: Sequence[str] | None = None,
        insecure: bool | None = None,
        max_bytes: int | None = None,
        max_pixels: int | None = None,
        more: Mapping[str, object] | None = None,
        api_key: str | None = None,
        progress: ShowProgress = "auto",
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Serve the published guide, a page and an API, until it is interrupted.

        Args:
            host: address to listen on; by default, that of [serve].
            port: port to listen on; 0 takes a free one.
            allowed_hosts: names by which it is reached, as behind a proxy; by default, those of [serve].
            insecure: whether others may use it without an API key; by default, as in [serve].
            max_bytes: the largest upload; by default, as in [serve].
            max_pixels: the largest picture, width x height; by default, as in [serve].
            more: see `serve`.
            api_key: what every request has to bring; by default, the environment variable FIELDGUIDE_API_KEY.
            progress: see `Project`.
            ready: called with each address once the server answers; by default, progress shows them.

        Raises:
            NotReady: nothing is published yet.
            PortBusy: something else listens on that port.
            SettingsError: there is no such address here, or others could use it without a key.
        """
        settings = self.settings.serve
        feedback_folder = str(self.folder / (settings.feedback_folder or "feedback"))
        more = {"feedback_folder": feedback_folder, **(more or {})}
        serve(self.guide_folder, host=host, port=port, allowed_hosts=allowed_hosts, insecure=insecure, more=more,
              max_bytes=max_bytes, max_pixels=max_pixels, api_key=api_key, settings=settings,
              progress=progress, ready=ready)  # fmt: skip

    def credits(self, *, progress: ShowProgress = "auto") -> CreditsReport:
        """Write CREDITS.csv and credits.html for the pictures that are kept."""
        from fieldguide.stages.credits import credits

        report: CreditsReport = self._run("credits", credits, progress)
        return report

    def export_data(
        self,
        to: str,
        *,
        out: PathLike | None = None,
        size: int | None = None,
        split: bool = False,
        progress: ShowProgress = "auto",
    ) -> ExportDataReport:
        """Export the kept pictures with their labels and credits, for other programs.

        Args:
            to: "csv" (folders and tables of path and label), "imagefolder" or "parquet" (Hugging Face), "webdataset"
                or "croissant".
            out: the folder to make; by default, one in `exports/` of the project.
            size: scale the pictures down to so many pixels on their shorter side; without it, the original files.
            split: whether train, val and test are kept apart.
            progress: see `Project`.

        Raises:
            NotReady: no picture is kept; with `split`, some are not split.
            ProjectExists: the folder holds something that no export wrote.
            InputUnusable: there is no such form, or no such size.
        """
        from fieldguide.stages.export_data import Target, export_data

        target = Target(to, Path(out) if out is not None else None, size, split)
        report: ExportDataReport = self._run("export-data", export_data, progress, target=target)
        return report

    def export(
        self,
        to: str,
        *,
        out: PathLike | None = None,
        allow_disagreement: bool = False,
        progress: ShowProgress = "auto",
    ) -> ExportReport:
        """Make a form of the published guide for another runtime, with the proof that it answers alike.

        Args:
            to: the form, such as "onnx"; see `fieldguide export`.
            out: the folder to make; by default, one in `exports/` of the project.
            allow_disagreement: whether it is written even though it does not answer as the guide does, or cannot be
                asked here.
            progress: see `Project`.

        Raises:
            NotReady: nothing is published, or the guide is out of date.
            InputUnusable: there is no such form, or this guide cannot take it.
            ProjectExists: the folder holds something that no export wrote.
            MissingExtra: what makes the form is not installed.
            ParityError: the form and the guide disagree; nothing is written.
        """
        from fieldguide.stages.export import Target, export

        target = Target(to, Path(out) if out is not None else None, allow_disagreement)
        report: ExportReport = self._run("export", export, progress, target=target)
        return report

    def deploy(
        self, to: str, *, out: PathLike | None = None, insecure: bool = False, progress: ShowProgress = "auto"
    ) -> DeployReport:
        """Write a folder that puts the published guide online; its report has the commands to run there.

        Args:
            to: "docker", "heroku", "elastic-beanstalk", "spaces" (Hugging Face) or "static", a site whose model runs in
                the visitor's browser; for that, `export("web")` is done first.
            out: the folder to make; by default, one in `deploy/` of the project.
            insecure: whether anybody may use it there, without an API key.
            progress: see `Project`.

        Raises:
            NotReady: nothing is published yet.
            InputUnusable: there is no such platform.
            ProjectExists: the folder holds something that no deployment wrote, or that was changed since.
            ParityError: the web form and the guide disagree.
        """
        from fieldguide.stages.deploy import Target, deploy

        place = Path(out) if out is not None else self._files.root / "deploy" / to
        check_place(self._files.root, place)
        site = Path(self.export("web", progress=progress).folder) if to == "static" else None
        target = Target(to, place, insecure, site)

        def run(files: ProjectFolder, settings: Settings, **options: Any) -> DeployReport:
            return deploy(self.guide_folder, settings.serve, **options)

        report: DeployReport = self._run("deploy", run, progress, target=target)
        return report

    def status(self) -> StatusReport:
        """Return the state of each stage, and the command to run next."""
        from fieldguide.stages.status import status

        return status(self._files, self.settings)

    def _run(
        self,
        command: str,
        stage: Callable[..., Any],
        progress: ShowProgress,
        changed: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Run a stage under the project's lock, with some settings changed."""
        settings = change_settings(self.settings, changed) if changed else self.settings
        lock = contextlib.nullcontext() if options.get("dry_run") else self._files.lock(command)
        with open_progress(progress) as shown, lock:
            return stage(self._files, settings, progress=shown, **options)


def _resolve_weights(weights: PathLike | None) -> str | None:
    """Return the name of the weights, or the whole path of their file: the run has to find it from any folder."""
    if weights is None or weights in ("embedded", "hub", "none"):
        return None if weights is None else str(weights)
    return str(Path(weights).expanduser().resolve())


def _ignore(name: str, report: Any) -> None:
    """Do nothing with a stage's report."""
