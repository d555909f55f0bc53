from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trainctl
from tests.data.idx_files import write_mnist
from trainctl.build import build, check
from trainctl.config import config_from_yaml
from trainctl.data import MNIST
from trainctl.errors import ConfigError, DataError

NO_GPU = "no NVIDIA driver (libcuda.so.1 was not found)"


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch):
    monkeypatch.setattr("trainctl.backend.cuda.driver_devices", lambda: NO_GPU)


TEMPLATE = """\
data: {{dataset: {{MNIST: {{root: {root}}}}}, split: {{val: {val}}}, transforms: {transforms}}}
loss: {loss}
optimizer: {optimizer}
metrics: [accuracy]
seed: {seed}
device: {device}
train: {{epochs: 1}}
name: test
model:
{model}
"""
MLP = "  - Flatten\n  - Linear: {out_features: 16}\n  - ReLU\n  - Linear: {out_features: 10}"


def load(model: str = MLP, **values: object):
    defaults = {
        "root": "no-such-folder",
        "val": 0.25,
        "transforms": "[]",
        "loss": "CrossEntropyLoss",
        "optimizer": "{SGD: {lr: 0.1}}",
        "seed": 0,
        "device": "auto",
    }
    return config_from_yaml(TEMPLATE.format(model=model, **{**defaults, **values}), "c.yaml")


