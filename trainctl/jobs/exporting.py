"""A trained model as a file that other programs read, checked before it is there."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trainctl.errors import UsageError
from trainctl.jobs.experiments import config_of
from trainctl.jobs.places import RUNS
from trainctl.storage.files import replace_file
from trainctl.train.checkpoint import Checkpoint, read_checkpoint, weights_sha256
from trainctl.train.resolve import find_checkpoint, latest_run
from trainctl.version import __version__

if TYPE_CHECKING:
    from trainctl.build.parts import Parts
    from trainctl.onnx.exporter import Exported

Format = Literal["onnx", "safetensors", "npz"]
FORMATS: tuple[Format, ...] = ("onnx", "safetensors", "npz")

SCHEMA_VERSION = 1
"""Of what :func:`run_export` returns."""

_SAMPLES = 4
_INPUT, _OUTPUT = "input", "output"


def run_export(
    path: str | Path | None = None,
    output: str | Path | None = None,
    *,
    format: Format | None = None,
    opset: int | None = None,
    tolerance: float | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write a trained model as one file, which is compared with the model first, and return what was written.

    Args:
        path: a run, whose best checkpoint is meant, or a checkpoint; default: the latest run.
        output: the file; default: the config's name with the format's ending, in the working directory.
        format: default: what the file's name says, else ONNX.
        opset: of ONNX; default: the oldest, from 17 on, that has all the model needs.
        tolerance: of ONNX: by how much outputs may differ, relative to the output's largest number; default: 1e-5, for a
            quantized model one step of the last quantization.
        force: replace the file that is there.

    Returns:
        The file, its size and SHA-256, inputs and outputs, what was compared, and the metadata inside.

    Raises:
        CheckpointError: there is no checkpoint, or it is damaged.
        ConfigError: its config does not fit this version.
        ParityError: what ONNX Runtime computes is not what the model does; no file is left.
        UsageError: the file is there already, a package is missing, or ONNX cannot say the model.

    Example:
        >>> run_export("runs/no-such-run")
        Traceback (most recent call last):
        trainctl.errors.CheckpointError: runs/no-such-run: no such run or checkpoint
    """
    kind = _format(output, format)
    if kind != "onnx" and (opset is not None or tolerance is not None):
        raise UsageError(f"--{'opset' if opset is not None else 'tolerance'} is of ONNX; the format is {kind}")
    found = find_checkpoint(latest_run(RUNS) if path is None else path)
    saved = read_checkpoint(found)
    loaded = config_of(saved, found)
    target = Path(f"{loaded.config.name}.{kind}" if output is None else output)
    _check_target(target, force)
    about = {
        "config_sha256": hashlib.sha256(saved.config.encode()).hexdigest(),
        "name": loaded.config.name,
        "trainctl_version": __version__,
        "weights_sha256": weights_sha256(found),
        **({"quantization": _json(saved.quantization.plain())} if saved.quantization is not None else {}),
    }
    facts: dict[str, Any] = {"checkpoint": str(found), "file": str(target), "format": kind}
    if kind == "onnx":
        model = OnnxModel.read(found, saved)
        about |= model.metadata
        exported = model.export(about, opset, tolerance)
        data, more = exported.data, {**_onnx_facts(exported), "metadata": about}
    else:
        data, more = _weights(saved, kind, about), {"tensors": len(saved.model), "metadata": about}
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, data)
    digest = hashlib.sha256(data).hexdigest()
    return {"schema_version": SCHEMA_VERSION, **facts, "bytes": len(data), "sha256": digest, **more}


def _format(output: str | Path | None, format: Format | None) -> Format:
    if format is not None:
        return format
    ending = Path(output).suffix.lstrip(".").lower() if output is not None else ""
    return next((each for each in FORMATS if each == ending), "onnx")


def _check_target(target: Path, force: bool) -> None:
    if target.is_dir() or str(target) in ("", ".", "-"):
        raise UsageError(f"--output {target}: expected a file", hint="-o model.onnx")
    if not force and (target.is_symlink() or target.exists()):
        raise UsageError(f"{target}: is there already", hint="--force replaces it; -o names another file")


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


# -- ONNX ---------------------------------------------------------------------------------------------


