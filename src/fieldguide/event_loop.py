"""Work that starts an event loop, also where one is running already, as in a notebook."""

import asyncio
import ctypes
import threading
from collections.abc import Callable
from typing import Any


def run_beside_loop(work: Callable[[], Any]) -> Any:
    """Run work that starts an event loop: in a thread of its own where one is running already, as in a notebook.

    Raises:
        BaseException: what the work raises.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)
        finally:
            ended.set()

    ended = threading.Event()  # an interrupted Thread.join takes the thread for ended (Python 3.11)
    thread = threading.Thread(target=run, name="fieldguide")
    thread.start()
    try:
        ended.wait()
    except KeyboardInterrupt:  # the notebook's stop button is for the work, not for who waits
        worker, error = ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(worker, error)
        ended.wait()
    if errors:
        raise errors[0]
    return results[0]
