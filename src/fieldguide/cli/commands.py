"""Every command: its options, the method of the API that it calls, and what it shows.

No stage is imported before its command runs.
"""

import contextlib
import functools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from click import UsageError
from typer.core import TyperCommand, TyperGroup

from fieldguide.cli.hints import remember_command, remember_project


class _Commands(TyperGroup):
    """The commands; their help shows what an argument is by its name and text, without Python's word for its type."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        for parameter in command.params if command else ():
            if parameter.param_type_name == "argument":
                vars(parameter)["display_type_rich"] = lambda ctx: None
        return command


class _NewCommand(TyperCommand):
    """The command `new`, whose option --recipe may stand without a value: then it lists the recipes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        if "--recipe" in given:
            place = given.index("--recipe") + 1
            if place == len(given) or given[place].startswith("-"):
                given.insert(place, "")
        return super().parse_args(ctx, given)


app = typer.Typer(
    cls=_Commands, name="fieldguide", invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None,  # which would take [train] in a help text for markup
    help="Turn a list of names into an image classifier that you can trust and publish.",
    epilog="An error is two lines; add --debug to any command for a traceback.",
)  # fmt: skip

ProjectOption = Annotated[
    Path, typer.Option("--project", "-C", metavar="DIR", help="The project folder.", callback=remember_project)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
GuideOption = Annotated[
    Path | None, typer.Option("--guide", metavar="DIR", help="A published guide; by default, the one of the project.")
]

_SHOWN = 3  # classes of a picture, most probable first
LayoutOption = Annotated[
    str,
    typer.Option(
        "--layout", metavar="FORM", help="How folders are read: auto, class, split/class, class/split or flat."
    ),
]
SplitFromOption = Annotated[
    list[str] | None,
    typer.Option("--split-from", metavar="NAME=SPLIT", help="A folder that is a split, such as holdout=test."),
]


def command_names() -> list[str]:
    """Return the names of all commands."""
    return [
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.callback
    ]


def _print_version(wanted: bool) -> None:
    if wanted:
        from fieldguide import __version__

        typer.echo(f"fieldguide {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn a list of names into an image classifier that you can trust and publish."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
    remember_command(context.invoked_subcommand or "")


@contextlib.contextmanager
def _bars() -> Iterator[Any]:
    from fieldguide.progress.bar import BarProgress

    with BarProgress() as progress:
        yield progress


def _show(name: str, report: Any, as_json: bool) -> None:
    from fieldguide.cli.show import show

    show(name, report, as_json)


def _run(name: str, folder: Path, as_json: bool, *arguments: Any, **options: Any) -> None:
    """Run the method of the project in a folder that has the command's name, and show its report."""
    from fieldguide.api import open_project

    method = getattr(open_project(folder), name)
    with _bars() as progress:
        report = method(*arguments, progress=progress, **options)
    _show(name, report, as_json)


@app.command(cls=_NewCommand)
def new(
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="The folder to make.", show_default=False)
    ] = None,
    names: Annotated[
        str, typer.Option("--names", metavar="NAMES", help="The names, separated by commas, or a CSV file of them.")
    ] = "",
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", metavar="SOURCE", help="A source that `collect` searches, such as openverse; may be repeated."
        ),
    ] = None,
    contact: Annotated[
        str, typer.Option("--contact", metavar="ADDRESS", help="An address at which the sources can reach you.")
    ] = "",
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="[RECIPE]",
            help="A recipe with names and settings, such as plots, or a folder with one; without a name: list them.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project folder. Without names, it takes the labels of the pictures that are added."""
    from fieldguide.records import NewReport, RecipesReport
    from fieldguide.settings import list_recipes, read_recipe

    if recipe == "":
        _show("recipes", RecipesReport(list_recipes()), as_json)
        return
    if folder is None:
        raise UsageError("Missing argument 'DIR'.")
    from fieldguide.api import new
    from fieldguide.text import readable

    settings = new(folder, names or None, sources=source or (), contact=contact, recipe=recipe or "").settings
    classes, sources = tuple(settings.classes), settings.collect.sources
    wanted = read_recipe(recipe).settings.collect.sources if recipe and not source else ()
    waiting = tuple(name for name in wanted if name not in sources)
    _show("new", NewReport(readable(str(folder)), classes, sources, recipe or "", waiting), as_json)