def problems(model: str = MLP, **values: object) -> list[tuple[str, str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        check(load(model, **values))
    return [(f"{each.line}:{each.column}", each.message, each.hint) for each in caught.value.problems]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder in MNIST's form: 40 training and 8 test samples."""
    draw = np.random.default_rng(0)
    for part, count in (("train", 40), ("t10k", 8)):
        images = draw.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        write_mnist(tmp_path / "data", images, (np.arange(count) % 10).astype(np.uint8), part)
    return tmp_path / "data"


def test_a_summary_has_every_layer_with_its_inferred_sizes():
    summary = check(
        load(
            "  - Conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}\n  - ReLU\n  - Dropout: {p: 0.2}\n"
            "  - Flatten\n  - Linear: {out_features: 10, bias: false}"
        )
    )
    assert summary.input_shape == (1, 28, 28)
    assert [(each.path, each.layer.partition("(")[0]) for each in summary.layers] == [
        ("model.0", "Conv2d"),
        ("model.1", "ReLU"),
        ("model.2", "Dropout"),
        ("model.3", "Flatten"),
        ("model.4", "Linear"),
    ]
    assert [each.output_shape for each in summary.layers] == [*3 * [(8, 14, 14)], (1568,), (10,)]
    assert summary.layers[4].layer == "Linear(in_features=1568, out_features=10, bias=False)"
    assert [each.parameters for each in summary.layers] == [8 * 9 + 8, 0, 0, 0, 15680]
    assert summary.parameters == 80 + 15680


def test_declared_sizes_that_fit_are_accepted():
    model = "  - Conv2d: {in_channels: 1, out_channels: 2, kernel_size: 28}\n  - Flatten\n  - Linear: {in_features: 2, out_features: 10}"
    assert check(load(model)).layers[-1].output_shape == (10,)


@pytest.mark.parametrize("axis", [1, -1])
def test_log_probabilities_with_their_loss(axis):
    assert check(load(MLP + f"\n  - LogSoftmax: {{dim: {axis}}}", loss="NLLLoss")).parameters == 12730


# The layers, and each problem: line:column, message, hint.
MISFITS = [
    (
        "  - Flatten\n  - Linear: {in_features: 100, out_features: 10}",
        [
            (
                "11:27",
                "model.1: Linear(in_features=100) does not fit its input [N, 784] from model.0 (Flatten): "
                "expected in_features 784, got 100",
                "write `in_features: 784`, or leave in_features out",
            )
        ],
    ),
    (
        "  - Flatten\n  - Linear: {in_features: 700, out_features: 50}\n  - ReLU\n"
        "  - Linear:\n      in_features: 64\n      out_features: 10",
        [
            (
                "11:27",
                "model.1: Linear(in_features=700) does not fit its input [N, 784] from model.0 (Flatten): "
                "expected in_features 784, got 700",
                "write `in_features: 784`, or leave in_features out",
            ),
            (
                "14:20",
                "model.3: Linear(in_features=64) does not fit its input [N, 50] from model.2 (ReLU): "
                "expected in_features 50, got 64",
                "write `in_features: 50`, or leave in_features out",
            ),
        ],
    ),
    (
        "  - Conv2d: {in_channels: 3, out_channels: 4, kernel_size: 3}\n  - Flatten\n  - Linear: {out_features: 10}",
        [
            (
                "10:27",
                "model.0: Conv2d(in_channels=3) does not fit its input [N, 1, 28, 28] from the data: "
                "expected in_channels 1, got 3",
                "write `in_channels: 1`, or leave in_channels out",
            )
        ],
    ),
    (
        "  - Linear: {in_features: 784, out_features: 32}\n  - Flatten\n  - Linear: {out_features: 10}",
        [
            (
                "10:27",
                "model.0: Linear(in_features=784) does not fit its input [N, 1, 28, 28] from the data: "
                "expected in_features 28, got 784",
                "put `Flatten` before it",
            )
        ],
    ),
    (
        # After a layer that takes nothing of the kind, checking goes on where a layer says what it wants.
        "  - Flatten\n  - Conv2d: {out_channels: 4, kernel_size: 3}\n  - ReLU\n"
        "  - Linear: {in_features: 8, out_features: 4}\n  - Linear: {in_features: 5, out_features: 10}",
        [
            ("11:5", "model.1: Conv2d takes [N, C, H, W], got [N, 784] from model.0 (Flatten)", None),
            (
                "14:27",
                "model.4: Linear(in_features=5) does not fit its input [N, 4] from model.3 (Linear): "
                "expected in_features 4, got 5",
                "write `in_features: 4`, or leave in_features out",
            ),
        ],
    ),
    (
        "  - Flatten: {start_dim: 0}\n  - Linear: {out_features: 10}",
        [
            (
                "10:5",
                "model.0: Flatten makes [1568] of a batch [2, 1, 28, 28]",
                "the first dimension must stay, and no other may be 0",
            )
        ],
    ),
    (
        "  - Flatten\n  - Linear: {out_features: 0}\n  - Linear: {out_features: 10}",
        [("11:5", "model.1: Linear makes [2, 0] of a batch [2, 784]", "the first dimension must stay, and no other may be 0")],
    ),
    (
        "  - Flatten\n  - Linear: {out_features: 7}\n  - ReLU",
        [
            (
                "11:28",
                "model.1: Linear(out_features=7): the model gives [N, 7], CrossEntropyLoss with MNIST takes [N, 10]",
                "write `out_features: 10`, one for each class",
            )
        ],
    ),
    (
        "  - Linear: {out_features: 10}",
        [
            (
                "10:5",
                "model.0: the model gives [N, 1, 28, 10], CrossEntropyLoss with MNIST takes [N, 10]",
                "end the model with `Flatten` and `Linear: {out_features: 10}`",
            )
        ],
    ),
    (
        "  - Flatten\n  - Dropout: {p: 2}\n  - Linear: {out_features: 10}",
        [("11:5", "model.1: Dropout: dropout probability has to be between 0 and 1, but got 2.0", None)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("model", "expected"), MISFITS)
def test_layers_that_do_not_fit(model, expected):
    assert problems(model) == expected


@pytest.mark.parametrize(
    ("model", "place", "start"),
    [
        ("  - Conv2d: {out_channels: 3, kernel_size: 40}", "10:5", "model.0: Conv2d does not take [N, 1, 28, 28] from the data: "),
        ("  - Conv2d: {out_channels: 3, kernel_size: [3, 3, 3]}", "10:31", "model.0: Conv2d: "),
        ("  - Conv2d: {out_channels: 3, kernel_size: 3, groups: 2}", "10:55", "model.0: Conv2d: "),
        ("  - Conv2d: {out_channels: 3, kernel_size: 3, stride: 0}", "10:5", "model.0: Conv2d "),
        ("  - Flatten: {start_dim: 7}", "10:5", "model.0: Flatten does not take [N, 1, 28, 28] from the data: "),
        ("  - Flatten\n  - Linear: {out_features: -5}", "11:5", "model.1: Linear: "),
        ("  - Flatten\n  - Linear: {out_features: 1000000000000}", "11:5", "model.1: Linear: "),
        ("  - Flatten\n  - Linear: {out_features: 9223372036854775807}", "11:5", "model.1: Linear: "),
        ("  - Unflatten: {dim: 1, unflattened_size: [2, 5]}", "10:5", "model.0: Unflatten does not take "),
    ],
)  # fmt: skip
def test_what_a_layer_refuses_is_reported_in_its_words_at_its_line(model, place, start):
    ((found, message, _),) = problems(model)
    assert found == place
    assert message.startswith(start)
    assert len(message) > len(start)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"loss": "MSELoss"},
            ("2:7", "loss: MSELoss takes numbers as targets; those of MNIST are class numbers",
             "write `loss: CrossEntropyLoss` or `loss: MultiMarginLoss` or `loss: NLLLoss`"),
        ),
        (
            {"loss": "{CrossEntropyLoss: {reduction: none}}"},
            ("2:38", "loss: expected one number for a batch, got one for each of [2]", "write `reduction: mean`"),
        ),
        ({"optimizer": "{SGD: {lr: -1}}"}, ("3:23", "optimizer: SGD: Invalid learning rate: -1.0", None)),
        (
            {"optimizer": "{SGD: {nesterov: true}}"},
            ("3:29", "optimizer: SGD: Nesterov momentum requires a momentum and zero dampening", None),
        ),
        (
            {"device": "cuda:1"},
            ("6:9", f"device: device 'cuda:1' is not available: {NO_GPU}",
             "write `device: cpu`, or `device: auto` to take a GPU only where there is one"),
        ),
        (
            {"transforms": "[{Normalize: {mean: 0, std: 0}}]"},
            ("1:110", "data.transforms.0: Normalize: std should not be zero, nor so small that float32 makes it so, got 0.0", None),
        ),
        (
            {"transforms": "[{Normalize: {mean: [0, 0], std: 1}}]"},
            ("1:83", "data.transforms.0: Normalize: Normalize has a mean for 2 channels, got an image of 1: [1, 28, 28]", None),
        ),
    ],
)  # fmt: skip
def test_other_parts_that_do_not_fit(values, expected):
    assert problems(**values) == [expected]


