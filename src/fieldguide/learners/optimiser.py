"""What changes the weights: stages that learn at their own rates or not at all, an optimiser, a moving average.

Knows nothing about pictures or epochs; its state goes in and out as plain tensors by name.
"""

from typing import Any

from fieldguide.learners.architectures import Network
from fieldguide.learners.loop_records import LoopSettings

__all__ = ["Average", "Stepper"]

_MOMENTUM = 0.9


class Stepper:
    """An optimiser over a network's stages."""

    def __init__(self, network: Network, settings: LoopSettings) -> None:
        self._module = network.module
        self._parameters = dict(network.module.named_parameters())
        self._stages = network.stages
        groups = [
            group
            for depth, names in enumerate(reversed(network.stages))
            for group in _groups([(name, self._parameters[name]) for name in names], settings, depth)
        ]
        self._optimiser = _build(groups, settings)
        self._scales = [group["scale"] for group in groups]

    def freeze(self, count: int) -> None:
        """Nothing; the first `count` stages do not learn, -1 is all but the head, and the others do.

        What belongs to frozen stages alone behaves as in use: norms keep their means, dropout lets all through. Call
        it whenever the module was put in training mode.
        """
        count = len(self._stages) - 1 if count < 0 else min(count, len(self._stages) - 1)
        frozen = {name for names in self._stages[:count] for name in names}
        for name, parameter in self._parameters.items():
            parameter.requires_grad_(name not in frozen)
        for module in self._module.modules():
            own = list(module.parameters())
            if own and not any(parameter.requires_grad for parameter in own):
                module.eval()

    def step(self, lr: float) -> None:
        """Nothing; one step, at this rate for the head; the gradients are gone."""
        for group, scale in zip(self._optimiser.param_groups, self._scales, strict=True):
            group["lr"] = lr * scale
        self._optimiser.step()
        self.clear()

    def clear(self) -> None:
        """Nothing; the gradients are gone."""
        self._optimiser.zero_grad(set_to_none=True)

    def length(self, clip: float) -> float:
        """The gradient's length, before it was cut to `clip`; 0 cuts nothing."""
        import torch

        learning = [one for one in self._parameters.values() if one.grad is not None]
        if clip:
            return float(torch.nn.utils.clip_grad_norm_(learning, clip))
        return float(torch.nn.utils.get_total_norm([one.grad for one in learning]))

    def pack(self) -> dict[str, Any]:
        """Its state: tensors by the name of the parameter, a slash, and what they are."""
        state = self._optimiser.state
        return {
            f"{name}/{key}": value
            for name, parameter in self._parameters.items()
            for key, value in state.get(parameter, {}).items()
            if value is not None
        }

    def unpack(self, packed: dict[str, Any]) -> None:
        """Nothing; the state is the one that was packed, in the same order of memory as it would have had."""
        import torch

        self._optimiser.state.clear()
        for name, value in packed.items():
            name, _, key = name.rpartition("/")
            parameter = self._parameters[name]
            like = value.shape == parameter.shape
            kept = torch.empty_like(parameter).copy_(value).detach() if like else value.clone()
            self._optimiser.state[parameter][key] = kept


def _groups(named: list[tuple[str, Any]], settings: LoopSettings, depth: int) -> list[dict[str, Any]]:
    """A stage's parameters, those with weight decay and those without; `scale` is their share of the rate."""
    scale = settings.layer_decay**depth
    matrices = [parameter for _, parameter in named if parameter.ndim > 1]
    others = [parameter for _, parameter in named if parameter.ndim <= 1]
    made = []
    if matrices:
        made.append({"params": matrices, "weight_decay": settings.weight_decay, "scale": scale})
    if others:
        made.append({"params": others, "weight_decay": 0.0, "scale": scale})
    return made


def _build(groups: list[dict[str, Any]], settings: LoopSettings) -> Any:
    """The optimiser of that name."""
    from torch import optim

    given = [{key: value for key, value in group.items() if key != "scale"} for group in groups]
    match settings.optimiser:
        case "adamw":
            return optim.AdamW(given, lr=settings.lr)
        case "adam":
            return optim.Adam(given, lr=settings.lr)
        case "rmsprop":
            return optim.RMSprop(given, lr=settings.lr)
        case "sgd":
            return optim.SGD(given, lr=settings.lr, momentum=_MOMENTUM, nesterov=True)


class Average:
    """A moving average of a module's weights (Polyak and Juditsky, 1992), quicker at first as in TensorFlow's.

    After update t it holds d x what it held + (1 - d) x the weights, d = min(decay, (1 + t) / (10 + t)).
    """

    def __init__(self, module: Any, decay: float) -> None:
        self._decay = decay
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: Any, step: int) -> None:
        """Nothing; the average has moved towards the weights after update `step`, from 1."""
        import torch

        share = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if value.is_floating_point():
                    self.state[name].lerp_(value, 1 - share)
                else:
                    self.state[name].copy_(value)
