"""Where a training stands, on disk: tensors as safetensors, the rest as JSON; whole or not there.

Knows nothing about networks or training. Each is a file of tensors and, written after it, a JSON file with its SHA-256.
The two newest are kept and share nothing, so that one that is damaged later leaves the one before. torch.save writes
pickles and cannot tell a damaged file: "nothing is lost" and "nothing runs what it was given" need this module.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fieldguide.hashing import hash_text
from fieldguide.project.atomic import sweep, write_bytes, write_text

_KEPT = 2
_PREFIX = "checkpoint-"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        number: rises with each.
        state: what is not a tensor; JSON.
        tensors: by name, in parts such as "model" and "best".
    """

    number: int
    state: dict[str, Any]
    tensors: Mapping[str, Mapping[str, Any]]


class LoadedCheckpoint(NamedTuple):
    """What a folder holds: the newest whole checkpoint, or None, and what is wrong with newer ones."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


def pack(tensors: Mapping[str, Any]) -> bytes:
    """Return tensors by name as a safetensors file; the same tensors give the same bytes."""
    from safetensors.torch import save

    return bytes(save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}))


def unpack(data: bytes) -> dict[str, Any]:
    """Return the tensors by name of a safetensors file.

    Raises:
        ValueError: it is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return dict(load(data))
    except SafetensorError as error:
        raise ValueError(f"no tensors: {error}") from error


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint durably, and delete all but the two newest."""
    stem = f"{_PREFIX}{checkpoint.number:08}"
    data = pack({f"{part}/{name}": value for part, held in checkpoint.tensors.items() for name, value in held.items()})
    content = {"number": checkpoint.number, "said": checkpoint.state, "parts": sorted(checkpoint.tensors)}
    body = json.dumps(content | {"tensors": hashlib.sha256(data).hexdigest()}, sort_keys=True)
    (folder / f"{stem}.json").unlink(missing_ok=True)  # a damaged one of this number, from before a fall back
    write_bytes(folder / f"{stem}.safetensors", data)
    write_text(folder / f"{stem}.json", json.dumps({"sha256": hash_text(body), "body": body}))
    _delete_all_but_newest(folder, checkpoint.number)


def load_checkpoint(folder: Path) -> LoadedCheckpoint:
    """Return the newest checkpoint that is whole, and a sentence for each newer one that is not.

    What a kill left unfinished is deleted. A folder that is not there holds none.
    """
    if not folder.is_dir():
        return LoadedCheckpoint(None, ())
    sweep(folder)
    damaged: list[str] = []
    for path in sorted(folder.glob(f"{_PREFIX}*.json"), reverse=True):
        try:
            return LoadedCheckpoint(_read(path), tuple(damaged))
        except (OSError, ValueError, KeyError, TypeError) as error:
            damaged.append(f"{path.name} is damaged ({error}); the one before it is used")
    return LoadedCheckpoint(None, tuple(damaged))


def _read(path: Path) -> Checkpoint:
    outer = json.loads(path.read_text(encoding="utf-8"))
    if hash_text(outer["body"]) != outer["sha256"]:
        raise ValueError("it is not what was written")
    body = json.loads(outer["body"])
    data = path.with_suffix(".safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != body["tensors"]:
        raise ValueError("its tensors are not what was written")
    parts: dict[str, dict[str, Any]] = {part: {} for part in body["parts"]}
    for full_name, value in unpack(data).items():
        part, _, name = full_name.partition("/")
        parts[part][name] = value
    return Checkpoint(body["number"], body["said"], parts)


def _delete_all_but_newest(folder: Path, number: int) -> None:
    """Delete all but this checkpoint and the one before it; newer ones were damaged."""
    numbers = sorted(int(path.stem.removeprefix(_PREFIX)) for path in folder.glob(f"{_PREFIX}????????.json"))
    kept = [older for older in numbers if older <= number][-_KEPT:]
    for path in folder.glob(f"{_PREFIX}????????.*"):
        if int(path.stem.removeprefix(_PREFIX)) not in kept:
            path.unlink(missing_ok=True)
