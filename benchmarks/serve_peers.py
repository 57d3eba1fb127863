"""The peers of `serve`: the same guide behind other servers, each as its documentation shows it.

`python benchmarks/serve_peers.py WAY GUIDE PORT`; `bench_serve` measures them. Ways that end in `same` decode and fit
a picture with Fieldguide's own preprocessing, in a process for each core with one thread, as Fieldguide does; the
others are as the first page of each documentation has it: one process, and the threads left to the runtime; the
picture is decoded with Pillow, whole.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fieldguide.engine import core_count
from fieldguide.guide import open_guide
from fieldguide.learners.weights import declare_torchvision_operators

WAYS = ("eager", "onnx", "onnx same", "litserve", "litserve same", "bentoml", "bentoml same")
PACKAGES = {"eager": "timm", "onnx": "onnxruntime", "litserve": "litserve", "bentoml": "bentoml"}
Answers = dict[str, float]


def is_here(way: str) -> bool:
    """Tell whether a way's package is installed."""
    return find_spec(PACKAGES[way.split()[0]]) is not None


def count_workers(way: str) -> int:
    """Return in how many processes a way classifies."""
    return core_count() if way.endswith("same") else 1


def make_model(way: str, folder: Path) -> Callable[[bytes], Answers]:
    """Return what gives the probabilities of a picture's bytes."""
    same = way.endswith("same")
    guide = open_guide(folder, threads=1 if same else 0)
    size = guide.preprocessing.size

    def read_plainly(data: bytes) -> NDArray[np.uint8]:
        image = Image.open(io.BytesIO(data)).convert("RGB")
        return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))

    if way == "eager":
        return make_eager(guide.class_names, read_plainly)

    def classify(data: bytes) -> Answers:
        square = guide.load(data) if same else read_plainly(data)
        (probs,) = guide.session.run(["probs"], {"image": square[None]})
        return dict(zip(guide.class_names, probs[0].tolist(), strict=True))

    return classify


def make_eager(names: tuple[str, ...], read: Callable[[bytes], NDArray[np.uint8]]) -> Callable[[bytes], Answers]:
    """Return what runs timm's model of the same backbone, with a head that has learnt nothing: it costs the same."""
    declare_torchvision_operators()
    import timm
    import torch

    model = timm.create_model("efficientnet_lite0", pretrained=False, num_classes=len(names)).eval()

    def classify(data: bytes) -> Answers:
        pixels = torch.from_numpy(read(data).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        with torch.no_grad():
            probs = torch.softmax(model(pixels), 1)[0].tolist()
        return dict(zip(names, probs, strict=True))

    return classify


def serve_fastapi(way: str, folder: Path, port: int) -> None:
    """Serve with FastAPI and uvicorn: a form's file, a plain function."""
    import uvicorn

    workers = count_workers(way)
    os.environ.update(PEER_WAY=way, PEER_GUIDE=str(folder))
    sys.path.insert(0, str(Path(__file__).parent))
    uvicorn.run("serve_peers:make_fastapi", factory=True, port=port, workers=workers, log_level="warning")


def make_fastapi() -> Any:
    """Return the application, for a process of uvicorn."""
    from fastapi import FastAPI, File, UploadFile

    app, classify = FastAPI(), make_model(os.environ["PEER_WAY"], Path(os.environ["PEER_GUIDE"]))

    @app.post("/predict")
    def predict(file: UploadFile = File()) -> Answers:  # noqa: B008 - FastAPI's own way
        return classify(file.file.read())

    return app


LITSERVE = """import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import litserve
from serve_peers import make_model

class Peer(litserve.LitAPI):
    def setup(self, device):
        self.classify = make_model({way!r}, Path({folder!r}))

    def decode_request(self, request):
        return request["file"].file.read()

    def predict(self, data):
        return self.classify(data)

    def encode_response(self, output):
        return output

if __name__ == "__main__":
    server = litserve.LitServer(Peer(api_path="/predict"), accelerator="cpu", workers_per_device={workers})
    server.run(host="127.0.0.1", port={port}, generate_client_file=False, log_level="warning")
"""

BENTO = """import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import bentoml
from serve_peers import make_model

@bentoml.service(workers={workers}, traffic={{"timeout": 60}})
class Peer:
    def __init__(self):
        self.classify = make_model({way!r}, Path({folder!r}))

    @bentoml.api
    def predict(self, file: Path) -> dict:
        return self.classify(file.read_bytes())
"""


def write_service(text: str, way: str, folder: Path, port: int) -> Path:
    """Write a server's own program to a folder of its own, and return the file."""
    file = Path(tempfile.mkdtemp(dir=os.environ["PEER_FOLDER"])) / "service.py"
    values = {"here": str(Path(__file__).parent), "workers": count_workers(way), "way": way, "folder": str(folder)}
    file.write_text(text.format(**values, port=port), encoding="utf-8")
    return file


def serve_litserve(way: str, folder: Path, port: int) -> None:
    """Serve with LitServe."""
    os.execv(sys.executable, [sys.executable, str(write_service(LITSERVE, way, folder, port))])


def serve_bentoml(way: str, folder: Path, port: int) -> None:
    """Serve with BentoML."""
    base = write_service(BENTO, way, folder, port).parent
    os.environ.update(BENTOML_HOME=str(base), BENTOML_DO_NOT_TRACK="True")
    os.chdir(base)
    words = ["-m", "bentoml", "serve", "service:Peer", "--host", "127.0.0.1", "--port", str(port)]
    os.execv(sys.executable, [sys.executable, *words])


SERVERS = {"eager": serve_fastapi, "onnx": serve_fastapi, "litserve": serve_litserve, "bentoml": serve_bentoml}


def main() -> None:
    way, folder, port = sys.argv[1], Path(sys.argv[2]).resolve(), int(sys.argv[3])
    if not is_here(way):
        print(json.dumps({"absent": PACKAGES[way.split()[0]]}))
        return
    SERVERS[way.split()[0]](way, folder, port)


if __name__ == "__main__":
    main()
