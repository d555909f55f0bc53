from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from trainctl import nn, optim
from trainctl.registry import NO_LAYERS, TABLES, resolve

NAMES = [(kind, name) for kind, names in TABLES.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_what_an_entry_says_of_a_constructor_is_true(kind, name):
    entry, made = TABLES[kind][name], resolve(kind, name)
    parameters = inspect.signature(made).parameters
    assert {*entry.inferred, *entry.from_run, *entry.counts, *entry.parts, *entry.branches} <= parameters.keys()
    assert entry.output is None or entry.output in parameters
    assert made.__name__ == entry.target.partition(":")[2]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_what_is_left_out_of_a_config_has_a_default_or_is_given_by_build(kind, name):
    parameters = inspect.signature(resolve(kind, name)).parameters
    given = {"optimizer": {"params"}, "scheduler": {"optimizer"}, "phase": {"optimizer"}}.get(kind, set())
    for excluded in TABLES[kind][name].excluded:
        if excluded in parameters and excluded not in given:
            assert parameters[excluded].default is not inspect.Parameter.empty


OURS = {"Parallel", "Permute", "Repeat", "Residual"}
"""Layers of configs that ``nn`` does not have."""


@pytest.mark.parametrize("name", sorted(TABLES["layer"].keys() - OURS))
def test_layers_are_those_of_nn_under_their_own_names(name):
    assert issubclass(resolve("layer", name), getattr(nn, name))


@pytest.mark.parametrize("name", TABLES["optimizer"])
def test_optimizers_are_those_of_optim_under_their_own_names(name):
    assert resolve("optimizer", name) is getattr(optim, name)


def test_every_module_is_a_layer_a_loss_or_something_else_for_a_reason():
    modules = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    losses = {name for name in modules if name.endswith("Loss")}
    assert modules == (TABLES["layer"].keys() - OURS) | NO_LAYERS.keys() | losses
    assert not TABLES["layer"].keys() & NO_LAYERS.keys()


def test_schedulers_are_those_of_optim_but_for_functions():
    functions = {"LRScheduler", "LambdaLR", "MultiplicativeLR"}
    assert TABLES["scheduler"].keys() == set(optim.lr_scheduler.__all__) - functions
    assert TABLES["phase"].keys() == TABLES["scheduler"].keys() - {"ReduceLROnPlateau"}
    for name in TABLES["scheduler"]:
        assert resolve("scheduler", name) is getattr(optim.lr_scheduler, name)


@pytest.mark.parametrize("name", TABLES["dataset"])
def test_datasets_say_what_they_hold_without_reading_it(name):
    given = {"root": "a", "file": "a", "features": ["x"], "target": "y", "inputs": "a", "shape": [3]}
    given |= {"classes": 2, "size": 8, "sequence_length": 8}
    cls = resolve("dataset", name)
    required = [each.name for each in inspect.signature(cls).parameters.values() if each.default is each.empty]
    spec = cls.sample_spec(**{argument: given[argument] for argument in required})
    assert all(isinstance(size, int) and size > 0 for size in spec.inputs.shape)
    assert {spec.inputs.dtype, spec.target.dtype} <= {"float32", "int64"}
    options = inspect.signature(cls.sample_spec).parameters.values()
    assert {each.name for each in options if each.kind is each.POSITIONAL_OR_KEYWORD} >= set(required)


def test_names_that_the_table_does_not_have():
    with pytest.raises(KeyError):
        resolve("layer", "Linaer")


def test_the_table_itself_imports_nothing_heavy():
    code = "import sys, trainctl.registry; print([m for m in ('numpy', 'pydantic') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    assert result.stdout == "[]\n"
