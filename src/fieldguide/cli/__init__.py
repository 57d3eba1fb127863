"""The command line: parse, call, show. The only place that prints, and that turns errors into exit codes."""

from fieldguide.cli.edge import main

__all__ = ["main"]