@app.command()
def collect(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what it would take; no request is made.")
    ] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option("--retry", metavar="REASON", help="Retry downloads that failed for this reason, such as timeout."),
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Collect pictures of each name, with their credits. The sources are those in fieldguide.toml."""
    _run("collect", project, as_json, dry_run=dry_run, retry=retry or ())


@app.command()
def credits(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Write CREDITS.csv and credits.html. They list the pictures that are kept."""
    _run("credits", project, as_json)


@app.command()
def add(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH", help="Folders, CSV or Parquet files of path,label, zip or tar files, or pictures."
        ),
    ] = None,
    class_name: Annotated[str, typer.Option("--class", metavar="NAME", help="The class of every picture there.")] = "",
    author: Annotated[str, typer.Option("--author", metavar="NAME", help="Who made the pictures.")] = "",
    licence: Annotated[str, typer.Option("--licence", metavar="LICENCE", help="An SPDX identifier, or: own.")] = "",
    licence_url: Annotated[
        str, typer.Option("--licence-url", metavar="URL", help="Where the licence can be read.")
    ] = "",
    layout: LayoutOption = "auto",
    split_from: SplitFromOption = None,
    relabel: Annotated[
        bool, typer.Option("--relabel", help="Give pictures that are known under another label the new one.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Take back the last addition, or the one with this number: --undo 3.")
    ] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Add your own pictures. Give a folder per class, a table, an archive, or pictures of one class."""
    words = paths or []
    if undo:
        _run("add", project, as_json, undo=_parse_number(words))
        return
    options = {"class_name": class_name, "author": author, "licence": licence, "licence_url": licence_url}
    splits = _parse_pairs(split_from)
    _run("add", project, as_json, *words, relabel=relabel, layout=layout, split_from=splits, **options)


def _parse_pairs(pairs: list[str] | None) -> dict[str, str]:
    return {name: split for name, _, split in (pair.partition("=") for pair in pairs or [])}


def _parse_number(words: list[str]) -> bool | int:
    """Return the number behind --undo; True where there is none.

    Raises:
        InputUnusable: anything but one number.
    """
    from fieldguide.errors import InputUnusable

    if not words:
        return True
    if len(words) > 1 or not words[0].isdecimal():
        raise InputUnusable(f"{' '.join(words)!r} is not a number", "for example: --undo 3")
    return int(words[0])


@app.command()
def clean(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Decide which pictures are kept, and say why."""
    _run("clean", project, as_json)


@app.command()
def review(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="PORT", help="The port to listen on; 0 takes a free one; usually 8765.", min=0, max=65535
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only show the address; do not open it in a browser.")
    ] = False,
    project: ProjectOption = Path(),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what is left to look at, the worst first, as JSON; no page is opened.")
    ] = False,
) -> None:
    """Review the pictures in a browser: keep, drop, relabel, undo. The worst come first."""
    from fieldguide.api import open_project

    def ready(address: str) -> None:
        typer.echo(f"{address}  (Ctrl-C stops it)", err=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server handles it
    with contextlib.suppress(KeyboardInterrupt):
        with _bars() as progress:
            report = open_project(project).review(
                page=not as_json, host=host, port=port, browser=not no_browser, progress=progress, ready=ready
            )
        _show("review", report, as_json)


@app.command()
def decide(
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SHA256]...", help="Pictures: the hash, its beginning, a path, or where it came from."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep these pictures, whatever the checks say.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Leave these pictures out. None is deleted.")] = False,
    relabel: Annotated[
        str, typer.Option("--relabel", metavar="CLASS", help="Give these pictures this label, and keep them.")
    ] = "",
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A table of sha256 (or path), decision and class."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last action, or the last few: --undo 3.")] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Keep, drop or relabel pictures by hand, without a browser. A decision outranks every check."""
    from fieldguide.errors import InputUnusable

    words = pictures or []
    if undo:
        _run("decide", project, as_json, undo=_parse_number(words))
        return
    if keep + drop + bool(relabel) != bool(words):
        problem = "pictures need one decision" if words else "a decision needs pictures"
        raise InputUnusable(problem, "for example: fieldguide decide --drop SHA256 SHA256")
    chosen = dict.fromkeys(words, relabel) if relabel else {}
    _run(
        "decide", project, as_json, keep=words if keep else (), drop=words if drop else (), relabel=chosen, table=table
    )


@app.command()
def split(
    resplit: Annotated[
        bool,
        typer.Option(
            "--resplit",
            help="Put groups of two splits that a new picture joins into train; else it is set aside.",
        ),
    ] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Divide the pictures into train, val and test. Copies are always in the same split."""
    _run("split", project, as_json, resplit=resplit)


