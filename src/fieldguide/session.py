"""A model made ready to answer: onnxruntime on the processor.

Knows nothing about what goes in or comes out.
"""

from typing import Any

__all__ = ["open_session"]


def open_session(model: bytes, threads: int) -> Any:
    """An `onnxruntime.InferenceSession` of the bytes of an ONNX file.

    Models from outside are looked at first, by `modelscan`: one can name other files, which would be read.

    Args:
        model: the file.
        threads: of the processor; 0 leaves it to onnxruntime.

    Raises:
        Exception: onnxruntime does not take the model, in one of its own classes, which have no base in common.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
