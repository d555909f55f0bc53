"""Any nesting of forms, blocks and nodes: an error of the user's, or a model that reads back as it was."""

from __future__ import annotations

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from trainctl.build import check
from trainctl.config import config_from_yaml
from trainctl.config.json_schema import config_schema
from trainctl.errors import ConfigError

VALIDATOR = Draft202012Validator(config_schema())
LEAVES = st.sampled_from(
    ["ReLU", "Flatten", "BatchNorm2d", "LayerNorm", "$n", "$m", "b", "c", "Bilinear", "CosineSimilarity", "GRUCell", 3, None]
    + [{"Linear": {"out_features": size}} for size in (10, 28, "$n", 0)]
    + [{"Conv2d": {"out_channels": 2, "kernel_size": size}} for size in (1, "$n", [1, "$n"])]
    + [{"b": {"n": size}} for size in (1, "x", "$n", "ReLU")]
)  # fmt: skip
ANY = st.sampled_from([1, 0, -1, "x", "$n", None, [], {}, "cat", True, 10**18])


def forms(layers: st.SearchStrategy) -> st.SearchStrategy:
    many = st.lists(layers, max_size=3)
    return st.one_of(
        st.builds(lambda a: {"Sequential": {"layers": a}}, many | ANY),
        st.builds(lambda n, a: {"Repeat": {"times": n, "layers": a}}, st.sampled_from([1, 2, 10**9, "$n"]), many),
        st.builds(lambda a, b: {"Residual": {"layers": a, "shortcut": b}}, many, many),
        st.builds(
            lambda a, m, d: {"Parallel": {"branches": a, "merge": m, "dim": d}},
            st.lists(many, max_size=2), st.sampled_from(["cat", "sum", "x"]), st.sampled_from([1, 0, -1, 9, 10**18]),
        ),
    )  # fmt: skip


LAYERS = st.recursive(LEAVES, forms, max_leaves=6)
CHAINS = st.lists(LAYERS, max_size=4)
NAMES = st.sampled_from(["input", "a", "b", "type", "x"])
NODES = st.fixed_dictionaries(
    {"from": NAMES | st.lists(NAMES, max_size=2) | ANY},
    optional={"merge": st.sampled_from(["cat", "sum", None]) | ANY, "layers": CHAINS, "dim": ANY},
)
GRAPHS = st.dictionaries(st.sampled_from(["a", "b", "type", "outputs"]), NODES | NAMES, min_size=1, max_size=3)
BLOCKS = st.dictionaries(
    st.sampled_from(["b", "c", "ReLU", "a b"]),
    st.fixed_dictionaries({"layers": CHAINS}, optional={"parameters": st.sampled_from([["n"], [{"n": 2}], ["n", "n"], 3])})
    | ANY,
    max_size=2,
)  # fmt: skip
LOSSES = st.sampled_from(
    ["CrossEntropyLoss", "MSELoss", {"a": "MSELoss"}, {"a": "MSELoss", "weights": {"a": 1, "b": "x"}}]
)


@settings(max_examples=120)
@given(
    CHAINS.map(lambda layers: [*layers, "Flatten", {"Linear": {"out_features": 10}}]) | GRAPHS | LAYERS, BLOCKS, LOSSES
)
def test_any_model(model, blocks, loss):
    rest = {"data": {"dataset": {"MNIST": {"root": "x"}}}, "optimizer": "Adam", "train": {"epochs": 1}}
    text = yaml.safe_dump({"name": "f", "model": model, "blocks": blocks, "loss": loss, **rest})
    problems = []
    try:
        loaded = config_from_yaml(text, "c.yaml")
        assert VALIDATOR.is_valid(yaml.safe_load(text))
        assert VALIDATOR.is_valid({"extends": "base.yaml", **yaml.safe_load(text)})
        assert config_from_yaml(loaded.to_yaml(), "again").config == loaded.config
        assert loaded.describe()
        assert check(loaded).layers[-1].output_shape == (10,)
    except ConfigError as error:
        problems += error.problems
    assert all(problem.line and problem.message for problem in problems)