def test_a_model_whose_output_nothing_declares():
    ((place, message, hint),) = problems("  - Flatten\n  - ReLU")
    assert (place, message) == (
        "11:5",
        "model.1: the model gives [N, 784], CrossEntropyLoss with MNIST takes [N, 10]",
    )
    assert hint == "end the model with `Linear: {out_features: 10}`"


def test_a_model_without_parameters(monkeypatch):
    monkeypatch.setattr(MNIST, "_IMAGE", (10,))
    ((place, message, _),) = problems("  - ReLU")
    assert (place, message) == ("3:1", "optimizer: SGD: optimizer got an empty parameter list")


def test_everything_wrong_at_once_in_the_order_of_the_file():
    found = problems(
        "  - Flatten\n  - Linear: {in_features: 3, out_features: 8}\n  - Linear: {out_features: 9}",
        transforms="[{Normalize: {mean: 0, std: 0}}]",
        loss="{CrossEntropyLoss: {label_smoothing: 2}}",
        optimizer="{Adam: {eps: -1}}",
        device="cuda",
    )
    assert [place.partition(":")[0] for place, _, _ in found] == ["1", "3", "6", "11", "12"]


def test_check_reads_no_data_and_leaves_the_random_stream_alone():
    trainctl.manual_seed(5)
    before = trainctl.get_rng_state()
    check(load(MLP.replace("ReLU", "Dropout")))
    assert trainctl.equal(trainctl.get_rng_state(), before)


