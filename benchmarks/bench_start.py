"""How long it takes to import the package and to show the help, seconds; the best of ten fresh processes.

The peer is a bare Python that starts and ends.
"""

import subprocess
import sys
import time

from common import describe_machine

WAYS = {
    "python -c pass": ["-c", "pass"],
    "import fieldguide": ["-c", "import fieldguide"],
    "fieldguide --help": ["-m", "fieldguide", "--help"],
}


def main() -> None:
    print(describe_machine())
    for name, arguments in WAYS.items():
        seconds = []
        for _ in range(10):
            begun = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - begun)
        print(f"{name:<20} {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
