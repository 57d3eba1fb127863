"""The stage that writes a folder to put a guide online with: for a container, a platform, or as a static site.

The folder needs nothing else: the guide, Fieldguide itself as a wheel, what it needs at exact versions, and the files
of the platform. It appears whole, by a rename. Nothing is sent anywhere. Knows nothing about projects.
"""

import json
import re
import shutil
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from fieldguide.errors import InputUnusable, ProjectExists
from fieldguide.guide import Guide, open_guide
from fieldguide.guide.check import check_manifest
from fieldguide.hashing import hash_bytes, hash_file
from fieldguide.progress import Progress
from fieldguide.project.atomic import replace_folder
from fieldguide.records import DeployReport
from fieldguide.settings import SCHEMA_VERSION, ServeSettings
from fieldguide.stages.deploy.package import build_wheel, pin_requirements
from fieldguide.stages.deploy.targets import TARGETS, Deployment

RECORD_FILE = "deploy.json"
# what the platforms' own programs put into the folder, or a person who keeps its history; it stays
_NOT_OURS = (".git", ".gitignore", ".elasticbeanstalk", ".netlify")
# what is set for this computer, and not for where the guide goes: there the command line says it, or nothing is kept
_LOCAL_SETTINGS = ("ui", "host", "port", "allowed_hosts", "insecure", "root_path", "workers", "log",
                   "feedback", "feedback_folder", "feedback_max_bytes")  # fmt: skip
_ANOTHER = "move it away, or choose another folder: --out DIR"
Files = Mapping[str, bytes | Path]


@dataclass(frozen=True)
class Target:
    """What to write.

    Attributes:
        to: the platform.
        out: the folder to make.
        insecure: whether anybody may use it, without an API key.
        site: the folder of the web form, for a static site.
    """

    to: str
    out: Path
    insecure: bool = False
    site: Path | None = None


def deploy(guide_folder: Path, settings: ServeSettings, *, target: Target, progress: Progress) -> DeployReport:
    """Write a folder that puts a guide online; report what is in it and the commands to run.

    Raises:
        InputMissing: there is no guide in the folder.
        InputUnusable: there is no such platform, or the folder to write is a file or inside the guide.
        GuideDamaged: the guide was altered.
        ProjectExists: the folder holds something that no deployment wrote, or that was changed since.
        MissingExtra: this Fieldguide was installed without its pages.
    """
    if target.to not in TARGETS:
        raise InputUnusable(f"{target.to!r} is no platform", f"choose one of: {', '.join(TARGETS)}")
    if target.out.resolve().is_relative_to(guide_folder.resolve()):
        raise InputUnusable(f"{target.out} is inside the guide", "choose another folder: --out DIR")
    before = _check_replaceable(target.out)
    progress.start(f"writing {target.to}", None)
    guide = open_guide(guide_folder, threads=1)
    wheel, content = build_wheel()
    what = _describe(guide, wheel, target.insecure)
    plan = TARGETS[target.to](what)
    files: dict[str, bytes | Path] = {name: text.encode() for name, text in plan.files.items()}
    if target.to == "static":
        files |= _site_files(target)
    else:
        if plan.frame_origins:
            settings = settings.model_copy(update={"frame_origins": plan.frame_origins})
        files |= _server_files(guide, settings, {wheel: content})
    hashes = {name: _hash(file) for name, file in sorted(files.items())}
    report = DeployReport(
        to=target.to, folder=str(target.out), files=len(files), bytes=sum(map(_size, files.values())),
        commands=plan.commands, insecure=target.insecure and target.to != "static", written=hashes != before,
    )  # fmt: skip
    if report.written:
        record = {"to": target.to, "fieldguide": what.version, "hashes": hashes}
        _write(target.out, {**files, RECORD_FILE: f"{json.dumps(record, indent=1)}\n".encode()})
    return report


def _describe(guide: Guide, wheel: str, insecure: bool) -> Deployment:
    """Return what is known of the deployment."""
    name, about = str(guide.about["name"]), str(guide.about["about"])
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name)[:30].strip("-") or "guide"
    slug = slug if slug[0].isalpha() else f"guide-{slug}"[:30].strip("-")
    version = wheel.split("-")[1]
    return Deployment(name, about, slug, wheel, version, insecure, guide.limits.max_bytes)


