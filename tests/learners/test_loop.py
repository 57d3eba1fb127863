"""The training loop: it learns, it repeats itself to the byte, and each of its settings does what it says."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from fieldguide.engine import core_count  # noqa: E402
from fieldguide.errors import OutOfMemory, SettingsError, TrainingDiverged  # noqa: E402
from fieldguide.learners.architectures import Network, build_network  # noqa: E402
from fieldguide.learners.checkpoint import load_checkpoint, pack  # noqa: E402
from fieldguide.learners.devices import choose_device, choose_precision, exact, is_out_of_memory  # noqa: E402
from fieldguide.learners.loop import Keeping, train_network  # noqa: E402
from fieldguide.learners.loop_records import EpochRow, Examples, LoopSettings, Trained  # noqa: E402
from fieldguide.learners.optimiser import Average, Stepper  # noqa: E402
from fieldguide.learners.passes import cut, load_batches, predict  # noqa: E402
from fieldguide.learners.sampling import class_balance, epoch_order, even_out  # noqa: E402
from fieldguide.learners.schedule import lr_factor  # noqa: E402
from fieldguide.learners.tracking import describe_epoch  # noqa: E402
from fieldguide.progress import SilentProgress  # noqa: E402
from learning import CLASSES, QUICK, SIZE, coloured, ticking, tiny_network, without_time  # noqa: E402


def train(network: Network | None = None, examples: Examples | None = None, **changes: Any) -> Trained:
    """What came of a training with these settings beside the quick ones."""
    return train_network(network or tiny_network(), examples or coloured(), replace(QUICK, **changes), Keeping())


def weights(network: Network) -> dict[str, Any]:
    return {name: value.detach().clone() for name, value in network.module.state_dict().items()}


def far(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The largest difference of any weight."""
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


# ---- learning


def test_no_batch_is_left_with_one_picture() -> None:
    def ends(count: int, size: int) -> list[tuple[int, int]]:
        return [(piece.start, piece.stop) for piece in cut(count, size)]

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
    assert sum(one.shown for one in trained.balance) == 33 and len(trained.history) == 1
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
    one, same, other = (train(augment="strong", ema=0.9, seed=seed) for seed in (0, 0, 1))
    assert pack(one.state) == pack(same.state)
    assert without_time(one.history) == without_time(same.history)
    assert pack(one.state) != pack(other.state)


def test_two_runs_with_several_threads_give_the_same_bytes() -> None:
    one, same = (train(threads=2, augment="strong") for _ in range(2))
    assert pack(one.state) == pack(same.state)
    assert one.threads == same.threads == 2


def test_a_function_of_squares_is_the_same_as_an_array() -> None:
    examples = coloured()
    stored = examples.squares
    assert not callable(stored)
    one, other = train(examples=examples), train(examples=replace(examples, squares=lambda index: stored[index]))
    assert pack(one.state) == pack(other.state)


def test_nothing_of_the_process_is_changed() -> None:
    torch.manual_seed(5)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    train(epochs=1)
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state()
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_the_best_is_kept_and_not_the_last() -> None:
    network = tiny_network()
    seen: list[EpochRow] = []
    keeping = Keeping(watch=seen.append, clock=ticking())
    trained = train_network(network, coloured(), replace(QUICK, epochs=8, lr=0.3, schedule="constant"), keeping)
    assert tuple(seen) == trained.history
    ranks = [(row.val_accuracy or 0, -(row.val_loss or 0)) for row in trained.history]
    assert trained.best_epoch == 1 + int(np.argmax([rank == max(ranks) for rank in ranks]))
    assert far(weights(network), trained.state) == 0
    examples = coloured()
    found = predict(network, examples.squares, examples.val, 8).logits.argmax(1)
    right = float((found == examples.labels[examples.val]).mean())
    assert right == trained.history[trained.best_epoch - 1].val_accuracy
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
    trained = train_network(tiny_network(), coloured(48), replace(QUICK, epochs=2), Keeping(clock=ticking(0.25)))
    assert [row.epoch for row in trained.history] == [1, 2]
    assert all(row.seconds > 0 for row in trained.history)
    assert trained.history[0].images_per_s == pytest.approx(32 / (4 * 0.25), rel=0.01), "four steps of one tick"


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    class Counting(SilentProgress):
        total, done = 0, 0

        def start(self, what: str, total: int | None) -> None:
            self.total = total or 0

        def advance(self, steps: int = 1, part: str = "") -> None:
            self.done += steps

    for _ in range(2):  # the second time everything is done already
        progress = Counting()
        train_network(tiny_network(), coloured(), QUICK, Keeping(tmp_path, progress))
        assert progress.total == progress.done == 4 * 32


