"""A run's quantization-aware part: from which epoch on its model rounds, and what of it a checkpoint has to say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import trainctl
from trainctl.quantization.aware import (
    Part,
    Rounding,
    freeze_norms,
    learned_steps,
    make_aware,
    measuring,
    observe,
    plan_of,
)
from trainctl.storage.packing import Arrays, unpack
from trainctl.train.batches import forward
from trainctl.train.checkpoint import Checkpoint
from trainctl.train.evaluate import evaluation_mode

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.config.quantization import QuantizationConfig

PART = "aware"
"""What a checkpoint's state calls it; a checkpoint without it is of a float model."""


class AwareTraining:
    """Has a run's model round from ``quantization.start_epoch`` on, and says what of it learns when.

    Args:
        asked: the config's ``quantization``.
        rounding: how layers round.

    Attributes:
        begun: whether the model rounds.
        plan: what became of its layers.
    """

    def __init__(self, asked: QuantizationConfig, rounding: Rounding) -> None:
        self._asked, self._rounding = asked, rounding
        self.begun, self.plan = False, list[Part]()

    @classmethod
    def of(cls, experiment: Experiment, resume: Checkpoint | None) -> Self | None:
        """Return a run's, None where it has none; if it goes on from where its model rounds, that does so already."""
        asked, rounding = experiment.config.quantization, experiment.rounding
        if asked is None or rounding is None:
            return None
        made, plan = cls(asked, rounding), plan_in(resume) if resume else None
        if plan is not None:
            made.plan = plan
            made._change(experiment.model, experiment.optimizer)
        return made

    def is_due(self, epoch: int) -> bool:
        """Return whether the model is to round from this epoch on and does not yet."""
        return not self.begun and epoch >= self._asked.start_epoch

    def begin(self, models: Sequence[Any], optimizer: Any, inputs: Any) -> None:
        """Have a model round, with first ranges that a batch gives it; the random stream stays as it was.

        Args:
            models: the one that is trained, and the average of it if there is one.
            optimizer: of the former.
            inputs: the batch.
        """
        stream = trainctl.get_rng_state()
        self.plan = plan_of(models[0], inputs, self._rounding)
        for model in models:
            self._change(model, optimizer if model is models[0] else None)
            with evaluation_mode(model), trainctl.no_grad(), measuring(model):
                forward(model, inputs)
        trainctl.set_rng_state(stream)

    def _change(self, model: Any, optimizer: Any) -> None:
        """Have a model round by the plan; an optimizer has steps that are learned in its first group."""
        self.begun = True
        make_aware(model, self.plan, self._rounding)
        if optimizer is not None:
            known = {id(each) for group in optimizer.param_groups for each in group["params"]}
            optimizer.param_groups[0]["params"] += [each for each in learned_steps(model) if id(each) not in known]

    def enter(self, model: Any, epoch: int) -> None:
        """Have a model, in training mode, learn what it is to in an epoch."""
        freeze_observers, freeze_bn = self._asked.freeze_observers_epoch, self._asked.freeze_bn_epoch
        observe(model, freeze_observers is None or epoch < freeze_observers)
        if freeze_bn is not None and epoch >= freeze_bn:
            freeze_norms(model)

    def hold(self, model: Any) -> None:
        """Have a model that is measured keep its ranges."""
        observe(model, False)

    def told(self) -> str:
        """Say what rounds."""
        layers = [part for part in self.plan if part.scheme]
        inputs = [part for part in layers if part.scheme == "static"]
        norms = [part for part in layers if part.norm]
        text = f"quantization-aware from here on: {len(layers)} of {len(self.plan)} layers with weights round them to "
        text += f"{self._rounding.bits} bits" + (f", {len(inputs)} their inputs to 8 bits" if inputs else "")
        return text + (f"; {len(norms)} batch norms are part of the layer before them" if norms else "")

    def state_dict(self) -> dict[str, Any]:
        """Return what makes the model again from the config's."""
        return {"layers": [part.plain() for part in self.plan]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` returned."""
        self.plan = [Part(*values) for values in state["layers"]]


def plan_in(checkpoint: Checkpoint) -> list[Part] | None:
    """Return what became of the layers of a checkpoint's model; None of a model that is float or quantized."""
    if PART not in checkpoint.state:
        return None
    return [Part(*values) for values in unpack(checkpoint.state[PART], checkpoint.arrays)["layers"]]


def as_saved(model: Any, rounding: Rounding | None, checkpoint: Checkpoint) -> None:
    """Have the model of a config round if a checkpoint's does, so that it can be given its weights.

    Args:
        model: as the config describes it.
        rounding: how its layers round; None: the config has no ``quantization``.
        checkpoint: the checkpoint.
    """
    plan = plan_in(checkpoint)
    if rounding is not None and plan is not None:
        make_aware(model, plan, rounding)
        observe(model, False)


def float_weights(checkpoint: Checkpoint) -> Arrays:
    """Return a checkpoint's weights under the names that the config's model has; ranges and grids are left out."""
    plan = plan_in(checkpoint)
    if plan is None:
        return checkpoint.model
    inside = {f"{part.name}.bn.": f"{part.norm}." for part in plan if part.norm}
    found = {}
    for key, array in checkpoint.model.items():
        if not any(each.endswith("_fake_quant") for each in key.split(".")):
            prefix = next((each for each in inside if key.startswith(each)), "")
            found[inside.get(prefix, "") + key.removeprefix(prefix)] = array
    return found