SIZES = st.one_of(st.integers(-1, 12), st.sampled_from([28, 784, 2**40, 2**63 - 1]))
LAYERS = st.one_of(
    st.just("Flatten"),
    st.just("ReLU"),
    st.builds("Flatten: {{start_dim: {}, end_dim: {}}}".format, st.integers(-3, 4), st.integers(-3, 4)),
    st.builds("Linear: {{out_features: {}}}".format, SIZES),
    st.builds("Linear: {{in_features: {}, out_features: {}}}".format, SIZES, SIZES),
    st.builds("Dropout: {{p: {}}}".format, st.floats(-0.5, 1.5)),
    st.builds("Softmax: {{dim: {}}}".format, st.integers(-3, 3)),
    st.builds("Unflatten: {{dim: {}, unflattened_size: [{}, {}]}}".format, st.integers(-2, 3), SIZES, SIZES),
    st.builds(
        "Conv2d: {{out_channels: {}, kernel_size: {}, stride: {}, padding: {}, dilation: {}, groups: {}}}".format,
        *(st.integers(-1, 6) for _ in range(6)),
    ),
    st.builds("Conv1d: {{out_channels: {}, kernel_size: {}}}".format, *(st.integers(-1, 6) for _ in range(2))),
)  # fmt: skip


@given(st.lists(LAYERS, min_size=1, max_size=6), st.booleans())
def test_any_chain_of_layers_fits_or_says_which_does_not(layers, ends_well):
    layers = [*layers, *(["Flatten", "Linear: {out_features: 10}"] if ends_well else [])]
    try:
        summary = check(load("\n".join(f"  - {layer}" for layer in layers)))
    except ConfigError as error:
        found = [(problem.message, problem.line) for problem in error.problems]
        assert all(re.match(r"model\.\d+: |optimizer: ", message) and line for message, line in found), found
    else:
        assert len(summary.layers) == len(layers)
        assert summary.layers[-1].output_shape == (10,)


def test_an_experiment_has_all_its_parts(data):
    experiment = build(load(root=data, transforms="[{Normalize: {mean: 0.5, std: 0.5}}]", optimizer="{SGD: {lr: 0.3}}"))
    assert type(experiment.model).__name__ == "Sequential"
    assert sorted(experiment.model.state_dict()) == ["1.bias", "1.weight", "3.bias", "3.weight"]
    assert all(module.training for module in experiment.model.modules())
    assert experiment.optimizer.param_groups[0]["lr"] == 0.3
    assert len(experiment.optimizer.param_groups[0]["params"]) == 4
    assert list(experiment.metrics) == ["accuracy"]
    assert (len(experiment.train_data), len(experiment.val_data), len(experiment.test_data)) == (30, 10, 8)
    assert experiment.config is experiment.loaded.config
    image, label = experiment.test_data[3]
    assert (image.shape, label) == ((1, 28, 28), 3)
    assert image.min().item() < -0.9


def test_the_seed_decides_weights_and_split(data):
    experiments = [build(load(root=data, seed=seed)) for seed in (1, 1, 2)]
    weights = [each.model[1].weight.detach().numpy() for each in experiments]
    held_out = [list(each.val_data.indices) for each in experiments]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert held_out[0] == held_out[1]
    assert not np.array_equal(weights[0], weights[2])
    assert held_out[0] != held_out[2]


def test_the_split_covers_the_training_samples_once(data):
    experiment = build(load(root=data))
    assert sorted([*experiment.train_data.indices, *experiment.val_data.indices]) == list(range(40))


def test_the_split_does_not_depend_on_the_model(data):
    small, large = (build(load(f"  - Flatten\n  - Linear: {{out_features: {size}}}\n  - Linear: {{out_features: 10}}", root=data))
                    for size in (2, 64))  # fmt: skip
    assert list(small.val_data.indices) == list(large.val_data.indices)


def test_no_split(data):
    experiment = build(load(root=data, val=0))
    assert (len(experiment.train_data), experiment.val_data) == (40, None)


@pytest.mark.parametrize("val", [0.01, 0.99])
def test_a_split_that_leaves_a_part_empty(data, val):
    with pytest.raises(ConfigError, match=r"c\.yaml:1:.*data\.split\.val: .*of 40 samples leaves a part without any"):
        _ = build(load(root=data, val=val)).train_data


def test_missing_data():
    with pytest.raises(DataError, match="no-such-folder"):
        build(load())


def test_what_check_refuses_build_refuses(data):
    with pytest.raises(ConfigError, match=r"model\.1: Linear\(in_features=3\)"):
        build(load("  - Flatten\n  - Linear: {in_features: 3, out_features: 10}", root=data))
