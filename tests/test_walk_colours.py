"""The walk through the recipe `colours`: painted pictures and a table of colour features, to a guide that is served."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import environment

WALK = Path(__file__).resolve().parents[1] / "examples" / "walks" / "colours.py"


@pytest.mark.slow
@pytest.mark.browser
def test_it_goes_through_all_commands(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="training needs the extra [train]")
    from fieldguide.images.colour_features import FEATURE_NAMES, colour_features
    from fieldguide.sources.painted import paint

    pictures, rows = tmp_path / "pictures", []
    for name in ("blue", "red", "yellow"):
        (pictures / name).mkdir(parents=True)
        for seed in range(4):
            path = pictures / name / f"{seed}.jpg"
            path.write_bytes(paint(name, 2_000_000 + seed))
            square = np.asarray(Image.open(path).convert("RGB").resize((64, 64)))
            rows.append([name, *colour_features(square[None])[0].tolist()])
    with (pictures / "vectors.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["colour", *FEATURE_NAMES], *rows])
    command = [sys.executable, str(WALK), str(pictures), str(tmp_path / "walk"), "--short"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "fieldguide add" in done.stdout and "served: {" in done.stdout
    scored = re.search(r"on 12 pictures from elsewhere: ([\d.]+)%", done.stdout)
    assert scored and float(scored[1]) > 60
