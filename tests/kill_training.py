"""Trains in a child to the end, then in children that are killed again and again: for tests/test_checkpoint.py.

`python kill_training.py FOLDER KILLS SEED CHECKPOINT_S` writes there how many were killed, and in whole/ and in killed/
what came of it: state.safetensors, said.json, notes, checkpoints/ and events/.
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
import torch.utils.tensorboard

from fieldguide.learners.checkpoint import pack
from fieldguide.learners.loop import Callbacks, train_network
from fieldguide.learners.tracking import TensorBoardWriter
from fieldguide.learners.weights import import_timm
from learning import QUICK, change, coloured, tiny_network


def train(folder: Path, checkpoint_s: float) -> None:
    """Run the training to its end."""
    examples = coloured(48)
    stored = examples.squares
    assert not callable(stored)

    def slowly(index: int) -> Any:
        time.sleep(0.004)
        return stored[index]

    settings = change(
        QUICK, epochs=10, augment="strong", ema=0.9, accumulate=2, batch_size=4, checkpoint_s=max(checkpoint_s, 1e-9)
    )
    slow = replace(examples, squares=slowly)
    with TensorBoardWriter(folder / "events") as board:
        callbacks = Callbacks(on_epoch=board.add_epoch, clock=time.monotonic)
        trained = train_network(tiny_network(), slow, settings, folder / "checkpoints", callbacks)
    (folder / "state.safetensors").write_bytes(pack(trained.state))
    rows = [asdict(row) | {"seconds": 0, "images_per_s": 0} for row in trained.history]
    (folder / "notes").write_text("\n".join(trained.notes))
    (folder / "said.json").write_text(json.dumps([rows, trained.best_epoch, trained.stopped]))


def start(folder: Path, checkpoint_s: float) -> int:
    """Start a child that trains, and return its id; importing torch anew would take most of the test."""
    child = os.fork()
    if child == 0:
        train(folder, checkpoint_s)
        os._exit(0)
    return child


def main() -> None:
    folder, kills, checkpoint_s = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[4])
    dice = random.Random(int(sys.argv[3]))
    torch.set_num_threads(1)
    for module in ("timm.optim", "timm.scheduler", "timm.utils"):
        import_timm(module)
    whole, killed = folder / "whole", folder / "killed"
    for path in (whole, killed):
        path.mkdir()
    begun = time.monotonic()
    assert os.waitpid(start(whole, checkpoint_s), 0)[1] == 0
    took = time.monotonic() - begun
    # as shares of the whole: long enough to go on, too short for all of them to end it, however fast the machine is
    least, most = (0.02, 0.1) if checkpoint_s == 0 else (0.02, 0.15)
    count = 0
    while True:
        child = start(killed, checkpoint_s)
        if count < kills:
            time.sleep(took * dice.uniform(least, most))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            count += 1
            continue
        assert status == 0, status
        (folder / "kills").write_text(str(count))
        return


if __name__ == "__main__":
    main()
