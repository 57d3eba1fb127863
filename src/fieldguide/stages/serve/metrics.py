"""What a server counts, as Prometheus reads it: its text format 0.0.4. Labels never come from a request.

The format is a few lines, and a client library would be one more thing to install on every small machine.
"""

import resource
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Count:
    """A number for each set of labels: one that only grows, or, as a gauge, one that is set."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...] = (), kind: str = "counter") -> None:
        self._head = f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
        self._name, self._labels = name, labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, *values: str, by: float = 1) -> None:
        """Count one more, or so many more, with these values of the labels."""
        self._values[values] = self._values.get(values, 0) + by

    def set(self, value: float, *values: str) -> None:
        """Set the number; without labels it is the only one."""
        self._values[values] = value

    def clear(self) -> None:
        """Forget all sets of labels."""
        self._values.clear()

    def write(self) -> Iterator[str]:
        """Yield the lines."""
        yield self._head
        for values, number in sorted(self._values.items()):
            yield f"{self._name}{_labelled(zip(self._labels, values, strict=True))} {number}\n"


class Histogram:
    """How often something took how many seconds."""

    def __init__(self, name: str, text: str) -> None:
        self._head = f"# HELP {name} {text}\n# TYPE {name} histogram\n"
        self._name = name
        self._counts = [0] * (len(_BUCKETS_S) + 1)
        self._sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one that took so long."""
        self._counts[bisect_left(_BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def write(self) -> Iterator[str]:
        """Yield the lines."""
        yield self._head
        total = 0
        for bound, count in zip([*map(str, _BUCKETS_S), "+Inf"], self._counts, strict=True):
            total += count
            yield f'{self._name}_bucket{{le="{bound}"}} {total}\n'
        yield f"{self._name}_sum {self._sum_s:.6f}\n{self._name}_count {total}\n"


class Metrics:
    """All that a server counts."""

    def __init__(self) -> None:
        self.requests = Count("fieldguide_requests_total", "Requests answered.", ("route", "status"))
        self.request_s = Histogram("fieldguide_request_seconds", "From a request's head to the end of its answer.")
        self.in_flight = Count("fieldguide_requests_in_flight", "Requests that are being answered.", kind="gauge")
        self.pictures = Count("fieldguide_pictures_total", "Pictures, by what came of them.", ("outcome",))
        self.waiting = Count("fieldguide_pictures_waiting", "Pictures that wait or are classified.", kind="gauge")
        self.rejected = Count("fieldguide_rejected_total", "Requests that were turned away.", ("reason",))
        self.queue_s = Histogram("fieldguide_queue_seconds", "Waiting until a picture is looked at.")
        self.decode_s = Histogram("fieldguide_decode_seconds", "Decoding a picture and fitting it to the model.")
        self.model_s = Histogram("fieldguide_model_seconds", "The model's own time for a picture.")
        self.restarts = Count("fieldguide_worker_restarts_total", "Processes that a picture or the system ended.")
        self.reloads = Count("fieldguide_reloads_total", "Guides loaded in place of another.", ("outcome",))
        self._model = Count("fieldguide_model_info", "The model that answers.", ("name", "version", "sha256"), "gauge")
        self._started_s = time.time()

    def show_model(self, model: Mapping[str, str]) -> None:
        """Show which model answers from now on."""
        self._model.clear()
        self._model.set(1, model["name"], model["version"], model["sha256"])

    def write(self) -> str:
        """Return everything as text."""
        own = [each for each in vars(self).values() if isinstance(each, Count | Histogram)]
        return "".join(line for each in [*own, *_count_process(self._started_s)] for line in each.write())


def _count_process(started_s: float) -> Iterator[Count]:
    """Yield what this process has used, under the names that Prometheus' own libraries give it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    values = {
        "process_cpu_seconds_total": (
            "Processor time of the server, without its workers.", used.ru_utime + used.ru_stime,
        ),
        "process_start_time_seconds": ("When the server started.", started_s),
        "process_max_resident_memory_bytes": (
            "Most memory that the server has held, without its workers.",
            used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        ),
    }  # fmt: skip
    descriptors = Path("/proc/self/fd")
    if descriptors.is_dir():
        values["process_open_fds"] = ("Open files and connections.", len([*descriptors.iterdir()]))
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        values["process_resident_memory_bytes"] = ("Memory of the server.", pages * resource.getpagesize())
    for name, (text, value) in values.items():
        count = Count(name, text, kind="counter" if name.endswith("_total") else "gauge")
        count.set(value)
        yield count


def _labelled(pairs: Iterator[tuple[str, str]]) -> str:
    """Return labels in braces, "" where there are none."""
    shown = ",".join(f'{name}="{_escape(value)}"' for name, value in pairs)
    return f"{{{shown}}}" if shown else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