@app.command()
def train(
    learner: Annotated[
        str | None,
        typer.Option("--learner", metavar="NAME", help="auto, transfer, cnn, colour, or another package's."),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone", metavar="NAME", help="The pretrained network that transfer builds on, such as resnet18."
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="MODE",
            help="What transfer trains: frozen (only the head), unfreeze (the head, then the backbone too) or full.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", metavar="WEIGHTS", help="The backbone's weights: embedded, hub, none, or a file."),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", help="Passes over the pictures, if a network is trained.", min=1),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="The random seed; another one shows how much of the score is chance.", min=0
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Another key of [train], such as loop.lr=0.001; may be repeated."
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Only draw preview.png, which shows how pictures are changed during training."),
    ] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Train a model on train and val. Options hold for this run; the defaults are in fieldguide.toml."""
    changed = _parse_changes(change or ())
    if preview:
        options = {"learner": learner, "mode": mode, "seed": seed}
        changed = {key: value for key, value in options.items() if value is not None} | changed
        _run("preview", project, as_json, set=changed)
        return
    _run("train", project, as_json, learner=learner, backbone=backbone, mode=mode, weights=weights, epochs=epochs,
         seed=seed, set=changed)  # fmt: skip


def _parse_changes(arguments: Iterable[str]) -> dict[str, Any]:
    """Return keys of [train] to values, of `loop.lr=0.01` and the like.

    Raises:
        SettingsError: an argument that is not in this form.
    """
    import tomllib

    from fieldguide.errors import SettingsError

    changed = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals or not key.strip():
            raise SettingsError(
                f"--set {argument} is not in the form KEY=VALUE", "write, for example: --set loop.lr=0.001"
            )
        try:
            changed[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:  # a word without quotes
            changed[key.strip()] = text.strip()
    return changed


@app.command()
def tune(
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            metavar="MINUTES",
            help="Minutes after which to stop; run it again to continue. By default, runs all trials.",
            min=0,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option("--trials", metavar="N", help="Number of trials, including those of earlier calls.", min=1),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Run this search instead of [tune.space]: usual, or architectures (seven networks, for a GPU).",
        ),
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Search for better settings. The best are written into fieldguide.toml; several searches may run at once."""
    _run("tune", project, as_json, minutes=minutes, trials=trials, preset=preset)


