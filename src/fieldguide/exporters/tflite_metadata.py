"""The metadata of a .tflite file, by the schema of TensorFlow Lite Metadata: what goes in, what comes out, the labels.

Android Studio, MediaPipe and the metadata extractor of LiteRT read it. The numbers of the fields are those of
`metadata_schema.fbs` (parser 1.0.0); the labels are appended to the file as an archive, as the schema asks. Written
with flatbuffers alone: the package made for it, tflite-support, is no longer kept up. Knows nothing about guides.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fieldguide.optional import require

LABELS = "labels.txt"
_EXTRA = "litert"
_ENTRY = "TFLITE_METADATA"
_IDENTIFIER, _PARSER = b"M001", "1.0.0"
_RGB, _IMAGE, _NORMALISATION, _AXIS_LABELS = 1, 2, 1, 2  # ColorSpaceType, ContentProperties, ProcessUnitOptions, file
_UNPACKED_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same model is the same file


@dataclass(frozen=True)
class ModelFacts:
    """What is told of a model.

    Attributes:
        name: its name.
        description: what it is for, in a sentence or two.
        version: which one it is.
        licence: under which it is published, in words; "" where nothing is known.
        side: of the square that it sees, pixels.
        class_names: in the order of its output `probs`.
        outputs: what each output is, by its name in the model's signature.
    """

    name: str
    description: str
    version: str
    licence: str
    side: int
    class_names: Sequence[str]
    outputs: dict[str, str]


def add_metadata(path: Path, facts: ModelFacts) -> None:
    """Write metadata and labels into a .tflite file that has one signature.

    Raises:
        MissingExtra: flatbuffers or LiteRT is not installed.
    """
    flatbuffers = require("flatbuffers", extra=_EXTRA)
    schema = require("ai_edge_litert.schema_py_generated", extra=_EXTRA)
    files = require("ai_edge_litert.tools.flatbuffer_utils", extra=_EXTRA)  # knows of weights that lie behind the rest
    model = files.read_model(str(path))
    names = {entry.tensorIndex: entry.name for entry in model.signatureDefs[0].outputs}
    outputs = [_text(names[index]) for index in model.subgraphs[0].outputs]
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(_write(flatbuffers, facts, outputs), np.uint8)
    entry.name, entry.buffer = _ENTRY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [kept for kept in model.metadata or [] if _text(kept.name) != _ENTRY] + [entry]
    files.write_model(model, str(path))
    with zipfile.ZipFile(path, "a") as archive:
        labels = "".join(f"{name}\n" for name in facts.class_names)
        archive.writestr(zipfile.ZipInfo(LABELS, _UNPACKED_DATE), labels)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _write(flatbuffers: Any, facts: ModelFacts, outputs: Sequence[str]) -> bytes:
    """Return the metadata of a model with these outputs."""
    tables = _Tables(flatbuffers.Builder(1024))
    text, table, vector = tables.text, tables.table, tables.vector
    size = table(2, numbers={0: facts.side, 1: facts.side})
    properties = table(2, {1: size}, kinds={0: _RGB})
    content = table(3, {1: properties}, kinds={0: _IMAGE})
    # pixels go in as they are: the model normalises them itself
    options = table(2, {0: tables.floats([0.0]), 1: tables.floats([1.0])})
    unit = table(2, {1: options}, kinds={0: _NORMALISATION})
    stats = table(2, {0: tables.floats([255.0]), 1: tables.floats([0.0])})
    about_input = "A picture, upright, RGB, prepared as guide.json says; 0 to 255, not normalised."
    image = table(7, {0: text("image"), 1: text(about_input), 3: content, 4: vector([unit]), 5: stats})
    tensors = []
    for name in outputs:
        fields = {0: text(name), 1: text(facts.outputs.get(name, ""))}
        if name == "probs":
            about_labels = text("The names of the classes, a line each, in the order of probs.")
            fields[6] = vector([table(5, {0: text(LABELS), 1: about_labels}, kinds={2: _AXIS_LABELS})])
        tensors.append(table(7, fields))
    subgraph = table(10, {0: text(facts.name), 2: vector([image]), 3: vector(tensors)})
    fields = {
        0: text(facts.name), 1: text(facts.description), 2: text(facts.version), 3: vector([subgraph]),
        5: text(facts.licence), 7: text(_PARSER),
    }  # fmt: skip
    return tables.finish(table(8, fields))


class _Tables:
    """Writes the tables of a flatbuffer, those first that others hold."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def text(self, value: str) -> int:
        """Write a string and return its place."""
        return int(self._builder.CreateString(value))

    def floats(self, values: Sequence[float]) -> int:
        """Write a vector of float32 and return its place."""
        return int(self._builder.CreateNumpyVector(np.array(values, np.float32)))

    def vector(self, places: Sequence[int]) -> int:
        """Write a vector of tables and return its place."""
        self._builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self._builder.PrependUOffsetTRelative(place)
        return int(self._builder.EndVector())

    def table(
        self, slots: int, places: dict[int, int] | None = None, *, kinds: dict[int, int] | None = None,
        numbers: dict[int, int] | None = None,
    ) -> int:  # fmt: skip
        """Write a table of so many fields and return its place.

        Args:
            slots: how many fields the schema gives it.
            places: the fields that are strings, vectors or tables, by number.
            kinds: those that are bytes.
            numbers: those that are unsigned 32-bit integers.
        """
        self._builder.StartObject(slots)
        for slot, place in (places or {}).items():
            self._builder.PrependUOffsetTRelativeSlot(slot, place, 0)
        for slot, value in (numbers or {}).items():
            self._builder.PrependUint32Slot(slot, value, 0)
        for slot, value in (kinds or {}).items():
            self._builder.PrependUint8Slot(slot, value, 0)
        return int(self._builder.EndObject())

    def finish(self, root: int) -> bytes:
        """Return the bytes of the whole."""
        self._builder.Finish(root, _IDENTIFIER)
        return bytes(self._builder.Output())
