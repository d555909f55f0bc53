from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.quantized_models import MODELS, trained
from trainctl.errors import DataError, UsageError
from trainctl.jobs import run_evaluation, run_quantization
from trainctl.jobs.latency import latencies
from trainctl.jobs.quantization_data import data_parts
from trainctl.jobs.quantization_search import search
from trainctl.storage.quantization_record import Settings
from trainctl.train.drops import Drop

MNIST = f"data.dataset={{MNIST: {{root: {Path(__file__).parents[2] / 'datasets' / 'mnist'}}}}}"


@pytest.mark.parametrize("name", [name for name in MODELS if name != "resnet"])
def test_a_small_model_of_each_kind_holds_its_accuracy(name: str, tmp_path: Path):
    """Of 10,000 test images, which neither training nor calibration nor the search has seen."""
    run = trained(tmp_path, name, "train.epochs=1")
    settings = Settings(max_drop=0.002, overrides=[MNIST], calibration_batches=8)
    result = run_quantization(run, tmp_path / "int8", settings)
    assert result["passed"], result["reason"]
    assert result["search"]["evaluations"] <= len(result["layers"]) + 1
    assert result["verdict"]["drop"] <= result["verdict"]["bound"] <= 0.002
    assert result["bytes"]["ratio"] <= 0.28
    assert (result["split"], result["samples"]) == ("test", 10_000)
    measured = run_evaluation(tmp_path / "int8", overrides=[MNIST])
    figures = {each["name"]: each["quantized"] for each in result["figures"]}
    assert measured["metrics"]["accuracy"] == figures["accuracy"]


# -- data ---------------------------------------------------------------------------------------------


@dataclass
class Samples:
    """A subject of which only the data is looked at: each sample is its own number."""

    sizes: dict[str, int]
    found: str = "runs/some"

    @property
    def splits(self) -> list[str]:
        return list(self.sizes)

    def data(self, split: str) -> Any:
        import trainctl
        from trainctl.data import TensorDataset

        if split not in self.sizes:
            raise UsageError(f"no {split}")
        first = {"train": 0, "val": 10_000, "test": 20_000}[split]
        numbers = trainctl.arange(first, first + self.sizes[split]).float()
        return TensorDataset(numbers, numbers)


def seen(parts: Any) -> list[set[float]]:
    calibration = {each for batch in parts.calibration for each in batch.tolist()}
    return [
        calibration,
        *({data[index][0].item() for index in range(len(data))} for _, data in (parts.search, parts.verdict)),
    ]


@pytest.mark.parametrize(
    ("sizes", "split", "names"),
    [
        ({"train": 100, "val": 20, "test": 30}, None, ("val", "test")),
        ({"train": 100, "val": 20, "test": 30}, "val", ("a part of train", "val")),
        ({"train": 100, "val": 20}, None, ("a part of train", "val")),
        ({"train": 100, "test": 30}, None, ("a part of train", "test")),
        ({"train": 100}, None, ("a part of train", "a part of train")),
        ({"train": 100, "val": 20, "test": 30}, "train", ("val", "a part of train")),
        ({"train": 3}, None, ("a part of train", "a part of train")),
    ],
)
def test_nobody_sees_a_sample_of_another(sizes: dict[str, int], split: str | None, names: tuple[str, str]):
    parts = data_parts(Samples(sizes), split, batches=4, batch_size=8, seed=0)  # type: ignore[arg-type]  # a stand-in
    assert (parts.search[0], parts.verdict[0]) == names
    groups = seen(parts)
    assert all(groups)
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert parts.samples == len(groups[0]) == min(32, sizes["train"] // (1 + names.count("a part of train")))


def test_more_batches_than_there_are_take_what_is_there():
    parts = data_parts(Samples({"train": 20, "val": 5, "test": 5}), None, 1000, 64, 0)  # type: ignore[arg-type]  # a stand-in
    assert parts.samples == 20


def test_the_seed_decides_which_samples_and_their_hash():
    one, same, other = (
        data_parts(Samples({"train": 100, "val": 5, "test": 5}), None, 1, 8, seed)  # type: ignore[arg-type]  # a stand-in
        for seed in (0, 0, 1)
    )
    assert seen(one)[0] == seen(same)[0] != seen(other)[0]
    assert one.sha256 == same.sha256 != other.sha256


def test_too_few_samples_are_told_of():
    with pytest.raises(DataError, match="2 training samples; calibration, search and verdict need one each"):
        data_parts(Samples({"train": 2}), None, 1, 8, 0)  # type: ignore[arg-type]  # a stand-in


def test_a_sample_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch):
    subject = Samples({"train": 20, "val": 5, "test": 5})
    whole = subject.data("train")
    whole.tensors[0][7] = float("nan")
    monkeypatch.setattr(Samples, "data", lambda self, split: whole)
    with pytest.raises(DataError, match="sample 7 of the train split: its input holds NaN"):
        data_parts(subject, None, 4, 8, 0)  # type: ignore[arg-type]  # a stand-in


