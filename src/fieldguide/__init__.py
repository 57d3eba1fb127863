"""Fieldguide turns a list of names into an image classifier that a person can trust and publish.

Each stage is one function of the same name in a module of the same name: `fieldguide.stages.train.train` and so on.
`fieldguide.stages.build` is the whole walk, and the file to read first.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