def _site_files(target: Target) -> Files:
    """Return the files of the web form.

    Raises:
        InputUnusable: there is none.
    """
    if target.site is None:
        message = "a static site is made of a project's web form, which is proved there"
        raise InputUnusable(message, "give the project instead of the guide: -C DIR")
    paths = [path for path in target.site.rglob("*") if path.is_file() and path != target.site / "export.json"]
    return {f"site/{path.relative_to(target.site).as_posix()}": path for path in paths}


def _server_files(guide: Guide, settings: ServeSettings, wheel: Mapping[str, bytes]) -> Files:
    """Return what serves the guide: the guide, Fieldguide, its settings, and what it needs."""
    listed, _ = check_manifest(guide.folder)
    paths = {name: guide.folder / name for name in (*listed, "MANIFEST")}
    requirements = [*(f"./{name}" for name in wheel), *pin_requirements()]
    return {
        **wheel,
        **{f"guide/{name}": path for name, path in paths.items() if path.is_file()},  # a document may have gone
        "fieldguide.toml": _write_settings(str(guide.about["name"]), settings).encode(),
        "requirements.txt": "".join(f"{line}\n" for line in requirements).encode(),
    }


def _write_settings(name: str, settings: ServeSettings) -> str:
    """Return the `fieldguide.toml` of a deployment: what the project has set of [serve]."""
    text = tomlkit.document()
    text.add(
        tomlkit.comment("What the deployed server is told; docs/serve.md of Fieldguide lists all keys of [serve].")
    )
    text.add("schema_version", tomlkit.item(SCHEMA_VERSION))
    text.add("name", tomlkit.item(name))
    table = tomlkit.table()
    for key, value in settings.model_dump(mode="json", exclude_defaults=True).items():
        if key not in _LOCAL_SETTINGS:
            table.add(key, value)
    text.add("serve", table)
    return f"{tomlkit.dumps(text).rstrip()}\n"


# The folder


def _check_replaceable(out: Path) -> dict[str, str]:
    """Return the hashes of what an earlier deployment wrote and is still there; {} where the folder is new or empty.

    Raises:
        ProjectExists: it holds something that no deployment wrote, or that was changed since.
        InputUnusable: there is a file of that name.
    """
    if out.exists() and not out.is_dir():
        raise InputUnusable(f"{out} is a file", "choose another folder: --out DIR")
    if not out.exists() or not any(out.iterdir()):
        return {}
    try:
        hashes = {
            str(name): str(value) for name, value in json.loads((out / RECORD_FILE).read_bytes())["hashes"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ProjectExists(f"{out} holds files that no deployment wrote", _ANOTHER) from None
    there = {}
    for path in sorted(path for path in out.rglob("*") if path.is_symlink() or not path.is_dir()):
        name = path.relative_to(out).as_posix()
        if name == RECORD_FILE or name.split("/")[0] in _NOT_OURS:
            continue
        if name not in hashes:
            raise ProjectExists(f"{path} is not of the deployment in that folder", _ANOTHER)
        if path.is_symlink() or hash_file(path) != hashes[name]:
            raise ProjectExists(f"{path} was changed since the deployment was written", _ANOTHER)
        there[name] = hashes[name]
    return there


def _write(out: Path, files: Files) -> None:
    """Write the folder, whole or not at all, readable for whoever the server runs as there."""
    with replace_folder(out) as fresh:
        for name, file in files.items():
            path = fresh / name
            for folder in reversed(path.relative_to(fresh).parents):
                (fresh / folder).mkdir(exist_ok=True)
                (fresh / folder).chmod(0o755)
            if isinstance(file, Path):
                shutil.copyfile(file, path)
            else:
                path.write_bytes(file)
            path.chmod(0o644)
        for name in _NOT_OURS:
            if (out / name).is_dir():
                shutil.copytree(out / name, fresh / name, symlinks=True)
            elif (out / name).exists():
                shutil.copy2(out / name, fresh / name)


def _hash(file: bytes | Path) -> str:
    return hash_file(file) if isinstance(file, Path) else hash_bytes(file)


def _size(file: bytes | Path) -> int:
    return file.stat().st_size if isinstance(file, Path) else len(file)
