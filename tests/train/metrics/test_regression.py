from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import trainctl
from tests.train.metrics import reference
from trainctl import nn
from trainctl.errors import ConfigError
from trainctl.train.metrics import MAE, MSE, R2, RMSE, Metric, Perplexity, SampleLoss

CUTS = (0, 1, 13, 14, 40)


def measured(metric: Metric, output: np.ndarray, target: np.ndarray, loss: object = None) -> float:
    metric.bind(loss or nn.MSELoss())
    metric.reset()
    for start, stop in itertools.pairwise(CUTS):
        metric.update(trainctl.from_numpy(output[start:stop]), trainctl.from_numpy(target[start:stop]))
    return metric.compute()


@pytest.mark.parametrize("shape", [(40,), (40, 1), (40, 3), (40, 2, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_of_values(shape: tuple[int, ...], dtype: type):
    draw = np.random.default_rng(0)
    output, target = draw.normal(size=(2, *shape)).astype(dtype)
    errors = (output.astype(float) - target.astype(float)).reshape(-1)
    assert measured(MAE(), output, target) == pytest.approx(math.fsum(np.abs(errors)) / errors.size, rel=1e-15)
    mse = math.fsum(errors**2) / errors.size
    assert measured(MSE(), output, target) == pytest.approx(mse, rel=1e-15)
    assert measured(RMSE(), output, target) == pytest.approx(math.sqrt(mse), rel=1e-15)
    flat = (each.astype(float).reshape(40, -1) for each in (output, target))
    assert measured(R2(), output, target) == pytest.approx(reference.r2(*flat), rel=1e-13)


@pytest.mark.parametrize("metric", [MAE(), MSE(), RMSE()])
def test_neither_order_nor_batches_change_the_last_bit(metric: Metric):
    draw = np.random.default_rng(1)
    output, target = (draw.normal(size=(2, 40)) * 10.0 ** draw.integers(-8, 8, (2, 40))).astype(np.float32)
    order = draw.permutation(40)
    assert measured(metric, output, target) == measured(metric, output[order], target[order])


def test_r2_of_large_numbers_that_lie_close_is_still_exact():
    draw = np.random.default_rng(0)
    target = 1e9 + draw.normal(size=40)
    output = target + 0.1 * draw.normal(size=40)
    expected = reference.r2(output[:, None], target[:, None])
    assert measured(R2(), output, target) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("off", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_r2_of_targets_that_do_not_vary(off: float, expected: float):
    assert measured(R2(), np.full(40, 3.0 + off), np.full(40, 3.0)) == expected


def test_figures_of_too_few_samples_are_not_numbers():
    for metric in (MAE(), RMSE(), R2(), Perplexity()):
        assert math.isnan(metric.compute())
    r2 = R2()
    r2.update(trainctl.tensor([1.0]), trainctl.tensor([1.0]))
    assert math.isnan(r2.compute())


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_outputs_that_are_not_finite_show(bad: float):
    output, target = np.zeros(40), np.arange(40.0)
    output[3] = bad
    for metric in (MAE(), MSE(), RMSE(), R2()):
        assert not math.isfinite(measured(metric, output, target))


@pytest.mark.parametrize(("output", "target"), [((4, 3), (4,)), ((4,), (5,)), ((4, 2), (4, 3)), ((), ())])
def test_shapes_that_differ_are_refused(output: tuple[int, ...], target: tuple[int, ...]):
    for metric in (MAE(), MSE(), RMSE(), R2()):
        with pytest.raises(ConfigError, match=f"{metric.label} expects values and targets of one shape"):
            metric.update(trainctl.zeros(output), trainctl.zeros(target))


def test_one_column_is_as_good_as_none():
    draw = np.random.default_rng(0)
    output, target = draw.normal(size=(40, 1)), draw.normal(size=40)
    assert measured(MAE(), output, target) == measured(MAE(), output[:, 0], target)


# -- perplexity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignored", [-100, 0])
def test_perplexity_counts_each_token_once(ignored: int):
    draw = np.random.default_rng(0)
    scores, target = 3 * draw.normal(size=(40, 5, 7)), draw.integers(0, 5, (40, 7))
    target[draw.random((40, 7)) < 0.4] = ignored  # batches with different numbers of tokens
    losses = reference.cross_entropy(scores.transpose(0, 2, 1).reshape(-1, 5), target.reshape(-1), ignored)
    expected = math.exp(math.fsum(losses) / len(losses))
    loss = nn.CrossEntropyLoss(ignore_index=ignored)
    assert measured(Perplexity(), scores, target, loss) == pytest.approx(expected, rel=1e-13)
    assert measured(Perplexity(ignore_index=ignored), scores, target) == pytest.approx(expected, rel=1e-13)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    nll = nn.NLLLoss(ignore_index=ignored)
    assert measured(Perplexity(), logs, target, nll) == pytest.approx(expected, rel=1e-13)


def test_perplexity_past_what_floats_hold_is_infinite():
    scores = np.zeros((40, 2))
    scores[:, 0] = 1000.0
    assert measured(Perplexity(), scores, np.ones(40, np.int64), nn.CrossEntropyLoss()) == math.inf


def test_perplexity_takes_classes_alone():
    perplexity = Perplexity()
    perplexity.bind(nn.BCEWithLogitsLoss())
    with pytest.raises(ConfigError, match="perplexity expects scores"):
        perplexity.update(trainctl.zeros(3, 2), trainctl.zeros(3, 2))


# -- the loss of each sample --------------------------------------------------------------------------

CLASSES = np.random.default_rng(0).integers(0, 4, 40)
VALUES = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), CLASSES),
        (nn.CrossEntropyLoss(ignore_index=2), CLASSES),
        (nn.MSELoss(), VALUES[::-1].copy()),
        (nn.HuberLoss(), VALUES[::-1].copy()),
        (lambda output, target: ((output - target) ** 2).mean(), VALUES[::-1].copy()),
    ],
)
def test_losses_of_samples_add_up_to_the_loss(loss: object, target: np.ndarray):
    mean = SampleLoss(loss)
    assert measured(mean, VALUES, target) == pytest.approx(
        loss(trainctl.from_numpy(VALUES), trainctl.from_numpy(target)).item(), rel=1e-5
    )
    assert mean.records(trainctl.from_numpy(VALUES), trainctl.from_numpy(target)).shape == (40, 2)


def test_a_summed_loss_is_the_mean_over_samples():
    total = nn.MSELoss(reduction="sum")
    output, target = trainctl.from_numpy(VALUES), trainctl.zeros(40, 4)
    assert measured(SampleLoss(total), VALUES, np.zeros_like(VALUES)) == pytest.approx(
        total(output, target).item() / 40, rel=1e-5
    )
