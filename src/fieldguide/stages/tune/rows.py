"""What is known of a trial, read from what Optuna keeps.

Knows nothing about where it is kept or how a trial is run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fieldguide.stages.tune.space import Value

__all__ = ["DEATHS", "REASON", "SECONDS", "State", "TrialRow", "best_row", "read_row"]

State = Literal["running", "complete", "pruned", "failed"]
_OURS = "fieldguide:"
DEATHS, REASON, SECONDS = f"{_OURS}deaths", f"{_OURS}reason", f"{_OURS}seconds"
_STATES: Mapping[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: from 0, in the order in which they began.
        params: settings below [train] by name, as chosen.
        value: what came of it, higher is better; None while it runs and where it failed. Of a pruned trial, the last
            step's.
        steps: step to the value reported there.
        seconds: worked on it, as far as is known: a kill takes what was worked since the last step.
        reason: why it failed, or "".
        attrs: what the objective noted.
    """

    number: int
    state: State
    params: Mapping[str, Value]
    value: float | None
    steps: Mapping[int, float]
    seconds: float
    reason: str
    attrs: Mapping[str, Any]


def read_row(trial: Any) -> TrialRow:
    """Optuna's frozen trial as a row."""
    attrs = {name: value for name, value in sorted(trial.user_attrs.items()) if not name.startswith(_OURS)}
    state: State = _STATES.get(trial.state.name, "running")
    return TrialRow(
        number=trial.number,
        state=state,
        params=dict(sorted(trial.params.items())),
        value=trial.value if state in ("complete", "pruned") else None,
        steps=dict(sorted(trial.intermediate_values.items())),
        seconds=float(trial.user_attrs.get(SECONDS, 0.0)),
        reason=str(trial.user_attrs.get(REASON, "")),
        attrs=attrs,
    )


def best_row(rows: Sequence[TrialRow]) -> TrialRow | None:
    """The complete trial of the highest value, the first of equal ones; None where there is none."""
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    return max(complete, key=lambda row: (row.value, -row.number), default=None)