@app.command()
def compare(
    use: Annotated[
        str,
        typer.Option("--use", metavar="RUN", help="Make this run the current one; fieldguide.toml takes its settings."),
    ] = "",
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Compare the accuracy, size and speed of all runs. Tells which differences are more than chance."""
    _run("compare", project, as_json, use=use)


@app.command()
def evaluate(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="New labelled pictures: a folder with a folder per class, a table or an archive."
        ),
    ] = None,
    class_name: Annotated[
        str,
        typer.Option("--class", metavar="NAME", help="The label of every picture of PATH; any name tests declining."),
    ] = "",
    layout: LayoutOption = "auto",
    split_from: SplitFromOption = None,
    guide: GuideOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where the scores of PATH go; by default, a new folder evaluation-NAME."
        ),
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Score the run on test, or the guide on new pictures. Writes a report.html."""
    from fieldguide.api import evaluate, open_project
    from fieldguide.errors import InputUnusable

    if path is None:
        if guide or out or class_name or split_from or layout != "auto":
            message = "--guide, --class, --layout, --split-from and --out go with new pictures"
            raise InputUnusable(message, "name them: fieldguide evaluate PATH")
        _run("evaluate", project, as_json)
        return
    remember_command("")  # scores of new pictures are written once all are there
    folder = guide or open_project(project).guide_folder
    with _bars() as progress:
        report = evaluate(
            path, guide=folder, class_name=class_name, layout=layout, split_from=_parse_pairs(split_from), out=out,
            progress=progress,
        )  # fmt: skip
    _show("score", report, as_json)


@app.command()
def publish(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Publish the guide, and prove that it answers like the model."""
    _run("publish", project, as_json)


@app.command()
def predict(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", help="Pictures, folders of them, or quoted patterns such as '*.jpg'.", readable=False
        ),
    ],
    guide: GuideOption = None,
    top_k: Annotated[
        int | None,
        typer.Option("--top-k", metavar="K", help="Show this many classes of each picture; 3 unless --json.", min=1),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the answers to a CSV file too; - prints it alone."),
    ] = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Classify pictures with a guide."""
    from fieldguide.api import open_project, predict
    from fieldguide.errors import InputMissing, InputUnusable

    folder = guide or open_project(project).guide_folder
    if table and not table.parent.is_dir():
        raise InputMissing(f"there is no folder {table.parent}", "make it first, or give another --csv FILE")
    with _bars() as progress:
        predictions = predict(images, guide=folder, progress=progress)
    if table:
        _write_answers(table, predictions, top_k or _SHOWN)
    if str(table) != "-":
        shown = predictions if as_json and not top_k else [answer.top(top_k or _SHOWN) for answer in predictions]
        _show("predict", shown, as_json)
    if any(answer.error.startswith("missing:") for answer in predictions):
        raise typer.Exit(InputMissing.exit_code)
    if all(answer.error for answer in predictions):
        raise typer.Exit(InputUnusable.exit_code)


def _write_answers(path: Path, predictions: Any, top_k: int) -> None:
    """Write a table of the answers, or print it where the path is "-"."""
    from fieldguide.project.atomic import write_text
    from fieldguide.stages.predict import answer_table

    if str(path) == "-":
        typer.echo(answer_table(predictions, top_k), nl=False)
    else:
        write_text(path, answer_table(predictions, top_k))


@app.command()
def serve(
    guide: GuideOption = None,
    ui: Annotated[
        str | None,
        typer.Option("--ui", metavar="NAME", help="page, the guide's own with the API, or streamlit, without it."),
    ] = None,
    host: Annotated[str | None, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", help="The port to listen on; 0 takes a free one.", min=0, max=65535),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host", metavar="NAME", help="A name by which it is reached, as behind a proxy; may be repeated."
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Let anybody who can reach the address use it, without an API key."),
    ] = False,
    max_bytes: Annotated[int | None, typer.Option("--max-bytes", metavar="BYTES", help="The largest upload.")] = None,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", metavar="PIXELS", help="The largest picture, width x height.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", help="Processes that classify; one per core by default; 0: threads.", min=0
        ),
    ] = None,
    root_path: Annotated[
        str | None, typer.Option("--root-path", metavar="PATH", help="The path below which a proxy shows it.")
    ] = None,
    allow_urls: Annotated[
        bool, typer.Option("--allow-urls", help="Let a request name a public web address to fetch a picture from.")
    ] = False,
    feedback: Annotated[
        Path | None,
        typer.Option("--feedback", metavar="FOLDER", help="Keep pictures that visitors name rightly in this folder."),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="Write a line of JSON for each request.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Serve a guide: a page and an API. Others can reach it with --host, and then need an API key."""
    from fieldguide.api import open_project, serve

    def ready(address: str) -> None:
        typer.echo(f"{address}  (Ctrl-C stops it)", err=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the server handles it
    more = {"ui": ui, "workers": workers, "root_path": root_path, "allow_urls": allow_urls or None, "log": log or None}
    if feedback is not None:
        more |= {"feedback": True, "feedback_folder": str(feedback.absolute())}
    run = functools.partial(serve, guide) if guide is not None else open_project(project).serve
    with contextlib.suppress(KeyboardInterrupt), _bars() as progress:
        run(
            host=host, port=port, allowed_hosts=allowed_host, insecure=insecure or None, max_bytes=max_bytes,
            max_pixels=max_pixels, more=more, progress=progress, ready=ready,
        )  # fmt: skip


@app.command()
def export(
    to: Annotated[
        str,
        typer.Option("--to", metavar="FORM", help="onnx, int8, openvino, litert, litert-int8, coreml, skops or web."),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder to make; by default, one in exports/ of the project."),
    ] = None,
    allow_disagreement: Annotated[
        bool,
        typer.Option(
            "--allow-disagreement",
            help="Write it even though it does not answer as the guide does, or cannot be asked here.",
        ),
    ] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Export the guide to a form for another runtime."""
    _run("export", project, as_json, to, out=out, allow_disagreement=allow_disagreement)


@app.command()
def export_data(
    to: Annotated[
        str, typer.Option("--to", metavar="FORM", help="csv, imagefolder, parquet, webdataset or croissant.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder to make; by default, one in exports/ of the project."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--size", metavar="PIXELS", help="Scale pictures down to this shorter side; default: the original files."
        ),
    ] = None,
    split: Annotated[bool, typer.Option("--split", help="Keep train, val and test apart.")] = False,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Export the kept pictures with labels and credits. Other programs read them."""
    _run("export_data", project, as_json, to, out=out, size=size, split=split)


@app.command()
def deploy(
    to: Annotated[
        str, typer.Option("--to", metavar="PLATFORM", help="docker, heroku, elastic-beanstalk, spaces or static.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The folder to make; by default, one in deploy/ of the project."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let anybody who can reach it use it, without an API key.")
    ] = False,
    guide: GuideOption = None,
    project: ProjectOption = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write a folder that puts the guide online."""
    from fieldguide.api import deploy

    if guide is None:
        _run("deploy", project, as_json, to, out=out, insecure=insecure)
        return
    with _bars() as progress:
        report = deploy(to, guide=guide, out=out, insecure=insecure, progress=progress)
    _show("deploy", report, as_json)


@app.command()
def build(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Run every stage from collect to publish. Only what is out of date is redone."""
    from fieldguide.api import open_project

    _run_stages(open_project(project).build, as_json)


@app.command()
def status(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Show the state of the project and the command to run next."""
    from fieldguide.api import open_project

    _show("status", open_project(project).status(), as_json)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to make the project.")] = Path("demo"),
    per_class: Annotated[
        int, typer.Option("--per-class", metavar="N", help="How many charts of each kind to draw.", min=10, max=10000)
    ] = 250,
    as_json: JsonOption = False,
) -> None:
    """Run every stage on drawn charts, offline, in minutes."""
    from fieldguide.api import demo

    _run_stages(lambda **options: demo(folder, per_class=per_class, **options), as_json)


def _run_stages(run: Callable[..., Any], as_json: bool) -> None:
    """Run several stages and show each report as its stage ends, or all of them as one JSON object."""
    with _bars() as progress:

        def show_stage(name: str, report: Any) -> None:
            progress.clear()
            if not as_json:
                _show(name, report, False)

        reports = run(progress=progress, done=show_stage)
    if as_json:
        _show("build", reports, True)