def test_a_person_sees_how_it_goes_after_each_step_and_each_epoch() -> None:
    notes: list[str] = []
    said: list[str] = []

    class Telling(SilentProgress):
        def note(self, text: str) -> None:
            notes.append(text)

        def say(self, line: str) -> None:
            said.append(line)

    settings = replace(QUICK, epochs=3)
    trained = train_network(tiny_network(), coloured(), settings, Keeping(progress=Telling(), clock=ticking()))
    assert said == [describe_epoch(row, 3) for row in trained.history]
    assert len(notes) == 3 * 4
    assert all(note.startswith(f"epoch {1 + step // 4} of 3: loss ") for step, note in enumerate(notes))
    assert "val" not in notes[3]
    first, last = trained.history[0], trained.history[2]
    assert notes[4].endswith(f"; val {first.val_accuracy:.1%}")
    assert f"loss {last.loss:.3f}, {last.accuracy:.1%} right" in notes[-1], "the last step's are the epoch's own"


def test_a_training_that_goes_on_tells_its_watcher_all_epochs_once_more(tmp_path: Path) -> None:
    for _ in range(2):  # the second time everything is done already
        seen: list[EpochRow] = []
        trained = train_network(tiny_network(), coloured(), QUICK, Keeping(tmp_path, watch=seen.append))
        assert tuple(seen) == trained.history and len(seen) == 4


# ---- settings


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0}, {"batch_size": 0}, {"accumulate": 0}, {"lr": 0.0}, {"lr": math.nan}, {"lr": 1001.0},
        {"weight_decay": -1.0},
        {"label_smoothing": 1.0}, {"ema": 1.0}, {"layer_decay": 0.0}, {"layer_decay": 1.1}, {"freeze": -2},
        {"clip": math.inf}, {"augment": "sed003"}, {"seed": -1}, {"patience": -1},
    ],
)  # fmt: skip
def test_settings_that_cannot_be(changes: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        LoopSettings(**changes)
    assert next(iter(changes)) in caught.value.message or "augment" in changes
    assert caught.value.hint


@pytest.mark.parametrize(("total", "warm_up"), [(40, 0), (40, 7), (5, 2), (1, 3)])
def test_cosine_and_constant_are_the_plain_formulas(total: int, warm_up: int) -> None:
    rise = min(warm_up, total - 1)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, total - rise))
    for step in range(total):
        expected = (step + 1) / (rise + 1) if step < rise else optimiser.param_groups[0]["lr"]
        assert lr_factor("cosine", step, total, warm_up) == pytest.approx(expected, abs=1e-12)
        assert lr_factor("constant", step, total, warm_up) == pytest.approx(min(1.0, (step + 1) / (rise + 1)))
        if step >= rise:
            optimiser.step()
            cosine.step()


@pytest.mark.parametrize("total", [1, 2, 3, 10, 57])
def test_one_cycle_is_that_of_torch(total: int) -> None:
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    if total > 3:
        reference = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1.0, total_steps=total, cycle_momentum=False)
        for step in range(total):
            assert lr_factor("one-cycle", step, total, 0) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
            optimiser.step()
            if step < total - 1:
                reference.step()
    assert all(0 < lr_factor("one-cycle", step, total, 0) <= 1 for step in range(total))


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
def test_the_rate_of_the_history_is_that_of_its_last_step(schedule: Any) -> None:
    trained = train(schedule=schedule, lr=0.01)
    factors = [lr_factor(schedule, 4 * epoch + 3, 16, 2) for epoch in range(4)]
    assert [row.lr for row in trained.history] == pytest.approx([0.01 * one for one in factors])


