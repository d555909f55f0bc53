"""The Transformer: layers, stacks, and both together."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import trainctl
from tests.nn.modules.parity import drawn, filled, outcome
from tests.scripts import Scripts
from trainctl import nn

scripts = Scripts()

E, H, N, S, T = 4, 2, 2, 3, 5
FORMS = [
    {}, {"batch_first": True}, {"norm_first": True}, {"bias": False, "layer_norm_eps": 0.01}, {"activation": "gelu"},
    {"batch_first": True, "norm_first": True, "activation": "gelu"}, {"activation": "F.gelu"}, {"activation": "nn.ReLU"},
]  # fmt: skip


def made(lib, name, form, *args, **options):
    """Return a layer or model, filled, and a function of a length that gives an input."""
    named = {"F.gelu": lib.nn.functional.gelu, "nn.ReLU": lib.nn.ReLU()}
    form = {key: named.get(value, value) if key == "activation" else value for key, value in form.items()}
    module = getattr(lib.nn, name)(E, H, *args, dim_feedforward=6, dropout=0.0, **form, **options)

    def given(length, seed=1):
        return drawn(lib, *((N, length, E) if form.get("batch_first") else (length, N, E)), seed=seed)

    return filled(module, lib), given


def upper(lib, size, as_bool=False):
    mask = lib.nn.Transformer.generate_square_subsequent_mask(size, dtype=lib.float64)
    return mask != 0 if as_bool else mask


def padding(lib, size):
    """A mask that cuts the second sample off after its first position."""
    return lib.tensor([[False] * size, [False] + [True] * (size - 1)])


for _form in FORMS:

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def an_encoder_layer(lib, form=_form):
        layer, given = made(lib, "TransformerEncoderLayer", form)
        return outcome(layer, [given(S)], src_mask=upper(lib, S, True), src_key_padding_mask=padding(lib, S))

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def a_decoder_layer(lib, form=_form):
        layer, given = made(lib, "TransformerDecoderLayer", form)
        memory_mask = lib.tensor([[False, True, False]] * T)
        masks = {
            "tgt_mask": upper(lib, T),
            "tgt_is_causal": True,
            "memory_key_padding_mask": padding(lib, S),
            "memory_mask": memory_mask,
        }
        return outcome(layer, [given(T), given(S, 2)], **masks)

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def encoder_and_decoder(lib, form=_form):
        model, given = made(lib, "Transformer", form, num_encoder_layers=2, num_decoder_layers=1)
        masks = {
            "tgt_mask": upper(lib, T, True),
            "src_key_padding_mask": padding(lib, S),
            "memory_key_padding_mask": padding(lib, S),
            "tgt_key_padding_mask": padding(lib, T),
        }
        return outcome(model, [given(S), given(T, 2)], **masks)

    @scripts.agrees(rtol=1e-9, atol=1e-12)
    def no_masks_in_evaluation(lib, form=_form):
        model, given = made(lib, "Transformer", form, num_encoder_layers=1, num_decoder_layers=1)
        with lib.no_grad():
            return model.eval()(given(S), given(T, 2))


@scripts.agrees(rtol=1e-9, atol=1e-12)
def one_sample_without_a_batch(lib):
    model, _ = made(lib, "Transformer", {"batch_first": True}, num_encoder_layers=1, num_decoder_layers=1)
    return outcome(model, [drawn(lib, S, E), drawn(lib, T, E)], tgt_mask=upper(lib, T), tgt_is_causal=True)


AT_THE_END, ANYWHERE = [[False] * 3, [False, True, True]], [[True, False, False], [False, False, True]]
for _options in ({}, {"enable_nested_tensor": False}, {"mask_check": False}):
    for _ignored in (AT_THE_END, *([] if "mask_check" in _options else [ANYWHERE])):
        for _form in ({"batch_first": True}, {"batch_first": True, "norm_first": True}, {}):
            for _grads in (True, False):

                @scripts.agrees(rtol=1e-9, atol=1e-12)
                def padded_positions_in_evaluation(lib, options=_options, ignored=_ignored, form=_form, grads=_grads):
                    layer, given = made(lib, "TransformerEncoderLayer", form)
                    encoder = lib.nn.TransformerEncoder(
                        layer, 2, lib.nn.LayerNorm(E, dtype=lib.float64), **options
                    ).eval()
                    with lib.enable_grad() if grads else lib.no_grad():
                        return encoder(given(S), src_key_padding_mask=lib.tensor(ignored))


@scripts.gives([[0.0, -float("inf")], [0.0, 0.0], "lib.float32", "lib.float64", [0, 0]])
def the_causal_mask(lib):
    make = lib.nn.Transformer.generate_square_subsequent_mask
    return [*make(2).tolist(), make(3).dtype, make(3, dtype=lib.float64).dtype, make(0).shape]


@scripts.agrees()
def state_keys_of_everything(lib):
    model = lib.nn.Transformer(E, H, 1, 1, 6)
    return [(name, list(each.shape)) for name, each in model.state_dict().items()]


@scripts.raises(RuntimeError, "activation should be relu/gelu, not tanh")
def an_unknown_activation(lib):
    lib.nn.TransformerEncoderLayer(E, H, activation="tanh")


@scripts.raises(RuntimeError, "the batch number of src and tgt must be equal")
def two_batches(lib):
    lib.nn.Transformer(E, H, 1, 1, 6)(lib.rand(S, 2, E), lib.rand(T, 3, E))


@scripts.raises(RuntimeError, "the feature number of src and tgt must be equal to d_model")
def other_features(lib):
    lib.nn.Transformer(E, H, 1, 1, 6)(lib.rand(S, 2, E), lib.rand(T, 2, E + 1))


test_script = pytest.mark.filterwarnings("ignore:enable_nested_tensor", "ignore:The PyTorch API of nested")(
    scripts.test()
)


def test_the_layers_of_a_stack_begin_alike_and_learn_apart():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(E, H, 6), 2)
    one, other = encoder.layers
    assert trainctl.equal(one.linear1.weight, other.linear1.weight)
    assert one.linear1.weight is not other.linear1.weight


def test_a_model_s_matrices_are_drawn_anew():
    trainctl.manual_seed(0)
    model = nn.Transformer(100, 4, 1, 1, 300)
    weight = model.encoder.layers[0].linear1.weight.detach().numpy()
    bound = np.sqrt(6 / 400)
    assert 0.99 * bound < np.abs(weight).max() <= bound
    assert not model.decoder.norm.bias.detach().numpy().any()


def test_custom_parts():
    class Last(nn.Module):
        def forward(self, tgt, memory, **masks):
            return tgt + memory.sum()

    model = nn.Transformer(E, H, 1, 1, 6, custom_decoder=Last())
    assert model(trainctl.rand(S, N, E), trainctl.rand(T, N, E)).shape == (T, N, E)


def test_dropout_is_off_in_evaluation_alone():
    layer, x = nn.TransformerEncoderLayer(E, H, 6, 0.5), trainctl.rand(S, N, E)
    assert not trainctl.equal(layer(x), layer(x))
    assert trainctl.equal(layer.eval()(x), layer(x))


@pytest.mark.parametrize(
    "name",
    [
        "Transformer",
        "TransformerEncoder",
        "TransformerDecoder",
        "TransformerEncoderLayer",
        "TransformerDecoderLayer",
        "MultiheadAttention",
    ],
)
def test_arguments_are_pytorch_s_in_name_and_order(name):
    torch = pytest.importorskip("torch", reason="needs the extra `parity`")
    for mine, theirs in zip(
        *([getattr(lib.nn, name), getattr(lib.nn, name).forward] for lib in (trainctl, torch)), strict=True
    ):
        ours, wanted = (list(inspect.signature(each).parameters) for each in (mine, theirs))
        assert ours[: len(wanted)] == wanted
        assert set(ours[len(wanted) :]) <= {"cache", "keeps_keys"}
