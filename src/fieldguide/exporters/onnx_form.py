"""The form `onnx`: the guide itself, to be handed on whole. Runs wherever ONNX Runtime does."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fieldguide.engine import core_count
from fieldguide.exporters.contract import FormFacts, Source
from fieldguide.exporters.running import PythonRuntime
from fieldguide.guide import FORMS_FILE, open_guide, write_manifest
from fieldguide.guide.forms import without_forms

_NOT_HANDED_ON = (FORMS_FILE, "MANIFEST")  # what they say holds for the guide that lies in the project


class OnnxExporter:
    """Copies the guide."""

    name = "onnx"
    facts = FormFacts("the guide itself, ONNX in float32, for ONNX Runtime")

    def unsuitable(self, source: Source) -> str:
        """Return "": every guide is one."""
        return ""

    def export(self, source: Source, folder: Path) -> Mapping[str, str | int | float]:
        """Copy the guide's files."""
        copy_guide(source, folder, source.model)
        return {}

    def cannot_run(self) -> str:
        """Return "": it runs everywhere."""
        return ""

    @contextmanager
    def open(self, folder: Path) -> Iterator[PythonRuntime]:
        """Open it as any guide is opened."""
        guide = open_guide(folder, threads=core_count(), trusted=True)
        yield PythonRuntime(
            guide.views, guide.threshold, guide.limits,
            lambda squares: guide.session.run(["probs", "familiarity"], {"image": squares}),
        )  # fmt: skip


def copy_guide(source: Source, folder: Path, model: bytes) -> None:
    """Write a guide into the folder that is the source's with another model."""
    origin = source.guide.folder
    for line in (origin / "MANIFEST").read_text(encoding="utf-8").splitlines():
        name = line.partition("  ")[2]
        if name in _NOT_HANDED_ON or not (origin / name).is_file():  # a document may be taken away
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(origin / name, folder / name)
    if (card := folder / "README.md").is_file():
        card.write_text(without_forms(card.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / "model.onnx").write_bytes(model)
    write_manifest(folder)