# -- the search ---------------------------------------------------------------------------------------


class Layers:
    """A model of named layers, each of which costs something as long as it is quantized."""

    def __init__(self, costs: dict[str, float]) -> None:
        self.costs, self.names = costs, list(costs)
        self.choices = [type("Choice", (), {"name": name, "module": _Nothing()}) for name in costs]

    def most_sensitive(self) -> list[str]:
        return sorted(self.names, key=lambda name: -self.costs[name])

    def convert(self, keep: Any = (), why: str = "") -> Any:
        return type("Quantized", (), {"model": sum(cost for name, cost in self.costs.items() if name not in keep)})


class _Nothing:
    def parameters(self) -> list[Any]:
        return []

    buffers = parameters


def searched(costs: dict[str, float], max_drop: float) -> Any:
    return search(Layers(costs), lambda cost: Drop(0.0, 0.0, cost, cost), max_drop)  # type: ignore[arg-type]  # a stand-in


def test_nothing_is_left_where_the_drop_holds():
    found = searched({"a": 0.1, "b": 0.2}, 0.5)
    assert (found.keep, found.evaluations, found.holds) == ([], 1, True)


def test_the_most_sensitive_layers_are_left_one_by_one():
    found = searched({"a": 0.1, "b": 0.5, "c": 0.01, "d": 0.3}, 0.2)
    assert (found.keep, found.evaluations, found.holds) == (["b", "d"], 3, True)
    assert [each.layer for each in found.steps] == ["b", "d"]
    assert [round(each.drop_after, 6) for each in found.steps] == [0.41, 0.11]


def test_it_ends_before_the_float_model():
    found = searched({"a": 0.1, "b": 0.5, "c": 0.4}, 0.0)
    assert (found.keep, found.holds) == (["b", "c"], False)
    assert found.evaluations == 3


def test_one_layer_alone_is_not_left():
    found = searched({"a": 1.0}, 0.1)
    assert (found.keep, found.evaluations, found.holds) == ([], 1, False)


def test_a_drop_that_is_no_number_does_not_hold():
    found = search(Layers({"a": 1, "b": 1}), lambda cost: Drop(0.0, 0.0, np.nan, np.nan), 1.0)  # type: ignore[arg-type]  # a stand-in
    assert not found.holds
    assert found.steps[0].drop_after is None


# -- latency ------------------------------------------------------------------------------------------


def test_latency_is_measured_in_turns(monkeypatch: pytest.MonkeyPatch):
    clock, calls = [0.0], []

    def model(name: str, seconds: float) -> Any:
        def call(batch: Any) -> None:
            calls.append(name)
            clock[0] += seconds

        return call

    monkeypatch.setattr("trainctl.jobs.latency.time.perf_counter", lambda: clock[0])
    slow, fast = model("slow", 0.2), model("fast", 0.1)
    (found,) = latencies([slow, fast], [[1, 2, 3]])
    assert found["gain"]
    assert (found["batch_size"], found["float_ms"], found["quantized_ms"], found["speedup"]) == (3, 200, 100, 2)
    assert calls[::2] == ["slow"] * (len(calls) // 2)
    (found,) = latencies([fast, slow], [[1]])
    assert not found["gain"]