def test_accumulating_is_the_same_as_a_larger_batch() -> None:
    examples = coloured(48, shares=(0.6, 0.3, 0.1))
    same = {"optimiser": "sgd", "label_smoothing": 0.1, "imbalance": "weights", "augment": "strong"}
    large, small = tiny_network(norm=False, dropout=0.0), tiny_network(norm=False, dropout=0.0)
    one = train(large, examples, batch_size=16, **same)
    other = train(small, examples, batch_size=4, accumulate=4, **same)
    assert far(one.state, other.state) < 1e-5
    assert [row.loss for row in one.history] == pytest.approx([row.loss for row in other.history], abs=1e-5)
    third = train(tiny_network(norm=False, dropout=0.0), examples, batch_size=4, **same)
    assert far(one.state, third.state) > 1e-3


def test_the_average_is_the_plain_formula() -> None:
    network = tiny_network()
    average = Average(network.module, 0.5)
    wanted = {name: value.double() for name, value in weights(network).items()}
    for step in range(1, 30):
        with torch.no_grad():
            for parameter in network.module.parameters():
                parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step)))
        average.update(network.module, step)
        share = min(0.5, (1 + step) / (10 + step))
        wanted = {name: share * wanted[name] + (1 - share) * value.double() for name, value in weights(network).items()}
        for name, value in average.state.items():
            if value.is_floating_point():
                assert torch.allclose(value.double(), wanted[name], atol=1e-5), (step, name)
    assert far(average.state, weights(network)) > 0.1


def test_the_average_is_what_is_validated_and_kept() -> None:
    plain, averaged = train(augment="none"), train(augment="none", ema=0.95)
    assert [row.loss for row in plain.history] == [row.loss for row in averaged.history], "what learns is the same"
    assert [row.val_loss for row in plain.history] != [row.val_loss for row in averaged.history]
    assert far(plain.state, averaged.state) > 1e-4


def test_clipping_cuts_the_gradient() -> None:
    network = tiny_network()
    stepper = Stepper(network, QUICK)
    for parameter in network.module.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    count = sum(parameter.numel() for parameter in network.module.parameters())
    assert stepper.length(0.0) == pytest.approx(3 * math.sqrt(count), rel=1e-5)
    assert stepper.length(1.0) == pytest.approx(3 * math.sqrt(count), rel=1e-5)
    assert stepper.length(0.0) == pytest.approx(1.0, rel=1e-4)


def test_frozen_stages_stay_and_thaw_when_told() -> None:
    before = weights(tiny_network())
    frozen = train(freeze=1, epochs=3)
    stays = {name for name in before if name.startswith("body.one")}
    assert stays >= {"body.one.0.weight", "body.one.1.running_mean"}
    for name, value in frozen.state.items():
        assert torch.equal(value, before[name]) == (name in stays), name
    head = train(freeze=-1, epochs=3).state
    assert {name for name in head if not torch.equal(head[name], before[name])} == {"head.1.weight", "head.1.bias"}
    # while they are frozen nothing differs, afterwards all of them learn
    rows = train(freeze=1, unfreeze=2, epochs=3)
    assert without_time(rows.history)[:2] == without_time(frozen.history)[:2]
    last = train(examples=replace(coloured(), val=np.arange(0)), freeze=1, unfreeze=2, epochs=3).state
    assert all(not torch.equal(last[name], before[name]) for name in stays)


def test_layers_learn_at_their_own_rates() -> None:
    network = tiny_network(norm=False)
    before = weights(network)
    stepper = Stepper(network, replace(QUICK, optimiser="adam", layer_decay=0.5, weight_decay=0.0))
    for parameter in network.module.parameters():
        parameter.grad = torch.ones_like(parameter)
    stepper.step(0.01)
    after = weights(network)
    for names, scale in zip(network.stages, (0.25, 0.5, 1.0), strict=True):
        for name in names:  # the first step of Adam is as long as the rate
            assert torch.allclose(before[name] - after[name], torch.tensor(0.01 * scale), rtol=1e-3), name


