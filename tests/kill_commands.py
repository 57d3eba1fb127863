"""Runs a command to its end, then anew in children that are killed again and again: for tests/test_running.py.

`python kill_commands.py BASE FOLDER KILLS SEED CHILDREN ARGUMENT...` copies the project BASE to FOLDER/calm and to
FOLDER/killed-1, -2 and so on: each copy is killed until a child comes to the end before its killer. So many children
work at once. It writes the number of kills to FOLDER/kills, and what the children said to FOLDER/log.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import matplotlib.figure  # noqa: F401  (children are forked: they import nothing anew)
import onnxruntime  # noqa: F401
import sklearn.ensemble
import sklearn.linear_model  # noqa: F401
import torch
import torch._dynamo  # optimisers import it when they are first used
import torch.utils.tensorboard

from fieldguide.cli import main as run_command

MOST_ROUNDS = 40


def start(project: Path, log: Path, arguments: list[str]) -> int:
    """Start a child that runs the command, as a person would; return its process id."""
    child = os.fork()
    if child:
        return child
    code = 1
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        run_command([*arguments, "-C", str(project)])
    except SystemExit as error:
        code = int(error.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, log: Path) -> bool:
    """Wait for the child, and tell whether it came to its end; else it was killed."""
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0, log.read_text()
    return not os.WIFSIGNALED(status)


def kill_until_done(project: Path, log: Path, arguments: list[str], took: float, limits: tuple[int, int],
                    dice: random.Random) -> int:  # fmt: skip
    """Return how many children were killed before the end; `limits`: kills at most, and children."""
    kills, count = limits
    children, killed = [start(project, log, arguments) for _ in range(count)], 0
    while killed < kills:
        time.sleep(took * dice.uniform(0.02, 0.2 + 0.06 * killed))  # ever longer: a step that is short of time ends too
        victim = children.pop(dice.randrange(len(children)))
        os.kill(victim, signal.SIGKILL)
        if wait(victim, log):
            break
        killed += 1
        children.append(start(project, log, arguments))
    for child in children:
        wait(child, log)
    assert wait(start(project, log, arguments), log)  # what was begun by those that were killed last
    return killed


def main() -> None:
    base, folder = Path(sys.argv[1]), Path(sys.argv[2])
    kills, seed, count = (int(argument) for argument in sys.argv[3:6])
    arguments, dice, log = sys.argv[6:], random.Random(seed), folder / "log"
    torch.set_num_threads(1)
    shutil.copytree(base, folder / "calm")
    begun = time.monotonic()
    assert wait(start(folder / "calm", log, arguments), log)
    took = time.monotonic() - begun
    killed, rounds = 0, 0
    while killed < kills:
        rounds += 1
        assert rounds <= MOST_ROUNDS, "the children are quicker than their killer"
        project = folder / f"killed-{rounds}"
        shutil.copytree(base, project)
        killed += kill_until_done(project, log, arguments, took, (kills - killed, count), dice)
    (folder / "kills").write_text(str(killed))


if __name__ == "__main__":
    main()
