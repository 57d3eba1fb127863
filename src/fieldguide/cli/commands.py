"""Every command: its options, the stage it calls, what it shows. No stage is imported before its command runs."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app", "command_names"]

app = typer.Typer(
    name="fieldguide", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Turns a list of names into an image classifier that a person can trust and publish.",
    epilog="Every command: two lines when something is wrong, --debug for a traceback.",
)  # fmt: skip

ProjectOption = Annotated[Path, typer.Option("--project", "-C", help="The project's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON, for programs.")]
GuideOption = Annotated[Path | None, typer.Option("--guide", help="A published guide; else the project's own.")]


def command_names() -> list[str]:
    """The names of all commands."""
    return [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]


def _version(wanted: bool) -> None:
    if wanted:
        from fieldguide import __version__

        typer.echo(f"fieldguide {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Turns a list of names into an image classifier that a person can trust and publish."""


def _show(name: str, report: Any, as_json: bool) -> None:
    from fieldguide.cli.show import show

    show(name, report, as_json)


@contextlib.contextmanager
def _bars() -> Iterator[Any]:
    from fieldguide.cli.progress import BarProgress

    with BarProgress() as progress:
        yield progress


def _run_stage(
    name: str,
    stage: Callable[..., Any],
    folder: Path,
    as_json: bool,
    changed: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Nothing; runs one stage of the project in a folder, alone, with some settings changed, and shows its report."""
    from fieldguide.project import find_project
    from fieldguide.settings import change_settings

    project = find_project(folder)
    settings = change_settings(project.settings(), changed) if changed else project.settings()
    alone = contextlib.nullcontext() if more.get("dry_run") else project.lock(name)  # a plan writes nothing
    with _bars() as progress, alone:
        report = stage(project, settings, progress=progress, **more)
    _show(name, report, as_json)


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    names: Annotated[str, typer.Option("--names", help="Names with commas between, or a CSV file of them.")] = "",
    source: Annotated[
        list[str] | None, typer.Option("--source", help="Where `collect` looks, such as openverse; may be repeated.")
    ] = None,
    contact: Annotated[str, typer.Option("--contact", help="How those who are asked for pictures can reach you.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a project folder. Without names it takes the labels of whatever is added."""
    from fieldguide.names import read_names
    from fieldguide.sources import open_source
    from fieldguide.stages.new import new

    for name in source or ():
        open_source(name)  # tells at once of a name that is none
    said = {"sources": source, "contact": contact}
    changed = {"collect": {key: value for key, value in said.items() if value}}
    _show("new", new(folder, read_names(names) if names else {}, changed=changed), as_json)


@app.command()
def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take; nobody is asked.")] = False,
    retry: Annotated[
        list[str] | None, typer.Option("--retry", metavar="REASON", help="Fetch again what failed so, such as timeout.")
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Gather pictures of each name, with their credits, from the sources that fieldguide.toml chooses."""
    from fieldguide.stages.collect import collect

    _run_stage("collect", collect, project, as_json, dry_run=dry_run, retry=tuple(retry or ()))


@app.command()
def credits(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Write CREDITS.csv and credits.html for exactly the pictures that are kept."""
    from fieldguide.stages.credits import credits

    _run_stage("credits", credits, project, as_json)


@app.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder, a CSV or Parquet of path,label, a zip or a tar.")],
    class_name: Annotated[str, typer.Option("--class", help="What every picture there shows.")] = "",
    author: Annotated[str, typer.Option("--author", help="Who made the pictures.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="SPDX identifier, or: own.")] = "",
    licence_url: Annotated[str, typer.Option("--licence-url", help="Where the licence can be read.")] = "",
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Add pictures that you have: a folder per class, a table, an archive."""
    from fieldguide.stages.add import Terms, add

    terms = Terms(class_name, author, licence, licence_url)
    _run_stage("add", add, project, as_json, path=path, terms=terms)


@app.command()
def clean(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Say of each picture whether it is kept, and why not."""
    from fieldguide.stages.clean import clean

    _run_stage("clean", clean, project, as_json)


@app.command()
def split(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Divide the pictures into train, val and test, copies together."""
    from fieldguide.stages.split import split

    _run_stage("split", split, project, as_json)


@app.command()
def train(
    learner: Annotated[str, typer.Option("--learner", help="transfer, cnn, colour, or another package's.")] = "",
    backbone: Annotated[str, typer.Option("--backbone", help="What transfer builds on, such as resnet18.")] = "",
    mode: Annotated[
        str,
        typer.Option(
            "--mode", help="What of the backbone learns: frozen (nothing), unfreeze (after the head) or full."
        ),
    ] = "",
    weights: Annotated[
        str, typer.Option("--weights", help="The backbone's weights: embedded, hub, none, or the path of a file.")
    ] = "",
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the pictures, where a network is trained.", min=1)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="What all chance follows from; another one shows how much is luck.", min=0),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Another key of the table train, such as loop.lr=0.001; may be repeated."
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Only draw preview.png: how pictures would be changed while a network learns."),
    ] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Learn from train and val. Options hold for this run; fieldguide.toml says what is usual."""
    from fieldguide.stages.train import train
    from fieldguide.stages.train.preview import preview as draw

    if weights not in ("", "embedded", "hub", "none"):
        weights = str(Path(weights).expanduser().resolve())  # the run is to find it from any folder
    said = {"learner": learner, "backbone": backbone, "mode": mode, "weights": weights, "loop.epochs": epochs}
    given = {f"train.{key}": value for key, value in said.items() if value} | _read_changes(change or ())
    changed = given if seed is None else {**given, "train.seed": seed}
    _run_stage("preview" if preview else "train", draw if preview else train, project, as_json, changed)


def _read_changes(said: Iterable[str]) -> dict[str, Any]:
    """Dotted names below `train` to values, of `loop.lr=0.01` and the like.

    Raises:
        SettingsError: something that is not in this form.
    """
    import tomllib

    from fieldguide.errors import SettingsError

    found = {}
    for one in said:
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"--set {one} is not in the form KEY=VALUE", "write for example: --set loop.lr=0.001")
        try:
            found[f"train.{key.strip()}"] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:  # a word without quotes
            found[f"train.{key.strip()}"] = value.strip()
    return found


@app.command()
def tune(
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes", help="When to stop; the same command goes on later. Else: when all trials are made.", min=0
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", help="Trials in all, those of earlier calls too.", min=1)
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="What is searched: usual, or architectures (seven networks, for a GPU), in place of your own space.",
        ),
    ] = "",
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Search settings by trials; the best go into fieldguide.toml. Several may run at once."""
    from fieldguide.project import find_project
    from fieldguide.settings import change_settings
    from fieldguide.stages.tune import tune

    said: dict[str, Any] = {"tune.minutes": minutes, "tune.trials": trials, "tune.preset": preset or None}
    said |= {"tune.space": {}} if preset else {}  # what is typed goes before an own space in the file
    found = find_project(project)
    settings = change_settings(found.settings(), {key: value for key, value in said.items() if value is not None})
    with _bars() as progress:  # without the project's lock, so that several can work
        report = tune(found, settings, progress=progress)
    _show("tune", report, as_json)


@app.command()
def compare(
    use: Annotated[
        str,
        typer.Option("--use", metavar="RUN", help="Make this run the project's: its settings go into fieldguide.toml."),
    ] = "",
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Put all runs side by side: accuracy, size, speed; which differ by more than chance."""
    from fieldguide.stages.compare import compare

    _run_stage("compare", compare, project, as_json, use=use)


@app.command()
def evaluate(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Open the test split for the last run trained, and write its report.html."""
    from fieldguide.stages.evaluate import evaluate

    _run_stage("evaluate", evaluate, project, as_json)


@app.command()
def publish(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Make the guide, with the proof that it answers as trained."""
    from fieldguide.stages.publish import publish

    _run_stage("publish", publish, project, as_json)


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of them.")],
    guide: GuideOption = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Ask a guide what pictures show."""
    from fieldguide.stages.predict import predict

    with _bars() as progress:
        answers = predict(_guide_folder(guide, project), images, progress=progress)
    _show("predict", answers, as_json)


@app.command()
def serve(
    guide: GuideOption = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port; 0 takes a free one.", min=0, max=65535)] = None,
    project: ProjectOption = Path(),
) -> None:
    """Serve a guide on this computer: a page and an API."""
    from fieldguide.settings import ServeSettings, load_settings
    from fieldguide.stages.serve import serve

    folder = _guide_folder(guide, project)
    file = project / "fieldguide.toml"
    settings = load_settings(file).serve if guide is None and file.is_file() else ServeSettings()
    given = {"host": host, "port": port}
    settings = settings.model_copy(update={key: value for key, value in given.items() if value is not None})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server takes it
    with contextlib.suppress(KeyboardInterrupt):
        serve(folder, settings, ready=lambda address: typer.echo(f"{address}  (Ctrl-C ends it)", err=True))


def _guide_folder(guide: Path | None, folder: Path) -> Path:
    """The guide asked for, or the project's own."""
    from fieldguide.errors import NotReady
    from fieldguide.project import find_project

    if guide is not None:
        return guide
    project = find_project(folder)
    if not (project.guide_folder / "MANIFEST").is_file():
        raise NotReady("this project has no guide yet", "run: fieldguide build")
    return project.guide_folder


@app.command()
def build(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Do everything from clean to publish, redoing only what is out of date."""
    from fieldguide.project import find_project
    from fieldguide.stages.build import build

    found = find_project(project)
    _walk(lambda **how: _locked(found, "build", build, **how), as_json)


def _locked(project: Any, name: str, walk: Callable[..., Any], **how: Any) -> Any:
    with project.lock(name):
        return walk(project, project.settings(), **how)


def _walk(walk: Callable[..., Any], as_json: bool) -> None:
    """Nothing; runs a walk, showing each stage's report as it ends, or all of them as one JSON object."""
    with _bars() as progress:

        def done(name: str, report: Any) -> None:
            progress.clear()
            if not as_json:
                _show(name, report, False)

        reports = walk(progress=progress, done=done)
    if as_json:
        _show("build", reports, True)


@app.command()
def status(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Say where the project stands and what to type next."""
    from fieldguide.project import find_project
    from fieldguide.stages.status import status

    found = find_project(project)
    _show("status", status(found, found.settings()), as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the project is made.")] = Path("demo"),
    per_class: Annotated[int, typer.Option("--per-class", help="Charts of each kind.", min=10, max=10000)] = 250,
    as_json: JsonOption = False,
) -> None:
    """Do the whole walk on drawn charts, offline, in minutes."""
    from fieldguide.stages.demo import demo

    _walk(lambda **how: demo(folder, per_class, **how), as_json)
