"""Which settings mattered, and how the search went.

Knows nothing about learners or files.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fieldguide.stages.tune.rows import TrialRow
from fieldguide.stages.tune.sampling import import_optuna, keep_quiet
from fieldguide.stages.tune.space import Choices, Ints, Space, Value

__all__ = ["Importance", "best_so_far", "param_importances"]

_FORESTS = 5
_FEWEST = 4  # complete trials with a setting before anything is said about it


@dataclass(frozen=True)
class Importance:
    """How much of the difference between values a setting explains by itself.

    Attributes:
        name: of the setting.
        share: of the variance, 0 to 1, among the trials in which the setting mattered.
        spread: the standard deviation of that over several random forests.
        trials: how many complete trials it rests on.
    """

    name: str
    share: float
    spread: float
    trials: int


def best_so_far(rows: Sequence[TrialRow]) -> list[tuple[int, float]]:
    """Number and highest value until then, for each complete trial, by number."""
    found: list[tuple[int, float]] = []
    for row in sorted(rows, key=lambda row: row.number):
        if row.state == "complete" and row.value is not None:
            found.append((row.number, max(row.value, found[-1][1]) if found else row.value))
    return found


def param_importances(rows: Sequence[TrialRow], space: Space, seed: int = 0) -> list[Importance]:
    """The importance of each setting that took several values in at least four complete trials, the highest first.

    fANOVA (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014).
    A setting that matters only beside some others is judged among the trials in which it did, together with all that
    were set in each of those: a share says nothing about the trials without it.

    Raises:
        MissingExtra: scikit-learn or Optuna is not installed.
    """
    complete = [row for row in rows if row.state == "complete" and row.value is not None]
    groups: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name in space.domains:
        groups[tuple(row.number for row in complete if name in row.params)].append(name)
    by_number = {row.number: row for row in complete}
    found: list[Importance] = []
    for numbers, names in groups.items():
        found += _judge([by_number[number] for number in numbers], names, space, seed)
    return sorted(found, key=lambda one: (-one.share, one.name))


def _judge(rows: list[TrialRow], names: list[str], space: Space, seed: int) -> list[Importance]:
    """The importance of those of `names` that varied, beside all that every row has set."""
    if len(rows) < _FEWEST or len({row.value for row in rows}) < 2:
        return []
    shared = [name for name in space.domains if all(name in row.params for row in rows)]
    varied = [name for name in shared if len({row.params[name] for row in rows}) > 1]
    wanted = [name for name in names if name in varied]
    if not wanted:
        return []
    forests = [_shares(rows, varied, space, seed + number) for number in range(_FORESTS)]
    explained = _explained(rows, varied)
    return [
        Importance(
            name,
            explained * float(np.mean([shares[name] for shares in forests])),
            explained * float(np.std([shares[name] for shares in forests])),
            len(rows),
        )
        for name in wanted
    ]


def _explained(rows: list[TrialRow], names: list[str]) -> float:
    """The share of the variance that lies between trials that differ in these settings, not among those alike in them.

    A forest shares out only what it can explain: alone in it, a setting would have everything.
    """
    alike: dict[tuple[Value, ...], list[float]] = defaultdict(list)
    for row in rows:
        alike[tuple(row.params[name] for name in names)].append(float(row.value or 0.0))
    within = sum(len(values) * np.var(values) for values in alike.values())
    return float(1 - within / (len(rows) * np.var([value for values in alike.values() for value in values])))


def _shares(rows: list[TrialRow], names: list[str], space: Space, seed: int) -> dict[str, float]:
    """Setting to share of the variance, by one forest; all 0 where its trees see no variance."""
    optuna = import_optuna()
    with keep_quiet():
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        distributions = {name: _distribution(name, rows, space) for name in names}
        for row in rows:
            params = {name: row.params[name] for name in names}
            study.add_trial(optuna.trial.create_trial(value=row.value, params=params, distributions=distributions))
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
        try:
            shares: dict[str, float] = evaluator.evaluate(study, params=names)
        except RuntimeError as error:
            if "variance" not in str(error):
                raise
            return dict.fromkeys(names, 0.0)
    return {name: min(max(shares[name], 0.0), 1.0) for name in names}


def _distribution(name: str, rows: list[TrialRow], space: Space) -> object:
    """What the setting ranged over in these rows, as Optuna's distribution."""
    distributions = import_optuna().distributions
    domain = space.domains[name]
    if isinstance(domain, Choices):
        used = {row.params[name] for row in rows}
        return distributions.CategoricalDistribution([value for value in domain.values if value in used])
    kind = distributions.IntDistribution if isinstance(domain, Ints) else distributions.FloatDistribution
    return kind(domain.low, domain.high, log=domain.log)
