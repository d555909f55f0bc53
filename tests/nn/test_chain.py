"""Recurrent layers in a config's chain: one tensor in, one out, with the parameters of the plain layer."""

from __future__ import annotations

import inspect

import pytest

import trainctl
from trainctl import nn
from trainctl.build import check
from trainctl.config import load_config
from trainctl.errors import ConfigError
from trainctl.nn import chain

NAMES = ["RNN", "LSTM", "GRU"]


def pair(name, **options):
    """Return a layer in a chain and the plain one, with equal weights."""
    layer = getattr(chain, name)(3, 4, **options)
    options.pop("output", None)
    plain = getattr(nn, name)(3, 4, batch_first=True, **options)
    plain.load_state_dict(layer.state_dict())
    return layer, plain


@pytest.mark.parametrize("name", NAMES)
def test_the_sequence_is_the_plain_layer_s_output(name):
    layer, plain = pair(name, num_layers=2, bidirectional=True)
    x = trainctl.randn(2, 5, 3)
    assert trainctl.equal(layer(x), plain(x)[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_last_state_is_where_each_direction_ends(name, bidirectional):
    layer, plain = pair(name, num_layers=2, bidirectional=bidirectional, output="last")
    x = trainctl.randn(2, 5, 3)
    output = plain(x)[0]
    last = layer(x)
    assert trainctl.equal(last[:, :4], output[:, -1, :4])
    assert not bidirectional or trainctl.equal(last[:, 4:], output[:, 0, 4:])
    assert last.shape == (2, 8 if bidirectional else 4)


@pytest.mark.parametrize("name", NAMES)
def test_the_arguments_are_the_plain_layer_s(name):
    ours, theirs = (
        {key: each.default for key, each in inspect.signature(made).parameters.items()}
        for made in (getattr(chain, name), getattr(nn, name))
    )
    assert ours.pop("output") == "sequence"
    assert ours.pop("batch_first") is True
    assert list(ours.items()) == [
        (key, each) for key, each in theirs.items() if key not in ("batch_first", "device", "dtype")
    ]


@pytest.mark.parametrize(
    ("options", "match"),
    [({"batch_first": False}, "batch_first must be true in a chain"), ({"output": "all"}, "got 'all'")],
)
def test_what_does_not_fit_a_chain_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        chain.GRU(3, 4, **options)


def test_the_text_shows_what_comes_out():
    assert repr(chain.GRU(3, 4)) == "GRU(3, 4, batch_first=True)"
    assert repr(chain.LSTM(3, 4, output="last")) == "LSTM(3, 4, batch_first=True, output=last)"


CONFIG = """
data: {{dataset: {{MNIST: {{root: datasets/mnist}}}}, split: {{val: 0.1}}, batch_size: 64}}
model:
  - Flatten: {{start_dim: 1, end_dim: 2}}
  - {layer}
  - Linear: {{out_features: 10}}
loss: CrossEntropyLoss
optimizer: {{Adam: {{lr: 0.01}}}}
metrics: [accuracy]
train: {{epochs: 1}}
"""


def loaded(tmp_path, layer):
    path = tmp_path / "sequence.yaml"
    path.write_text(CONFIG.format(layer=layer))
    return load_config(path, environ={})


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_an_image_as_a_sequence(tmp_path, name):
    summary = check(loaded(tmp_path, f"{name}: {{hidden_size: 16, bidirectional: true, output: last}}"))
    assert [each.output_shape for each in summary.layers] == [(28, 28), (32,), (10,)]


def test_other_dims_and_orders_are_named(tmp_path):
    with pytest.raises(ConfigError, match="batch_first must be true in a chain"):
        check(loaded(tmp_path, "LSTM: {hidden_size: 16, batch_first: false, output: last}"))
    with pytest.raises(ConfigError, match=r"output: expected 'sequence' or 'last', got 'end'"):
        check(loaded(tmp_path, "LSTM: {hidden_size: 16, output: end}"))