@dataclass
class OnnxModel:
    """A checkpoint's model with what ONNX is to say of it.

    Attributes:
        parts: the parts of its config, the model with its weights.
    """

    parts: Parts

    @classmethod
    def read(cls, found: Path, saved: Checkpoint) -> OnnxModel:
        """Build a checkpoint's model; no data set is needed.

        Args:
            found: the checkpoint's directory.
            saved: the checkpoint.
        """
        from trainctl.build.parts import Parts
        from trainctl.registry import extended
        from trainctl.train.state import load_weights

        loaded = config_of(saved, found, (), {"device": ("--device", "cpu")})
        with extended(loaded.names):
            parts = Parts(loaded)
        load_weights(saved, parts.model)
        parts.model.eval()
        return cls(parts)

    @property
    def metadata(self) -> dict[str, str]:
        """What a program needs to prepare inputs and to read outputs, each as JSON."""
        from trainctl.jobs.prediction import class_names
        from trainctl.train.metrics.links import link_of

        labels = class_names(self.parts)
        transforms = [{each.name: dict(each.args)} for each in self.parts.config.data.transforms]
        link = link_of(self.parts.loss)
        return {
            **({"labels": _json(labels)} if labels else {}),
            "preprocessing": _json(transforms),
            **({"output_link": link} if link else {}),
        }

    def export(
        self, metadata: Mapping[str, str], opset: int | None = None, tolerance: float | None = None, verify: bool = True
    ) -> Exported:
        """Return the model as ONNX, compared with itself on random samples unless ``verify`` is False."""
        from trainctl import onnx

        several, samples = self._has_several, self._samples()
        names = self._names(samples)
        return onnx.export(
            self.parts.model,
            () if several else samples[_INPUT],
            kwargs=samples if several else None,
            input_names=list(samples),
            output_names=names,
            opset_version=opset,
            metadata={**metadata, "inputs": _json(list(samples)), "outputs": _json(names or [_OUTPUT])},
            tolerance=tolerance,
            verify=verify,
        )

    @property
    def has_named_outputs(self) -> bool:
        """Whether the model returns a dict."""
        return self._names(self._samples()) is not None

    def _names(self, samples: Mapping[str, Any]) -> list[str] | None:
        """Return the keys of the model's outputs; None where it has one."""
        import trainctl
        from trainctl.train.batches import forward

        with trainctl.no_grad():
            result = forward(self.parts.model, dict(samples) if self._has_several else samples[_INPUT])
        return list(result) if isinstance(result, Mapping) else None

    @property
    def _has_several(self) -> bool:
        return isinstance(self.parts.sample.inputs, Mapping)

    def _samples(self) -> dict[str, Any]:
        """Return random samples as the model gets them, the same each time."""
        import numpy as np

        import trainctl
        from trainctl.data import Compose

        generator, spec = np.random.default_rng(0), self.parts.sample.inputs
        if isinstance(spec, Mapping):
            return {name: trainctl.from_numpy(_drawn(generator, each)) for name, each in spec.items()}
        change = Compose(self.parts.transforms)
        drawn = trainctl.from_numpy(_drawn(generator, spec))
        return {_INPUT: trainctl.stack([change(sample) for sample in drawn])}


def _drawn(generator: Any, spec: Any) -> Any:
    """Return samples of a kind: whole numbers in their range, others around 0."""
    import numpy as np

    shape, dtype = (_SAMPLES, *spec.shape), np.dtype(spec.dtype)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    return generator.integers(0, spec.high or 2, shape).astype(dtype)


def _onnx_facts(exported: Exported) -> dict[str, Any]:
    report = exported.report
    assert report is not None
    return {
        "opset": exported.opset,
        "nodes": exported.nodes,
        "inputs": exported.inputs,
        "outputs": exported.outputs,
        "parity": {
            "batch_sizes": report.sizes,
            "max_relative_error": report.error,
            "tolerance": report.tolerance,
            "max_steps": report.steps,
            "summary": str(report),
        },
    }


# -- weights alone ------------------------------------------------------------------------------------


def _weights(saved: Checkpoint, kind: Format, metadata: Mapping[str, str]) -> bytes:
    """Return the weights under their ``state_dict`` keys."""
    from trainctl.storage.tensor_file import encode_tensors

    if kind == "safetensors":
        return b"".join(encode_tensors(saved.model, {"format": "pt", **metadata}))
    return _zipped(saved.model)


def _zipped(arrays: Mapping[str, Any]) -> bytes:
    """Return arrays as ``numpy.load`` reads them; the names may be any, and the same arrays give the same bytes.

    bfloat16, which NumPy does not have, becomes float32.
    """
    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            whole = array if isinstance(array, np.ndarray) else array.astype(np.float32)
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(whole), allow_pickle=False)
    return buffer.getvalue()
