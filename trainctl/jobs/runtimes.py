"""What runs a trained model: the engine, or ONNX Runtime on the model's export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainctl.errors import UsageError
from trainctl.train.checkpoint import Checkpoint

if TYPE_CHECKING:
    from trainctl.build import Experiment
    from trainctl.build.parts import Parts

Runtime = Literal["trainctl", "onnxruntime"]


def runtime_module(parts: Parts, threads: int) -> Any:
    """Return a config's model on ONNX Runtime, as a module.

    Args:
        parts: the parts of a config, its model with its weights.
        threads: how many it computes on.

    Raises:
        UsageError: ONNX cannot say the model, a package is missing, or the model is to run on a GPU.
    """
    from trainctl.jobs.exporting import OnnxModel
    from trainctl.onnx.module import RuntimeModule

    if str(parts.device) != "cpu":
        raise UsageError("--runtime onnxruntime runs on the CPU", hint="--device cpu")
    model = OnnxModel(parts)
    exported = model.export({}, verify=False)
    return RuntimeModule(exported.data, threads, exported.outputs if model.has_named_outputs else None)


def on_runtime(experiment: Experiment, found: Path, saved: Checkpoint, threads: int) -> Experiment:
    """Return an experiment whose model runs on ONNX Runtime.

    Args:
        experiment: the experiment.
        found: its checkpoint's directory.
        saved: the checkpoint.
        threads: how many it computes on.
    """
    from trainctl.jobs.exporting import OnnxModel

    if str(experiment.config.device) not in ("cpu", "auto"):
        raise UsageError("--runtime onnxruntime runs on the CPU", hint="--device cpu")
    module = runtime_module(OnnxModel.read(found, saved).parts, threads)
    config = experiment.config
    plain = config.model_copy(update={"train": config.train.model_copy(update={"compile": False})})
    return replace(experiment, model=module, loaded=replace(experiment.loaded, config=plain))
