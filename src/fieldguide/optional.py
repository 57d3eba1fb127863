"""Optional libraries: imported where they are used, with an error that says how to install them.

Knows nothing about what they do.
"""

import importlib
from typing import Any

from fieldguide.errors import MissingExtra


def require(module: str, *, extra: str) -> Any:
    """Import an optional library and return it.

    Args:
        module: what to import, such as "torch" or "pyarrow.parquet".
        extra: the extra of this package that installs it.

    Raises:
        MissingExtra: it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        message = f"{missing} is not installed" if missing else f"{module} cannot be imported: {error}"
        raise MissingExtra(message, f"pip install 'fieldguide[{extra}]'") from error
