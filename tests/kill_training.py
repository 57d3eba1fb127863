"""Trains in a child, kills it again and again, and writes what came of it: for tests/test_checkpoint.py.

`python kill_training.py FOLDER KILLS SEED CHECKPOINT_S` writes state.safetensors, said.json, notes and kills there.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # optimisers import it when they are first used

from fieldguide.learners.checkpoint import pack
from fieldguide.learners.loop import Keeping, train_network
from learning import QUICK, coloured, tiny_network


def train(folder: Path, checkpoint_s: float) -> None:
    """Nothing; the training has gone on to its end."""
    examples = coloured(48)
    stored = examples.squares
    assert not callable(stored)

    def slowly(index: int) -> Any:
        time.sleep(0.006)
        return stored[index]

    settings = replace(
        QUICK, epochs=10, augment="strong", ema=0.9, accumulate=2, batch_size=4, checkpoint_s=checkpoint_s
    )
    slow = replace(examples, squares=slowly)
    trained = train_network(tiny_network(), slow, settings, Keeping(folder / "checkpoints", clock=time.monotonic))
    (folder / "state.safetensors").write_bytes(pack(trained.state))
    rows = [asdict(row) | {"seconds": 0, "images_per_s": 0} for row in trained.history]
    (folder / "notes").write_text("\n".join(trained.notes))
    (folder / "said.json").write_text(json.dumps([rows, trained.best_epoch, trained.stopped]))


def main() -> None:
    folder, kills, checkpoint_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[4])
    dice = random.Random(int(sys.argv[3]))
    torch.set_num_threads(1)
    killed = 0
    while True:
        child = os.fork()  # importing torch anew each time would take most of the test
        if child == 0:
            train(folder, checkpoint_s)
            os._exit(0)
        if killed < kills:
            time.sleep(dice.uniform(0.05, 0.7))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        assert status == 0, status
        (folder / "kills").write_text(str(killed))
        return


if __name__ == "__main__":
    main()
