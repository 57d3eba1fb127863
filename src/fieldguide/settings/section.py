"""What every table of fieldguide.toml is made from.

Knows nothing about any of them.
"""

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Section"]


class Section(BaseModel):
    """A table of fieldguide.toml: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth(cls, value: object) -> object:
        """The value; `true` is no number, though Python takes it for 1."""
        if isinstance(value, bool):
            raise ValueError("must not be true or false")
        return value