def test_only_matrices_decay() -> None:
    network = tiny_network()
    before = weights(network)
    stepper = Stepper(network, replace(QUICK, optimiser="adamw", weight_decay=0.5))
    for parameter in network.module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    stepper.step(0.1)
    after = weights(network)
    for name, parameter in network.module.named_parameters():
        factor = 1 - 0.1 * 0.5 if parameter.ndim > 1 else 1.0
        assert torch.allclose(after[name], before[name] * factor), name


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
    one = [epoch_order(labels, "oversample", seed, epoch).tolist() for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert one[0] == one[1] and one[1] != one[2] and one[1] != one[3]


def test_the_weighted_loss_is_that_of_torch() -> None:
    examples = coloured(48, shares=(0.6, 0.3, 0.1))
    network = tiny_network(norm=False, dropout=0.0)
    batch = predict(network, examples.squares, examples.train, 99).logits
    labels = torch.from_numpy(examples.labels[examples.train])
    given = torch.tensor([row.weight for row in class_balance(labels.numpy(), CLASSES, "weights")]).float()
    wanted = torch.nn.functional.cross_entropy(torch.from_numpy(batch), labels, weight=given)
    same = {"batch_size": 99, "lr": 1e-12, "epochs": 1}
    weighted = train(network, examples, imbalance="weights", **same).history[0].loss
    assert weighted == pytest.approx(float(wanted), rel=1e-5)
    smooth = train(tiny_network(norm=False, dropout=0.0), examples, label_smoothing=0.2, **same).history[0].loss
    plain = torch.nn.functional.cross_entropy(torch.from_numpy(batch), labels, label_smoothing=0.2)
    assert smooth == pytest.approx(float(plain), rel=1e-5)


def test_batches_are_the_same_wherever_an_epoch_is_entered() -> None:
    examples, settings = coloured(), replace(QUICK, augment="strong", accumulate=2, batch_size=3)
    order = epoch_order(examples.labels[examples.train], "none", 0, 5)
    whole = list(load_batches(examples, order, settings, (CLASSES, 5, 0)))
    rest = list(load_batches(examples, order, settings, (CLASSES, 5, 2), workers=4))
    assert len(whole) == 6 and len(rest) == 4
    for one, other in zip(whole[2:], rest, strict=True):
        assert np.array_equal(one.squares, other.squares) and np.array_equal(one.targets, other.targets)
        assert np.allclose(one.targets.sum(1), 1)
    assert sum(len(batch.labels) for batch in whole) == 32


# ---- trouble


def test_a_loss_that_is_no_number_stops_it_and_says_where(tmp_path: Path) -> None:
    settings = replace(QUICK, optimiser="sgd", lr=0.01, schedule="constant", epochs=5, checkpoint_s=0.0)
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
        train_network(network, replace(examples, squares=spoil), settings, Keeping(tmp_path, watch=break_it))
    assert "lr" in caught.value.hint and "the last good checkpoint is kept" in caught.value.hint
    found = load_checkpoint(tmp_path)
    assert found.checkpoint is not None and found.checkpoint.said["epoch"] == 2
    assert all(bool(value.isfinite().all()) for part in found.checkpoint.parts.values() for value in part.values())


def test_a_checkpoint_of_no_numbers_is_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Stepper.step
    count = [0]

    def overflow(stepper: Stepper, lr: float) -> None:
        step(stepper, lr)
        count[0] += 1
        if count[0] == 7:
            with torch.no_grad():
                next(iter(network.module.head.parameters())).fill_(math.inf)

    network = tiny_network()
    monkeypatch.setattr(Stepper, "step", overflow)
    with pytest.raises(TrainingDiverged, match="a weight is not a number in epoch 2, step 3 of 4"):
        train_network(network, coloured(), replace(QUICK, checkpoint_s=0.0), Keeping(tmp_path, clock=ticking()))
    kept = load_checkpoint(tmp_path).checkpoint
    assert kept is not None and (kept.said["epoch"], kept.said["step"]) == (1, 2)
    assert all(bool(one.isfinite().all()) for part in kept.parts.values() for one in part.values())


def test_a_rate_that_is_too_high_is_noticed() -> None:
    with pytest.raises(TrainingDiverged, match=r"not a number in epoch \d+, step \d+") as caught:
        train(tiny_network(norm=False), optimiser="sgd", lr=1000.0, schedule="constant", warm_up=0.0, epochs=300)
    assert "checkpoint" not in caught.value.hint, "none was asked for"
    with pytest.raises(SettingsError, match="lr = 10000"):
        replace(QUICK, lr=10000.0)


@pytest.mark.parametrize("kind", [MemoryError, RuntimeError, torch.OutOfMemoryError])
def test_too_little_memory_names_the_batch_size_that_fits(kind: type[Exception]) -> None:
    network = tiny_network()

    def most_six(module: Any, given: tuple[Any, ...]) -> None:
        if len(given[0]) > 6:
            raise kind("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    network.module.body.one.register_forward_pre_hook(most_six)
    with pytest.raises(OutOfMemory, match="batch_size = 20 needs more memory") as caught:
        train(network, batch_size=20)
    assert caught.value.hint == "batch_size = 5 fits; with accumulate = 4 a step sees as many pictures as before"
    assert len(train(network, batch_size=5, accumulate=4).history) == 4, "and it does"


def test_too_little_memory_for_the_optimiser_or_for_validation_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network()

    def most_six(module: Any, given: tuple[Any, ...]) -> None:
        if not network.module.training and len(given[0]) > 6:
            raise MemoryError

    hook = network.module.body.one.register_forward_pre_hook(most_six)
    with pytest.raises(OutOfMemory, match="batch_size = 8 needs more memory") as caught:
        train(network, batch_size=8)
    assert caught.value.hint.startswith("batch_size = 4 fits")
    hook.remove()

    def no_room(stepper: Stepper, lr: float) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Stepper, "step", no_room)
    with pytest.raises(OutOfMemory, match="batch_size = 8 needs more memory"):
        train(tiny_network(), batch_size=8)


def test_another_error_is_not_taken_for_too_little_memory() -> None:
    network = tiny_network()

    def fail(module: Any, given: tuple[Any, ...]) -> None:
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
    with pytest.raises(SettingsError, match="no kind of device"):
        choose_device("tpu")


def test_the_device_and_precision_that_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert choose_device("auto") == "cuda"
    assert [choose_precision("auto", one) for one in ("cuda", "mps", "cpu")] == ["bf16", "fp32", "fp32"]
    assert choose_precision("bf16", "cpu") == "bf16"
    with pytest.raises(SettingsError, match="MPS"):
        choose_precision("bf16", "mps")


def test_bf16_learns_too() -> None:
    trained = train(precision="bf16", epochs=6)
    assert trained.precision == "bf16"
    assert trained.history[-1].loss < trained.history[0].loss
    assert all(value.dtype != torch.bfloat16 for value in trained.state.values())


def test_exact_puts_everything_back_when_it_fails() -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.raises(KeyError), exact("cpu", 3) as count:
        assert count == torch.get_num_threads() == 3
        assert torch.are_deterministic_algorithms_enabled()
        raise KeyError
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    with exact("cpu", 0) as count:
        assert count == core_count()


def test_predicting_leaves_the_network_as_it_was() -> None:
    network, examples = tiny_network(), coloured()
    network.module.train()
    network.module.body.one.eval()
    modes = [module.training for module in network.module.modules()]
    found = predict(network, examples.squares, examples.val, 5)
    assert [module.training for module in network.module.modules()] == modes
    assert found.logits.shape == (16, CLASSES) and found.features.shape == (16, 8)
    again = predict(network, examples.squares, examples.val[::-1], 16)
    assert np.allclose(again.logits[::-1], found.logits, atol=1e-5)
    none = predict(network, examples.squares, examples.val[:0], 5)
    assert none.logits.shape == (0, CLASSES) and none.features.shape == (0, 8)
    assert network.size == SIZE


def test_a_fit_that_sees_all_rows_at_once_is_evened_out_by_showing_rare_ones_again() -> None:
    labels = np.array([0, 1, 1, 1, 1, 2, 2, 0])
    places = np.array([1, 2, 3, 4, 5, 6, 7])
    shown = even_out(places, labels, "oversample")
    assert np.bincount(labels[shown]).tolist() == [4, 4, 4]
    assert set(shown.tolist()) == set(places.tolist()) and np.bincount(shown)[5:7].tolist() == [2, 2]
    assert np.array_equal(even_out(places, labels, "none"), places)
