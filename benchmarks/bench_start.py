"""How long it takes to import the package and to show the help, seconds; the best of ten fresh processes.

The peer is a bare Python that starts and ends.
"""

import subprocess
import sys
import time

from common import describe_machine, make_parser, parse_options

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import fieldguide": ["-c", "import fieldguide"],
    "fieldguide --help": ["-m", "fieldguide", "--help"],
}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--processes", type=int, default=10, metavar="N", help="of each; the best is shown")
    options = parse_options(parser, processes=2)
    print(describe_machine())
    print(f"{'process':<20} best of {options.processes}")
    for name, arguments in COMMANDS.items():
        seconds = []
        for _ in range(options.processes):
            start = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(f"{name:<20} {min(seconds):.3f} s")


if __name__ == "__main__":
    main()
