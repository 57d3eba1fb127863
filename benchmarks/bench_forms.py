"""Every form that a guide can be exported to here: its size, its speed, and how closely it answers as the guide does.

Of each set of real pictures two of five are learnt and three held back, which neither the guide nor any quantiser has
seen. Each form is made by `fieldguide export`, which proves it by pictures of its own; then guide and form are asked
about those that were held back, from their files: the page in headless Chromium. `export` says how many of the first
answers are the same for the crops that it compares by, beside the share for the pictures held back. Accuracy is that of
the first answers. A form whose library is not installed is left out, saying so: `.venv-heavy` of `make test-all` has
them all. skops is of a second guide, of colours alone.

`python benchmarks/bench_forms.py [--sets flowers17 charts-dev] [--forms onnx int8] [--keep FOLDER]`
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common import describe_machine, fieldguide, make_parser, parse_options, set_folder
from fieldguide.exporters import known_exporters, open_exporter
from fieldguide.exporters.contract import Answer, Runtime
from fieldguide.guide import open_guide
from fieldguide.stages.export.compared import ComparedFile
from fieldguide.stages.export.parity import GuideRuntime, measure_parity

LEARNT_OF_FIVE = 2
BY_COLOUR = "skops"
COLUMNS = ("MB", "ms", "guide ms", "at export", "held back", "declines", "largest", "mean", "accuracy", "guide's")


@dataclass
class Asked:
    """A runtime that remembers its first answers.

    Attributes:
        runtime: what answers.
        first: class by place, by the bytes of the picture.
    """

    runtime: Runtime
    first: dict[bytes, int] = field(default_factory=dict)

    def classify(self, data: bytes) -> Answer:
        """Classify a picture."""
        answer = self.runtime.classify(data)
        self.first[data] = int(np.argmax(answer.probs))
        return answer


@dataclass(frozen=True)
class Row:
    """What was measured of a form on a set."""

    count: int
    agreed: float
    declined: float
    largest: float
    mean: float
    right: int
    right_guide: int


def split_set(pictures: Path, base: Path, learnt_of_five: int) -> tuple[Path, dict[Path, str]]:
    """Copy what is to be learnt; return its folder, and the pictures held back with their class."""
    held_back = {}
    for class_folder in sorted(path for path in pictures.iterdir() if path.is_dir()):
        (base / "learnt" / class_folder.name).mkdir(parents=True, exist_ok=True)
        for place, path in enumerate(sorted(class_folder.iterdir())):
            if place % 5 < learnt_of_five:
                shutil.copyfile(path, base / "learnt" / class_folder.name / path.name)
            else:
                held_back[path] = class_folder.name
    return base / "learnt", held_back


def make_project(project: Path, learnt: Path, learner: str) -> None:
    """Make and publish a guide, unless it is there."""
    if (project / "guide" / "MANIFEST").is_file():
        return
    fieldguide("new", project)
    fieldguide("add", learnt, "-C", project, "--licence", "own", "--author", "the benchmark")
    for stage in ("clean", "split"):
        fieldguide(stage, "-C", project)
    fieldguide("train", "--learner", learner, "-C", project)
    for stage in ("evaluate", "publish"):
        fieldguide(stage, "-C", project)


def measure_form(name: str, project: Path, held_back: dict[Path, str]) -> Row | None:
    """Make a form, print its row, and return what was measured; None where it cannot be made or run here."""
    words = ("export", "--to", name, "-C", project, "--allow-disagreement", "--json")
    try:
        report = json.loads(fieldguide(*words))
    except subprocess.CalledProcessError:
        print(f"{name:<12} not made here (its reason is on the error stream)", flush=True)
        return None
    if report["unproved"]:
        print(f"{name:<12} {report['bytes'] / 1e6:>6.1f}  not run here: {report['unproved']}", flush=True)
        return None
    guide = open_guide(project / "guide", trusted=True)
    files = [ComparedFile(path.read_bytes) for path in held_back]
    with open_exporter(name).open(project / "exports" / name) as runtime:
        form, asked = Asked(runtime), Asked(GuideRuntime(guide))
        parity = measure_parity(_Guide(guide, asked), form, files, lambda: None)
    truth = {path.read_bytes(): guide.class_names.index(class_name) for path, class_name in held_back.items()}
    right, right_guide = (
        sum(runtime.first.get(data) == label for data, label in truth.items()) for runtime in (form, asked)
    )
    count = parity.compared
    figures = (
        f"{report['bytes'] / 1e6:.1f}", f"{parity.latency_ms:.1f}", f"{parity.guide_latency_ms:.1f}",
        f"{report['agreement']:.2%}", f"{parity.agreement:.2%}", f"{parity.decline_agreement:.2%}",
        f"{parity.max_difference:.2g}", f"{parity.mean_difference:.2g}",
        f"{right / len(truth):.2%}", f"{right_guide / len(truth):.2%}",
    )  # fmt: skip
    print_row(name, figures)
    agreed, declined = parity.agreement * count, parity.decline_agreement * count
    return Row(count, agreed, declined, parity.max_difference, parity.mean_difference, right, right_guide)


@dataclass(frozen=True)
class _Guide(GuideRuntime):
    """The guide, whose first answers are remembered."""

    asked: Asked

    def classify(self, data: bytes) -> Answer:
        """Classify a picture."""
        return self.asked.classify(data)


def print_row(name: str, figures: Sequence[str]) -> None:
    print(f"{name:<12} " + " ".join(f"{figure:>9}" for figure in figures), flush=True)


def print_together(rows: dict[str, list[Row]]) -> None:
    """Print each form's figures over the pictures of all sets."""
    print(
        f"all sets together: {'pictures':>13} {'the same':>9} {'declines':>9} {'largest':>9} {'mean':>9} right (guide)"
    )
    for name, measured in rows.items():
        count = sum(row.count for row in measured)
        agreed, declined = sum(row.agreed for row in measured), sum(row.declined for row in measured)
        mean = sum(row.mean * row.count for row in measured) / count
        right, right_guide = sum(row.right for row in measured), sum(row.right_guide for row in measured)
        print(
            f"{name:<12} {count:>9} {agreed / count:>9.2%} {declined / count:>9.2%} "
            f"{max(row.largest for row in measured):>9.2g} {mean:>9.2g} {right} ({right_guide})"
        )


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--sets", nargs="+", default=["flowers17", "charts-dev"], help="sets of real pictures")
    parser.add_argument("--forms", nargs="+", default=list(known_exporters()), help="only these")
    parser.add_argument("--keep", type=Path, help="where the projects are kept, and used again")
    options = parse_options(parser, sets=["flowers17"], forms=["onnx", "openvino"])
    print(describe_machine())
    rows: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        base = options.keep or Path(temporary)
        for name in options.sets:
            learnt, held_back = split_set(
                set_folder(name, options.small, Path(temporary)), base / name, 4 if options.small else LEARNT_OF_FIVE
            )
            print(f"{name}: {len(list(learnt.rglob('*.*')))} pictures learnt, {len(held_back)} held back")
            print_row("form", COLUMNS)
            for form in options.forms:
                learner = "colour" if form == BY_COLOUR else "transfer"
                project = base / name / learner
                make_project(project, learnt, learner)
                measured = measure_form(form, project, held_back)
                if measured:
                    rows.setdefault(form, []).append(measured)
    if rows:
        print_together(rows)


if __name__ == "__main__":
    main()
