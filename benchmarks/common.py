"""What the benchmarks share: the machine in words, the real pictures, the public commands."""

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe_machine", "family", "fieldguide", "resident", "shared_data"]


def describe_machine() -> str:
    """Processor, cores, memory and the versions that matter."""
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
    """The folder of a set of real pictures beside the checkout.

    Raises:
        SystemExit: it is not there; the benchmark is skipped.
    """
    base = os.environ.get("FIELDGUIDE_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    folder = Path(base) / "data" / name
    if not folder.is_dir():
        print(f"skipped: there is no {folder}; set FIELDGUIDE_SHARED")
        raise SystemExit(0)
    return folder


def fieldguide(*arguments: object) -> str:
    """What a command prints.

    Raises:
        subprocess.CalledProcessError: it failed; its messages are on the error stream.
    """
    command = [sys.executable, "-m", "fieldguide", *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def family(pid: int) -> list[int]:
    """A process and those it started, and so on."""
    try:
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(one for said in lists for child in said.split() for one in family(int(child)))]


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
