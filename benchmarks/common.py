"""What the benchmarks share: their options, the machine in words, the real pictures, the public commands, memory."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

SMALL_CLASSES, SMALL_PER_CLASS = 3, 8


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a benchmark's docstring and knows the option `--small`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--small", action="store_true", help="a handful of pictures, to see that it runs; the figures mean nothing"
    )
    return parser


def parse_options(parser: argparse.ArgumentParser, **small: object) -> argparse.Namespace:
    """Parse the command line; `small` are the defaults that hold with `--small`."""
    options = parser.parse_args()
    if options.small:
        parser.set_defaults(**small)
        options = parser.parse_args()
    return options


def describe_machine() -> str:
    """Return the processor, cores, memory and the versions that matter, in a line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    flags = next((line for line in lines if line.startswith("flags")), "")
    native = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags.split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "openvino", "torch", "Pillow", "numpy"))
    return (
        f"{model} ({' '.join(native)}), {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, "
        f"load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}, {packages}"
    )


def shared_data(name: str) -> Path:
    """Return the folder of a set of real pictures beside the checkout.

    Raises:
        SystemExit: it is not there; the benchmark is skipped.
    """
    base = os.environ.get("FIELDGUIDE_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    folder = Path(base) / "data" / name
    if not folder.is_dir():
        print(f"skipped: there is no {folder}; set FIELDGUIDE_SHARED")
        raise SystemExit(0)
    return folder


def set_folder(name: str, small: bool, base: Path) -> Path:
    """Return the folder of a set of real pictures; if `small`, that of a copy below `base` of its first pictures."""
    folder = shared_data(name)
    if not small:
        return folder
    copy = base / f"small-{name}"
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir())[:SMALL_CLASSES]:
        (copy / class_folder.name).mkdir(parents=True)
        for path in sorted(class_folder.iterdir())[:SMALL_PER_CLASS]:
            shutil.copyfile(path, copy / class_folder.name / path.name)
    return copy


def fieldguide(*arguments: object) -> str:
    """Run a command and return what it prints.

    Raises:
        subprocess.CalledProcessError: it failed; its messages are on the error stream.
    """
    command = [sys.executable, "-m", "fieldguide", *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def process_tree(pid: int) -> list[int]:
    """Return a process, those it started, those that these started, and so on."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    children = [int(child) for text in lists for child in text.split()]
    return [pid, *(descendant for child in children for descendant in process_tree(child))]


def peak_bytes() -> int:
    """Return the most bytes of memory that this process has held; getrusage counts its parent's before it began."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def resident_bytes(pid: int) -> int:
    """Return the bytes of memory that a process and its descendants hold; those that are gone hold none."""
    total = 0
    for member in process_tree(pid):
        try:
            pages = int(Path(f"/proc/{member}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total
