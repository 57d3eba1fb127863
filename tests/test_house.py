"""The house: floors, sizes, where torch may be imported, docstrings and names. Mend the code, not these lists."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "fieldguide"

# A room imports only from lower floors. Rooms on one floor do not import each other; inside a package they may.
# Each stage is a room of its own: stages meet in the catalogue.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "text", "stages"),
    ("records", "names", "progress", "hashing", "optional", "filetypes", "folders", "event_loop"),
    ("settings", "images", "engine", "net", "plots", "licences", "metrics", "chromium"),
    ("project", "calibration", "familiarity", "guide", "serving"),
    ("exporters", "features"),
    ("sources", "checks", "learners"),
    (
        *(
            "stages.new",
            "stages.add",
            "stages.collect",
            "stages.credits",
            "stages.clean",
            "stages.split",
            "stages.train",
        ),
        *(
            "stages.tune",
            "stages.compare",
            "stages.evaluate",
            "stages.publish",
            "stages.predict",
            "stages.score",
            "stages.serve",
            "stages.deploy",
            "stages.export",
            "stages.export_data",
            "stages.decide",
            "stages.review",
        ),
    ),
    ("stages.build",),
    ("stages.status", "stages.demo"),
    ("api",),
    ("__init__", "cli"),
    ("__main__",),
)
CHARTS = SOURCE.parent / "fieldguide_charts"  # beside the core, joined by its entry point: only the demo imports it
CHARTS_MAY_IMPORT = ("fieldguide.records", "fieldguide.errors")
TRAINING_LIBRARIES = {"torch", "torchvision", "timm", "sklearn", "onnx", "optuna", "tensorboard"}
TRAINING_ROOMS = ("learners", "exporters", "stages.tune")
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 800, 60, 6


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return room_named(".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"))


def room_named(dotted: str) -> str:
    parts = dotted.split(".")
    return ".".join(parts[:2]) if parts[0] == "stages" and parts[1:] else parts[0]


def floor_of(room: str) -> int:
    floors = [number for number, rooms in enumerate(FLOORS) if room in rooms]
    assert floors, f"the room {room!r} has no floor in tests/test_house.py"
    return floors[0]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} has a relative import"
            if node.module in ("fieldguide", "fieldguide.stages"):
                yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            yield from (str(name.value) for name in node.args if isinstance(name, ast.Constant))


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE if path.is_relative_to(SOURCE) else SOURCE.parent).as_posix()


def charts() -> list[Path]:
    return sorted(CHARTS.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_only_the_demo_imports_the_charts(path: Path) -> None:
    used = [name for name in imports(path) if name.partition(".")[0] == CHARTS.name]
    assert not used or room_of(path) == "stages.demo", f"{name_of(path)} imports {used}"


@pytest.mark.parametrize("path", charts(), ids=name_of)
def test_the_charts_know_of_fieldguide_what_any_package_may(path: Path) -> None:
    for name in imports(path):
        known = name.startswith(CHARTS_MAY_IMPORT) or name.partition(".")[0] != SOURCE.name
        assert known, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_from_lower_floors(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        if not name.startswith("fieldguide."):
            continue
        imported_room = room_named(name.removeprefix("fieldguide."))
        assert imported_room == room or floor_of(imported_room) < floor_of(room), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_training_libraries_stay_in_their_rooms(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)} & TRAINING_LIBRARIES
    assert not used or room_of(path) in TRAINING_ROOMS, f"{name_of(path)} imports {used}"


@pytest.mark.parametrize("path", [*modules(), *charts()], ids=name_of)
def test_sizes(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_MODULE_LINES, f"{name_of(path)} is too long"
    for node in functions(path):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        assert lines <= MAX_FUNCTION_LINES, f"{name_of(path)}: {node.name} has {lines} lines"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        parameters = [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]
        # a command's parameters are its options: the command line and the API are where they are written down
        free = name_of(path) == "cli/commands.py" or name_of(path).startswith("api/")
        assert len(parameters) <= MAX_PARAMETERS or free, f"{name_of(path)}: {node.name}"


PUBLIC_FACES = {"__init__.py"}
# A function's docstring begins with a verb: these are how one begins that does not.
NO_VERBS = ("Nothing", "The ", "A ", "An ", "Whether ", "What ", "How ", "Where ", "Which ", "Who ", "Every ", "Each ")
COINED = {"Lesson", "Learnt", "Said", "Turn", "Wish", "Trail", "Keeping", "Stock", "Bends", "Press", "Exam", "Found",
          "Seen", "Taker", "Way", "Known", "Shown", "Given", "Wanted", "Asked", "Manager", "Helper"}  # fmt: skip


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", [*modules(), *charts()], ids=name_of)
def test_docstrings_of_functions_begin_with_a_verb(path: Path) -> None:
    for node in functions(path):
        names = {getattr(item, "id", getattr(item, "attr", "")) for item in node.decorator_list}
        docstring = ast.get_docstring(node) or ""
        noun = docstring.startswith(NO_VERBS) and not names & {"property", "cached_property"}
        assert not noun, f"{name_of(path)}: {node.name}: {docstring.splitlines()[0]}"


@pytest.mark.parametrize("path", [*modules(), *charts()], ids=name_of)
def test_only_public_faces_list_what_they_export(path: Path) -> None:
    if path.name in PUBLIC_FACES:
        return
    targets = [
        target
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    assert not [name for name in targets if isinstance(name, ast.Name) and name.id == "__all__"], name_of(path)


@pytest.mark.parametrize("path", [*modules(), *charts()], ids=name_of)
def test_classes_have_no_coined_names(path: Path) -> None:
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    coined = {node.name for node in tree if isinstance(node, ast.ClassDef) and node.name.strip("_") in COINED}
    assert not coined, f"{name_of(path)}: {coined}"


@pytest.mark.parametrize("path", [*modules(), *charts()], ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{name_of(path)} does not say what it is"


def test_no_rooms_without_a_purpose() -> None:
    names = {part.casefold() for path in modules() for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert not {name for name in names if name.strip("_") in ("utils", "util", "helpers", "helper", "manager", "misc")}
    for number, rooms in enumerate(FLOORS):
        for room in rooms:
            place = SOURCE.joinpath(*room.split("."))
            there = place.with_suffix(".py").exists() or (place / "__init__.py").exists()
            assert there, f"floor {number} names {room!r}, which is gone"


def test_contributing_shows_the_floors() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for number, rooms in enumerate(FLOORS):
        row = f"| {number} | {', '.join(f'`{room}`' for room in rooms)} |"
        assert f"\n{row}\n" in text, f"the table in CONTRIBUTING.md lacks {row}"
    assert f"\n| {len(FLOORS)} |" not in text, "CONTRIBUTING.md has more floors"


def test_one_stage_one_module_one_command_one_page_one_test_file() -> None:
    from fieldguide.cli.commands import command_names

    for command in command_names():
        name = command.replace("-", "_")
        room = importlib.import_module(f"fieldguide.stages.{name}")
        assert callable(getattr(room, name)), f"fieldguide.stages.{name} has no function {name}"
        assert (ROOT / "docs" / f"{command}.md").is_file(), f"docs/{command}.md is missing"
        assert (ROOT / "tests" / "stages" / f"test_{name}.py").is_file(), f"tests/stages/test_{name}.py is missing"
