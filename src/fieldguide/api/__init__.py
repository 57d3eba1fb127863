"""The Python API: a project with a method for each command, and what needs a guide's folder alone.

The methods take the words of the command line and return the report that `--json` prints.
"""

from fieldguide.api.guides import deploy, evaluate, predict, serve
from fieldguide.api.project import Project, demo, new, open_project
from fieldguide.guide import Guide, open_guide

__all__ = ["Guide", "Project", "demo", "deploy", "evaluate", "new", "open_guide", "open_project", "predict", "serve"]
