"""What to try next: a pure function of the space, the seed, the trial's rank and what came of the trials before.

Knows nothing about files or how trials are run. Optuna's sampler works on a copy of the history in memory, so that a
trial is stored with all its settings or not at all, and a suggestion does not depend on who was killed meanwhile.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from fieldguide.optional import require
from fieldguide.stages.tune.space import Choices, Domain, Floats, Ints, Space, Value

__all__ = ["import_optuna", "keep_quiet", "suggest"]

_RANDOM_FIRST = 10


def import_optuna() -> Any:
    """Optuna.

    Raises:
        MissingExtra: it is not installed.
    """
    return require("optuna", extra="train")


@contextmanager
def keep_quiet() -> Iterator[None]:
    """Nothing; inside the block Optuna writes nothing to the terminal."""
    optuna = import_optuna()
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def suggest(
    space: Space, first: Sequence[Mapping[str, Value]], seed: int, rank: int, history: Sequence[Any]
) -> Any | None:
    """A trial with settings that no trial before had, ready to be stored; None where all have been tried.

    A tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011),
    for all settings that occur together at once (Falkner et al., "BOHB", ICML 2018), after ten trials by chance.
    Trials that failed count as worse than all others; trials that still run are kept away from. Where it suggests what
    has been tried, the last choice that leads to something new is made otherwise, and the rest suggested again.

    Args:
        space: what to choose from.
        first: what the first trials begin with.
        seed: of the whole search.
        rank: how many trials there were before.
        history: Optuna's frozen trials, in the order of their numbers.
    """
    optuna = import_optuna()
    known = {_key(trial.params) for trial in history}
    if not _has_new(space, {}, known):
        return None
    past = [_retell(trial) for trial in history]
    fixed = dict(first[rank]) if rank < len(first) else {}
    for attempt in itertools.count():
        source = np.random.SeedSequence([seed, rank, attempt])
        with keep_quiet():
            study = optuna.create_study(direction="maximize", sampler=_parzen(int(source.generate_state(1)[0])))
            study.add_trials(past)
            study.enqueue_trial(fixed)
            chosen = study.ask()
            params = _sample(space, chosen)
        if _key(params) not in known:
            running = optuna.trial.TrialState.RUNNING
            return optuna.trial.create_trial(state=running, params=params, distributions=chosen.distributions)
        fixed = _turn_off(space, params, history)
    return None


def _has_new(space: Space, params: Mapping[str, Value], known: set[Any]) -> bool:
    """Whether settings that begin so can still become something that is not known."""
    for name, domain in space.domains.items():
        if name not in params and space.matters(name, params):
            if isinstance(domain, Floats) and domain.low < domain.high:
                return True
            return any(_has_new(space, {**params, name: value}, known) for value in _values(domain))
    return _key(params) not in known


def _turn_off(space: Space, params: dict[str, Value], history: Sequence[Any]) -> dict[str, Value]:
    """The longest beginning of known settings that leads to new ones with another last choice, and that choice.

    Of several choices, one that nobody has tried yet, else that of the best trial so far.
    """
    known = {_key(trial.params) for trial in history}
    names = list(params)
    for place in reversed(range(len(names))):
        name, before = names[place], {name: params[name] for name in names[:place]}
        others = [{**before, name: value} for value in _values(space.domains[name]) if value != params[name]]
        leading = [other for other in others if _has_new(space, other, known)]
        if leading:
            return max(leading, key=lambda other: _promise(other, history))
    raise ValueError("nothing new is left in the space")


def _promise(params: Mapping[str, Value], history: Sequence[Any]) -> float:
    """The highest value of the trials that begin so; infinite where there is none, least where none was completed."""
    begun = [trial for trial in history if params.items() <= trial.params.items()]
    values = [trial.value for trial in begun if trial.state.name == "COMPLETE"]
    return float(max(values, default=-math.inf if begun else math.inf))


def _values(domain: Domain) -> Sequence[Value]:
    """All values of a domain that has an end of them."""
    if isinstance(domain, Choices):
        return domain.values
    return range(domain.low, domain.high + 1, domain.step) if isinstance(domain, Ints) else (domain.low,)


def _parzen(seed: int) -> Any:
    """Optuna's tree-structured Parzen estimator, which does not call its own parts experimental."""
    optuna = import_optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=_RANDOM_FIRST
        )


def _sample(space: Space, trial: Any) -> dict[str, Value]:
    """A value for each setting that matters beside those before it, in the space's order."""
    params: dict[str, Value] = {}
    for name, domain in space.domains.items():
        if space.matters(name, params):
            params[name] = _choose(trial, name, domain)
    return params


def _choose(trial: Any, name: str, domain: Domain) -> Value:
    """A value from one domain."""
    chosen: Value
    if isinstance(domain, Choices):
        chosen = trial.suggest_categorical(name, domain.values)
    elif isinstance(domain, Ints):
        # Optuna wants the last step to end at the bound itself
        high = domain.high - (domain.high - domain.low) % domain.step
        chosen = trial.suggest_int(name, domain.low, high, step=domain.step, log=domain.log)
    else:
        chosen = trial.suggest_float(name, domain.low, domain.high, log=domain.log)
    return chosen


def _retell(trial: Any) -> Any:
    """The trial as the sampler is to see it: one that failed is like one that was given up before its first step."""
    optuna = import_optuna()
    states = optuna.trial.TrialState
    failed = trial.state == states.FAIL
    return optuna.trial.create_trial(
        state=states.PRUNED if failed else trial.state,
        value=trial.value if trial.state == states.COMPLETE else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values={} if failed else trial.intermediate_values,
    )


def _key(params: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(params.items()))
