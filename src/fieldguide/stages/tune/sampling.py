"""What to try next: a pure function of the space, the seed, the trial's number and what came of the trials before.

Knows nothing about files or how trials are run. Optuna's sampler works on a copy of the history in memory, so that a
trial is stored with all its settings or not at all, and a suggestion does not depend on who was killed meanwhile.
"""

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fieldguide.optional import require
from fieldguide.stages.tune.space import Choices, Floats, Ints, Space, Value

_RANDOM_FIRST = 10
_PARZEN_ATTEMPTS = 10


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from logging to the terminal inside the block."""
    optuna = require("optuna", extra="train")
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def memory_study(trials: Iterable[Any], sampler: Any = None) -> Any:
    """Return one of Optuna's studies in memory, with copies of these trials."""
    optuna = require("optuna", extra="train")
    with quiet_optuna():
        study = optuna.create_study(direction="maximize", sampler=sampler or optuna.samplers.RandomSampler(seed=0))
        study.add_trials(trials)
    return study


def suggest(
    space: Space, first: Sequence[Mapping[str, Value]], seed: int, number: int, history: Sequence[Any]
) -> Any | None:
    """Return a trial, ready to be stored, with settings that no trial before had; None where all have been tried.

    Ten trials by chance, then a tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter
    Optimization", NeurIPS 2011) for all settings that occur together (Falkner et al., "BOHB", ICML 2018). Failed trials
    count as worse than all others; running ones are kept away from. Where it suggests what has been tried, it is asked
    again, and in the end chance decides: the value of a trial that is repeated is known.

    Args:
        space: what to choose from.
        first: settings that the first trials begin with.
        seed: of the whole search.
        number: of the new trial.
        history: Optuna's frozen trials, by number.
    """
    optuna = require("optuna", extra="train")
    known = {_key(trial.params) for trial in history}
    if not _has_new(space, {}, known):
        return None
    past = [_as_pruned(trial) if trial.state.name == "FAIL" else trial for trial in history]
    for attempt in itertools.count():
        state = int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0])
        by_chance = attempt >= _PARZEN_ATTEMPTS
        sampler = optuna.samplers.RandomSampler(seed=state) if by_chance else _parzen(state)
        study = memory_study(() if by_chance else past, sampler)
        if attempt == 0 and number < len(first):
            study.enqueue_trial(dict(first[number]))
        trial = study.ask()
        params = _sample(space, trial)
        if _key(params) not in known:
            running = optuna.trial.TrialState.RUNNING
            return optuna.trial.create_trial(state=running, params=params, distributions=trial.distributions)
    return None


def _has_new(space: Space, params: Mapping[str, Value], known: set[Any]) -> bool:
    """Return whether settings that begin with `params` can become something that is not known."""
    for name, domain in space.domains.items():
        if name not in params and space.is_active(name, params):
            if isinstance(domain, Floats) and domain.low < domain.high:
                return True
            values: Iterable[Value] = (domain.low,) if isinstance(domain, Floats) else domain.choices()
            return any(_has_new(space, {**params, name: value}, known) for value in values)
    return _key(params) not in known


def _parzen(seed: int) -> Any:
    optuna = require("optuna", extra="train")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_RANDOM_FIRST
        )


def _sample(space: Space, trial: Any) -> dict[str, Value]:
    """Return a value for each setting that is active beside those before it, in the space's order."""
    params: dict[str, Value] = {}
    for name, domain in space.domains.items():
        if not space.is_active(name, params):
            continue
        if isinstance(domain, Choices):
            params[name] = trial.suggest_categorical(name, domain.values)
        elif isinstance(domain, Ints):  # Optuna wants the last step to end at the bound itself
            high = domain.high - (domain.high - domain.low) % domain.step
            params[name] = trial.suggest_int(name, domain.low, high, step=domain.step, log=domain.log)
        else:
            params[name] = trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    return params


def _as_pruned(trial: Any) -> Any:
    """Return a failed trial as the sampler is to see it: pruned before its first step, so worse than all others."""
    optuna = require("optuna", extra="train")
    pruned = optuna.trial.TrialState.PRUNED
    return optuna.trial.create_trial(state=pruned, params=trial.params, distributions=trial.distributions)


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))
