"""Models made ready: they answer on the processor, with as many threads as are asked for."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="making models needs the extra [train]")

from fieldguide.guide import open_session  # noqa: E402


def model() -> bytes:
    """Return a model that adds a constant."""
    make, kinds = onnx.helper, onnx.TensorProto
    more = onnx.numpy_helper.from_array(np.arange(8, dtype=np.float32), "more")
    ends = [make.make_tensor_value_info(name, kinds.FLOAT, ["n", 8]) for name in ("x", "y")]
    graph = make.make_graph([make.make_node("Add", ["x", "more"], ["y"])], "g", ends[:1], ends[1:], [more])
    proto = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_it_answers(threads: int) -> None:
    session = open_session(model(), threads)
    assert session.get_session_options().intra_op_num_threads == threads
    spinning = session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning")
    assert spinning == "0"  # a thread that waits leaves its core to others
    assert session.get_providers() == ["CPUExecutionProvider"]
    (output,) = session.run(None, {"x": np.ones((3, 8), np.float32)})
    assert np.array_equal(output, np.ones((3, 1)) + np.arange(8))


def test_onnxruntime_reports_to_nobody_and_leaves_nothing_at_home(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_", "CI"))}
    code = "import fieldguide, onnxruntime; onnxruntime.SessionOptions()"
    subprocess.run([sys.executable, "-c", code], env=environment | {"HOME": str(tmp_path)}, check=True)
    assert not list(tmp_path.rglob("*"))
