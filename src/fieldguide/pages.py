"""Pages made from templates. Everything that comes from outside is escaped; a page needs no network.

Knows nothing about how the numbers were found.
"""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["render"]


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text of a template of the package with these values in it; escaped when its name ends in .html.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    loader = PackageLoader("fieldguide", "templates")
    # a model card is Markdown, which Hugging Face and others show as HTML: it is escaped as well
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template(template).render(values)
