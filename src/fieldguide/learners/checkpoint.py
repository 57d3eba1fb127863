"""Where a training stands, on disk: tensors as safetensors, the rest as JSON; whole or not there.

Knows nothing about networks or training. Each is a file of tensors and, written after it, a JSON file with its
SHA-256. The two newest are kept and share nothing, so that one that is damaged later leaves the one before.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldguide.hashing import hash_text
from fieldguide.project.atomic import sweep, write_bytes, write_text

__all__ = ["Checkpoint", "Found", "load_checkpoint", "pack", "save_checkpoint", "unpack"]

_KEPT = 2
_BEGINNING = "checkpoint-"


@dataclass(frozen=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        number: rises with each.
        said: what is not a tensor; JSON.
        parts: tensors by name, in parts such as "model" and "best".
    """

    number: int
    said: dict[str, Any]
    parts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Found:
    """What a folder holds: the newest whole checkpoint, or None, and what is wrong with newer ones."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


def pack(tensors: Mapping[str, Any]) -> bytes:
    """Tensors by name as a safetensors file; the same tensors give the same bytes."""
    from safetensors.torch import save

    return bytes(save({name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}))


def unpack(data: bytes) -> dict[str, Any]:
    """The tensors by name of a safetensors file.

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
    """Nothing; the checkpoint is in the folder, durably, and all but the two newest are gone.

    Raises:
        DiskFull: no space; what was there is untouched.
        NoPermission: the folder cannot be written.
    """
    stem = f"{_BEGINNING}{checkpoint.number:08}"
    data = pack({f"{part}/{name}": value for part, held in checkpoint.parts.items() for name, value in held.items()})
    said = {"number": checkpoint.number, "said": checkpoint.said, "parts": sorted(checkpoint.parts)}
    body = json.dumps(said | {"tensors": hashlib.sha256(data).hexdigest()}, sort_keys=True)
    (folder / f"{stem}.json").unlink(missing_ok=True)  # a damaged one of this number, from before a fall back
    write_bytes(folder / f"{stem}.safetensors", data)
    write_text(folder / f"{stem}.json", json.dumps({"sha256": hash_text(body), "body": body}))
    _clear(folder, checkpoint.number)


def load_checkpoint(folder: Path) -> Found:
    """The newest checkpoint that is whole, and a sentence for each newer one that is not.

    What a kill left unfinished is swept away. A folder that is not there holds none.
    """
    if not folder.is_dir():
        return Found(None, ())
    sweep(folder)
    damaged: list[str] = []
    for path in sorted(folder.glob(f"{_BEGINNING}*.json"), reverse=True):
        try:
            return Found(_read(path), tuple(damaged))
        except (OSError, ValueError, KeyError, TypeError) as error:
            damaged.append(f"{path.name} is damaged ({error}); the one before it is used")
    return Found(None, tuple(damaged))


def _read(path: Path) -> Checkpoint:
    """The checkpoint of a JSON file.

    Raises:
        ValueError: it or a part of it is not what was written.
        OSError: a part cannot be read.
        KeyError: something is missing.
        TypeError: something is of another type.
    """
    from safetensors.torch import load

    outer = json.loads(path.read_text(encoding="utf-8"))
    if hash_text(outer["body"]) != outer["sha256"]:
        raise ValueError("it is not what was written")
    body = json.loads(outer["body"])
    data = path.with_suffix(".safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != body["tensors"]:
        raise ValueError("its tensors are not what was written")
    parts: dict[str, dict[str, Any]] = {part: {} for part in body["parts"]}
    for full, value in load(data).items():
        part, _, name = full.partition("/")
        parts[part][name] = value
    return Checkpoint(body["number"], body["said"], parts)


def _clear(folder: Path, number: int) -> None:
    """Nothing; only this checkpoint and the one before it are left; newer ones were damaged."""
    numbers = sorted(int(path.stem.removeprefix(_BEGINNING)) for path in folder.glob(f"{_BEGINNING}????????.json"))
    kept = [one for one in numbers if one <= number][-_KEPT:]
    for path in folder.glob(f"{_BEGINNING}????????.*"):
        if int(path.stem.removeprefix(_BEGINNING)) not in kept:
            path.unlink(missing_ok=True)
