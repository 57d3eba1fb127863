"""The training loop: it learns, it repeats itself to the byte, and each of its settings does what it says."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from fieldguide.engine import core_count  # noqa: E402
from fieldguide.errors import OutOfMemory, SettingsError, TrainingDiverged  # noqa: E402
from fieldguide.learners.architectures import Network, build_network  # noqa: E402
from fieldguide.learners.checkpoint import load_checkpoint, pack  # noqa: E402
from fieldguide.learners.devices import (  # noqa: E402
    Hardware,
    choose_device,
    choose_hardware,
    choose_precision,
    deterministic,
    is_out_of_memory,
)
from fieldguide.learners.loop import (  # noqa: E402
    Callbacks,
    Examples,
    Optimiser,
    TrainingResult,
    learning_rates,
    load_batches,
    predict,
    split_batches,
    train_network,
)
from fieldguide.learners.sampling import class_balance, epoch_order, oversample  # noqa: E402
from fieldguide.learners.tracking import EpochRow, describe_epoch  # noqa: E402
from fieldguide.progress import SilentProgress  # noqa: E402
from learning import CLASSES, QUICK, SIZE, change, coloured, ticking, tiny_network, without_time  # noqa: E402


def train(network: Network | None = None, examples: Examples | None = None, **changes: Any) -> TrainingResult:
    """Train with these settings beside the quick ones."""
    return train_network(network or tiny_network(), examples or coloured(), change(QUICK, **changes))


def weights(network: Network) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in network.module.state_dict().items()}


def max_difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> float:
    """Return the largest difference of any weight."""
    return max(float((left[name].double() - right[name].double()).abs().max()) for name in left)


# ---- learning


def test_no_batch_is_left_with_one_picture() -> None:
    def ends(count: int, size: int) -> list[tuple[int, int]]:
        return [(piece.start, piece.stop) for piece in split_batches(count, size)]

    assert ends(7, 3) == [(0, 3), (3, 7)] and ends(8, 3) == [(0, 3), (3, 6), (6, 8)]
    assert (
        ends(1, 3) == [(0, 1)]
        and ends(2, 3) == [(0, 2)]
        and ends(0, 3) == []
        and ends(3, 1) == [(0, 1), (1, 2), (2, 3)]
    )


@pytest.mark.parametrize(("batch_size", "accumulate"), [(32, 1), (8, 4), (8, 1)])
def test_a_picture_too_many_for_the_batches_is_learnt_from(batch_size: int, accumulate: int) -> None:
    """33 pictures at 32 pixels: where the network ends in one value per channel, one alone cannot be normalised."""
    squares = np.random.default_rng(0).integers(0, 256, (33, 32, 32, 3), dtype=np.uint8)
    examples = Examples(squares, np.arange(33) % 3, np.arange(33), np.zeros(0, np.intp))
    network = build_network("small", 3, 32, 0)
    changes: dict[str, Any] = {"epochs": 1, "batch_size": batch_size, "accumulate": accumulate}
    trained = train(network, examples, **changes)
    assert sum(row.shown for row in trained.balance) == 33 and len(trained.history) == 1
    with pytest.raises(SettingsError) as caught:
        train(build_network("small", 3, 32, 0), examples, epochs=1, batch_size=1)
    assert "batch_size = 2" in caught.value.hint


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd", "rmsprop"])
def test_each_optimiser_learns_it(optimiser: Any) -> None:
    trained = train(examples=coloured(96), optimiser=optimiser, epochs=10, lr=0.05 if optimiser == "sgd" else 0.02)
    last = trained.history[trained.best_epoch - 1]
    assert last.val_accuracy is not None
    assert last.val_accuracy >= 0.9
    assert last.loss < trained.history[0].loss


def test_a_network_from_scratch_learns_it() -> None:
    dice = np.random.default_rng(0)
    labels = np.arange(36) % 3
    squares = dice.integers(40, 200, (36, 32, 32, 3))
    squares[np.arange(36), :, :, labels] += 50
    examples = Examples(squares.astype(np.uint8), labels, np.arange(24), np.arange(24, 36))
    trained = train(build_network("small", 3, 32, 0), examples, epochs=8, lr=0.003)
    assert trained.history[-1].accuracy >= 0.9
    best = trained.history[trained.best_epoch - 1].val_accuracy
    assert best is not None and best >= 0.9


def test_two_runs_give_the_same_bytes_and_another_seed_gives_others() -> None:
    first, repeated, reseeded = (train(augment="strong", ema=0.9, seed=seed) for seed in (0, 0, 1))
    assert pack(first.state) == pack(repeated.state)
    assert without_time(first.history) == without_time(repeated.history)
    assert pack(first.state) != pack(reseeded.state)


def test_two_runs_with_several_threads_give_the_same_bytes() -> None:
    first, repeated = (train(threads=2, augment="strong") for _ in range(2))
    assert pack(first.state) == pack(repeated.state)
    assert first.hardware.threads == repeated.hardware.threads == 2


def test_a_function_of_squares_is_the_same_as_an_array() -> None:
    examples = coloured()
    stored = examples.squares
    assert not callable(stored)
    from_array, from_function = (
        train(examples=examples),
        train(examples=replace(examples, squares=lambda index: stored[index])),
    )
    assert pack(from_array.state) == pack(from_function.state)


def test_nothing_of_the_process_is_changed() -> None:
    torch.manual_seed(5)
    state_before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    train(epochs=1)
    state_after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    assert state_before[:2] == state_after[:2]
    assert torch.equal(state_before[2], state_after[2])


def test_the_best_is_kept_and_not_the_last() -> None:
    network = tiny_network()
    rows: list[EpochRow] = []
    callbacks = Callbacks(on_epoch=rows.append, clock=ticking())
    trained = train_network(network, coloured(), change(QUICK, epochs=8, lr=0.3, schedule="constant"), None, callbacks)
    assert tuple(rows) == trained.history
    ranks = [(row.val_accuracy or 0, -(row.val_loss or 0)) for row in trained.history]
    assert trained.best_epoch == 1 + int(np.argmax([rank == max(ranks) for rank in ranks]))
    assert max_difference(weights(network), trained.state) == 0
    examples = coloured()
    predictions = predict(network, examples.squares, examples.val, 8).logits.argmax(1)
    accuracy = float((predictions == examples.labels[examples.val]).mean())
    assert accuracy == trained.history[trained.best_epoch - 1].val_accuracy
    assert not network.module.training


def test_validation_pictures_are_never_learnt_from_and_others_are_never_looked_at() -> None:
    examples = coloured()
    stored = examples.squares
    assert not callable(stored)
    looked: set[int] = set()

    def look(index: int) -> Any:
        looked.add(index)
        return stored[index]

    part = replace(examples, squares=look, train=np.arange(10), val=np.arange(20, 25))
    train(examples=part)
    assert looked == {*range(10), *range(20, 25)}
    with pytest.raises(ValueError, match="both"):
        replace(examples, train=np.arange(10), val=np.arange(9, 20))
    with pytest.raises(ValueError, match="no pictures"):
        replace(examples, train=np.arange(0))


def test_without_validation_the_last_weights_are_kept() -> None:
    trained = train(examples=replace(coloured(), val=np.arange(0)), patience=1)
    assert trained.best_epoch == len(trained.history) == 4
    assert {row.val_loss for row in trained.history} == {None}


def test_it_stops_early_when_validation_is_no_better() -> None:
    trained = train(
        epochs=50, lr=1e-12, patience=3, schedule="constant", weight_decay=0.0, network=tiny_network(norm=False)
    )
    best = trained.best_epoch
    assert len(trained.history) == best + 3 < 50
    assert trained.stopped == "no better for 3 epochs"
    assert train(epochs=2, patience=3).stopped == "all epochs"


def test_the_history_tells_the_time() -> None:
    trained = train_network(
        tiny_network(), coloured(48), change(QUICK, epochs=2), callbacks=Callbacks(clock=ticking(0.25))
    )
    assert [row.epoch for row in trained.history] == [1, 2]
    assert all(row.seconds > 0 for row in trained.history)
    assert trained.history[0].images_per_s == pytest.approx(32 / (4 * 0.25), rel=0.01), "four steps of one tick"


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    class Counting(SilentProgress):
        total, done = 0, 0

        def start(self, what: str, total: int | None, limit_s: float = 0.0) -> None:
            self.total = total or 0

        def advance(self, steps: int = 1, part: str = "") -> None:
            self.done += steps

    for _ in range(2):  # the second time everything is done already
        progress = Counting()
        train_network(tiny_network(), coloured(), QUICK, tmp_path, Callbacks(progress))
        assert progress.total == progress.done == 4 * 32


def test_a_person_sees_how_it_goes_after_each_step_and_each_epoch() -> None:
    notes: list[str] = []
    lines: list[str] = []

    class Telling(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

        def say(self, line: str) -> None:
            lines.append(line)

    settings = change(QUICK, epochs=3)
    trained = train_network(
        tiny_network(), coloured(), settings, callbacks=Callbacks(progress=Telling(), clock=ticking())
    )
    assert lines == [describe_epoch(row, 3) for row in trained.history]
    assert len(notes) == 3 * 4
    assert all(note.startswith(f"epoch {1 + step // 4} of 3: loss ") for step, note in enumerate(notes))
    assert "val" not in notes[3]
    start, last = trained.history[0], trained.history[2]
    assert notes[4].endswith(f"; val {start.val_accuracy:.1%}")
    assert f"loss {last.loss:.3f}, accuracy {last.accuracy:.1%}" in notes[-1], "the last step's are the epoch's own"


def test_a_training_that_goes_on_tells_its_watcher_all_epochs_once_more(tmp_path: Path) -> None:
    for _ in range(2):  # the second time everything is done already
        rows: list[EpochRow] = []
        trained = train_network(tiny_network(), coloured(), QUICK, tmp_path, Callbacks(on_epoch=rows.append))
        assert tuple(rows) == trained.history and len(rows) == 4


# ---- settings


@pytest.mark.parametrize(
    ("epochs", "steps", "warm_up"), [(8, 5, 0.0), (8, 5, 1.4), (5, 1, 2.0), (1, 1, 3.0), (1, 4, 1.0)]
)
def test_cosine_and_constant_are_the_plain_formulas(epochs: int, steps: int, warm_up: float) -> None:
    total = epochs * steps
    rise = min(round(warm_up * steps), total - 1)
    settings = change(QUICK, epochs=epochs, warm_up=warm_up, lr=0.5)
    cosine = learning_rates(change(settings, schedule="cosine"), steps)
    constant = learning_rates(change(settings, schedule="constant"), steps)
    assert len(cosine) == len(constant) == total
    for step in range(total):
        factor = (step + 1) / (rise + 1) if step < rise else 1.0
        fall = 0.5 * (1 + math.cos(math.pi * max(0, step - rise) / max(1, total - rise)))
        assert constant[step] == pytest.approx(0.5 * factor, rel=1e-12)
        assert cosine[step] == pytest.approx(0.5 * factor * fall, rel=1e-9)


@pytest.mark.parametrize("total", [1, 2, 3, 10, 57])
def test_one_cycle_rises_to_the_rate_and_falls_to_nothing(total: int) -> None:
    rates = learning_rates(change(QUICK, epochs=total, lr=0.1, schedule="one-cycle"), 1)
    assert len(rates) == total and all(0 < rate <= 0.1 for rate in rates)
    if total > 3:
        assert rates[0] == pytest.approx(0.1 / 25) and rates[-1] == pytest.approx(0.1 / 25e4)
        assert max(rates) > 0.09


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
def test_the_rate_of_the_history_is_that_of_its_last_step(schedule: Any) -> None:
    trained = train(schedule=schedule, lr=0.01)
    rates = learning_rates(change(QUICK, schedule=schedule, lr=0.01), 4)
    assert [row.lr for row in trained.history] == rates[3::4]


def test_accumulating_is_the_same_as_a_larger_batch() -> None:
    examples = coloured(48, shares=(0.6, 0.3, 0.1))
    changes = {"optimiser": "sgd", "label_smoothing": 0.1, "imbalance": "weights", "augment": "strong"}
    large, small = tiny_network(norm=False, dropout=0.0), tiny_network(norm=False, dropout=0.0)
    whole = train(large, examples, batch_size=16, **changes)
    accumulated = train(small, examples, batch_size=4, accumulate=4, **changes)
    assert max_difference(whole.state, accumulated.state) < 1e-5
    assert [row.loss for row in whole.history] == pytest.approx([row.loss for row in accumulated.history], abs=1e-5)
    unaccumulated = train(tiny_network(norm=False, dropout=0.0), examples, batch_size=4, **changes)
    assert max_difference(whole.state, unaccumulated.state) > 1e-3


def test_the_average_is_what_is_validated_and_kept() -> None:
    plain, averaged = train(augment="none"), train(augment="none", ema=0.95)
    assert [row.loss for row in plain.history] == [row.loss for row in averaged.history], "what learns is the same"
    assert [row.val_loss for row in plain.history] != [row.val_loss for row in averaged.history]
    assert max_difference(plain.state, averaged.state) > 1e-4


def test_clipping_cuts_the_gradient() -> None:
    network = tiny_network()
    optimiser = Optimiser(network, QUICK)
    for parameter in network.module.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    count = sum(parameter.numel() for parameter in network.module.parameters())
    assert optimiser.clip_gradient(0.0) == pytest.approx(3 * math.sqrt(count), rel=1e-5)
    assert optimiser.clip_gradient(1.0) == pytest.approx(3 * math.sqrt(count), rel=1e-5)
    assert optimiser.clip_gradient(0.0) == pytest.approx(1.0, rel=1e-4)


def test_frozen_stages_stay_and_thaw_when_told() -> None:
    initial = weights(tiny_network())
    frozen = train(freeze=1, epochs=3)
    stays = {name for name in initial if name.startswith("body.one")}
    assert stays >= {"body.one.0.weight", "body.one.1.running_mean"}
    for name, value in frozen.state.items():
        assert torch.equal(value, initial[name]) == (name in stays), name
    head = train(freeze="auto", epochs=3).state
    assert {name for name in head if not torch.equal(head[name], initial[name])} == {"head.1.weight", "head.1.bias"}
    # while they are frozen nothing differs, afterwards all of them learn
    rows = train(freeze=1, unfreeze=2, epochs=3)
    assert without_time(rows.history)[:2] == without_time(frozen.history)[:2]
    last = train(examples=replace(coloured(), val=np.arange(0)), freeze=1, unfreeze=2, epochs=3).state
    assert all(not torch.equal(last[name], initial[name]) for name in stays)


def test_layers_learn_at_their_own_rates() -> None:
    network = tiny_network(norm=False)
    initial = weights(network)
    optimiser = Optimiser(network, change(QUICK, optimiser="adam", layer_decay=0.5, weight_decay=0.0))
    for parameter in network.module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step(0.01)
    stepped = weights(network)
    for names, scale in zip(network.stages, (0.25, 0.5, 1.0), strict=True):
        for name in names:  # the first step of Adam is as long as the rate
            assert torch.allclose(initial[name] - stepped[name], torch.tensor(0.01 * scale), rtol=1e-3), name


def test_only_matrices_decay() -> None:
    network = tiny_network()
    initial = weights(network)
    optimiser = Optimiser(network, change(QUICK, optimiser="adamw", weight_decay=0.5))
    for parameter in network.module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(0.1)
    stepped = weights(network)
    for name, parameter in network.module.named_parameters():
        factor = 1 - 0.1 * 0.5 if parameter.ndim > 1 else 1.0
        assert torch.allclose(stepped[name], initial[name] * factor), name


# ---- classes of unequal size


def test_weights_count_classes_alike() -> None:
    labels = np.array([0] * 12 + [1] * 6 + [2] * 2)
    rows = class_balance(labels, 4, "weights")
    assert [(row.pictures, row.shown) for row in rows] == [(12, 12), (6, 6), (2, 2), (0, 0)]
    totals = [row.pictures * row.weight for row in rows[:3]]
    assert totals == pytest.approx([20 / 3] * 3)
    assert {row.weight for row in class_balance(labels, 4, "none")} == {1.0}


def test_oversampling_shows_classes_alike() -> None:
    labels = np.array([0] * 12 + [1] * 5 + [2] * 2)
    rows = class_balance(labels, 3, "oversample")
    assert [row.shown for row in rows] == [12, 12, 12]
    order = epoch_order(labels, "oversample", 3, 0)
    assert np.bincount(labels[order[:, 0]]).tolist() == [12, 12, 12]
    times = np.bincount(order[:, 0], minlength=19)
    assert set(times[:12]) == {1} and set(times[12:17]) == {2, 3} and set(times[17:]) == {6}
    assert len({tuple(pair) for pair in order.tolist()}) == 36, "no picture is shown twice in the same way"
    trained = train(examples=coloured(48, shares=(0.6, 0.3, 0.1)), imbalance="oversample", epochs=1)
    assert len({row.shown for row in trained.balance}) == 1


def test_an_epoch_s_order_follows_from_seed_and_epoch() -> None:
    labels = np.arange(40) % 3
    for imbalance in ("none", "weights"):
        order = epoch_order(labels, imbalance, 1, 0)
        assert sorted(order[:, 0]) == list(range(40)) and not order[:, 1].any()
    orders = [
        epoch_order(labels, "oversample", seed, epoch).tolist() for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    ]
    assert orders[0] == orders[1] and orders[1] != orders[2] and orders[1] != orders[3]


def test_the_weighted_loss_is_that_of_torch() -> None:
    examples = coloured(48, shares=(0.6, 0.3, 0.1))
    network = tiny_network(norm=False, dropout=0.0)
    batch = predict(network, examples.squares, examples.train, 99).logits
    labels = torch.from_numpy(examples.labels[examples.train])
    class_weights = torch.tensor([row.weight for row in class_balance(labels.numpy(), CLASSES, "weights")]).float()
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(batch), labels, weight=class_weights)
    changes = {"batch_size": 99, "lr": 1e-12, "epochs": 1}
    weighted = train(network, examples, imbalance="weights", **changes).history[0].loss
    assert weighted == pytest.approx(float(expected), rel=1e-5)
    smooth = train(tiny_network(norm=False, dropout=0.0), examples, label_smoothing=0.2, **changes).history[0].loss
    plain = torch.nn.functional.cross_entropy(torch.from_numpy(batch), labels, label_smoothing=0.2)
    assert smooth == pytest.approx(float(plain), rel=1e-5)


def test_batches_are_the_same_wherever_an_epoch_is_entered() -> None:
    examples, settings = coloured(), change(QUICK, augment="strong", accumulate=2, batch_size=3)
    all_batches = list(load_batches(examples, settings, CLASSES, 5))
    later_batches = list(load_batches(examples, settings, CLASSES, 5, first_step=2, workers=4))
    assert len(all_batches) == 6 and len(later_batches) == 4
    for left, right in zip(all_batches[2:], later_batches, strict=True):
        assert np.array_equal(left.squares, right.squares) and np.array_equal(left.targets, right.targets)
        assert np.allclose(left.targets.sum(1), 1)
    assert sum(len(batch.labels) for batch in all_batches) == 32


# ---- trouble


def test_a_loss_that_is_no_number_stops_it_and_says_where(tmp_path: Path) -> None:
    settings = change(QUICK, optimiser="sgd", lr=0.01, schedule="constant", epochs=5, checkpoint_s=1e-9)
    examples = coloured()
    stored = examples.squares
    assert not callable(stored)
    count = [0]
    network = tiny_network()

    def spoil(index: int) -> Any:
        count[0] += 1
        return stored[index]

    def break_it(row: EpochRow) -> None:
        if row.epoch == 2:
            with torch.no_grad():
                next(network.module.head.parameters()).fill_(math.nan)

    with pytest.raises(TrainingDiverged, match="not a number in epoch 3, step 1 of 4") as caught:
        train_network(network, replace(examples, squares=spoil), settings, tmp_path, Callbacks(on_epoch=break_it))
    assert "lr" in caught.value.hint and "the last good checkpoint is kept" in caught.value.hint
    loaded = load_checkpoint(tmp_path)
    assert loaded.checkpoint is not None and loaded.checkpoint.state["epoch"] == 2
    assert all(bool(value.isfinite().all()) for part in loaded.checkpoint.tensors.values() for value in part.values())


def test_a_checkpoint_of_no_numbers_is_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Optimiser.step
    count = [0]

    def overflow(optimiser: Optimiser, lr: float) -> None:
        step(optimiser, lr)
        count[0] += 1
        if count[0] == 7:
            with torch.no_grad():
                next(iter(network.module.head.parameters())).fill_(math.inf)

    network = tiny_network()
    monkeypatch.setattr(Optimiser, "step", overflow)
    with pytest.raises(TrainingDiverged, match="a weight is not a number in epoch 2, step 3 of 4"):
        train_network(network, coloured(), change(QUICK, checkpoint_s=1e-9), tmp_path, Callbacks(clock=ticking()))
    checkpoint = load_checkpoint(tmp_path).checkpoint
    assert checkpoint is not None and (checkpoint.state["epoch"], checkpoint.state["step"]) == (1, 2)
    assert all(bool(value.isfinite().all()) for part in checkpoint.tensors.values() for value in part.values())


def test_a_rate_that_is_too_high_is_noticed() -> None:
    with pytest.raises(TrainingDiverged, match=r"not a number in epoch \d+, step \d+") as caught:
        train(tiny_network(norm=False), optimiser="sgd", lr=1000.0, schedule="constant", warm_up=0.0, epochs=300)
    assert "checkpoint" not in caught.value.hint, "none was asked for"
    with pytest.raises(ValidationError, match="lr"):
        change(QUICK, lr=10000.0)


@pytest.mark.parametrize("kind", [MemoryError, RuntimeError, torch.OutOfMemoryError])
def test_too_little_memory_names_the_batch_size_that_fits(kind: type[Exception]) -> None:
    network = tiny_network()

    def most_six(module: Any, inputs: tuple[Any, ...]) -> None:
        if len(inputs[0]) > 6:
            raise kind("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    network.module.body.one.register_forward_pre_hook(most_six)
    with pytest.raises(OutOfMemory, match="batch_size = 20 needs more memory") as caught:
        train(network, batch_size=20)
    assert caught.value.hint == "batch_size = 5 fits; with accumulate = 4 a step sees as many pictures as before"
    assert len(train(network, batch_size=5, accumulate=4).history) == 4, "and it does"


def test_too_little_memory_for_the_optimiser_or_for_validation_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()

    def most_six(module: Any, inputs: tuple[Any, ...]) -> None:
        if not network.module.training and len(inputs[0]) > 6:
            raise MemoryError

    hook = network.module.body.one.register_forward_pre_hook(most_six)
    with pytest.raises(OutOfMemory, match="batch_size = 8 needs more memory") as caught:
        train(network, batch_size=8)
    assert caught.value.hint.startswith("batch_size = 4 fits")
    hook.remove()

    def no_room(optimiser: Optimiser, lr: float) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Optimiser, "step", no_room)
    with pytest.raises(OutOfMemory, match="batch_size = 8 needs more memory"):
        train(tiny_network(), batch_size=8)


def test_another_error_is_not_taken_for_too_little_memory() -> None:
    network = tiny_network()

    def fail(module: Any, inputs: tuple[Any, ...]) -> None:
        raise RuntimeError("the shapes do not fit")

    network.module.body.one.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="shapes"):
        train(network)
    assert not is_out_of_memory(ValueError("out of memory"))


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_gpu_that_is_not_there(device: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=f"device {device} is asked for, and torch finds only cpu here") as caught:
        train(device=device)
    assert "auto" in caught.value.hint
    assert choose_device("auto") == choose_device("cpu") == "cpu"
    with pytest.raises(SettingsError, match="no device called"):
        choose_device("tpu")


def test_the_device_and_precision_that_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_device("auto") == "cuda"
    assert [choose_precision("auto", device) for device in ("cuda", "mps", "cpu")] == ["bf16", "fp32", "fp32"]
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(SettingsError, match="MPS"):
        choose_precision("bf16", "mps")


def test_bf16_learns_too() -> None:
    trained = train(precision="bf16", epochs=6)
    assert trained.hardware.precision == "bf16"
    assert trained.history[-1].loss < trained.history[0].loss
    assert all(value.dtype != torch.bfloat16 for value in trained.state.values())


def test_exact_puts_everything_back_when_it_fails() -> None:
    state = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), deterministic(Hardware("cpu", "fp32", 3)):
        assert torch.get_num_threads() == 3
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    assert state == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    assert choose_hardware(change(QUICK, device="cpu", threads="auto")) == Hardware("cpu", "fp32", core_count())


def test_predicting_leaves_the_network_as_it_was() -> None:
    network, examples = tiny_network(), coloured()
    network.module.train()
    network.module.body.one.eval()
    modes = [module.training for module in network.module.modules()]
    outputs = predict(network, examples.squares, examples.val, 5)
    assert [module.training for module in network.module.modules()] == modes
    assert outputs.logits.shape == (16, CLASSES) and outputs.features.shape == (16, 8)
    reversed_outputs = predict(network, examples.squares, examples.val[::-1], 16)
    assert np.allclose(reversed_outputs.logits[::-1], outputs.logits, atol=1e-5)
    none = predict(network, examples.squares, examples.val[:0], 5)
    assert none.logits.shape == (0, CLASSES) and none.features.shape == (0, 8)
    assert network.size == SIZE


def test_a_fit_that_sees_all_rows_at_once_is_evened_out_by_showing_rare_ones_again() -> None:
    labels = np.array([0, 1, 1, 1, 1, 2, 2, 0])
    places = np.array([1, 2, 3, 4, 5, 6, 7])
    places_shown = oversample(places, labels, "oversample")
    assert np.bincount(labels[places_shown]).tolist() == [4, 4, 4]
    assert set(places_shown.tolist()) == set(places.tolist()) and np.bincount(places_shown)[5:7].tolist() == [2, 2]
    assert np.array_equal(oversample(places, labels, "none"), places)
