from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import trainctl
from trainctl import nn
from trainctl.train.metrics import F1, MAE, Accuracy, Metric, RocAuc
from trainctl.train.records import Recorder
from trainctl.train.significance import Difference, difference, holm, mcnemar, sign_test


def compared(name: str, ours: np.ndarray, theirs: np.ndarray, target: np.ndarray, metric: Metric | None, loss=None):
    """The difference that two models' outputs make, taken in as two batches."""
    recorders = []
    for output in (ours, theirs):
        recorder = Recorder(loss or nn.CrossEntropyLoss(), {} if metric is None else {name: metric})
        for part in (slice(0, 7), slice(7, None)):
            recorder(trainctl.from_numpy(output[part]), trainctl.from_numpy(target[part]))
        recorders.append(recorder)
    return difference(name, *recorders)


# -- the sign test ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (0, 1), (5, 5), (2, 9), (30, 17), (400, 350)])
def test_the_sign_test_is_the_binomial_s(gained: int, lost: int):
    throws = gained + lost
    tail = sum(math.comb(throws, each) for each in range(min(gained, lost) + 1))
    expected = min(Fraction(1), Fraction(2 * tail, 2**throws))
    assert sign_test(gained, lost) == float(expected)
    assert sign_test(lost, gained) == sign_test(gained, lost)


def test_the_sign_test_of_many_is_as_exact():
    throws, fewer = 3000, 1400
    tail = sum(math.comb(throws, each) for each in range(fewer + 1))
    assert sign_test(fewer, throws - fewer) == pytest.approx(float(Fraction(2 * tail, 2**throws)), rel=1e-9)
    assert 0 <= sign_test(400_000, 600_000) < 1e-300
    assert sign_test(499_000, 501_000) == pytest.approx(math.erfc(1999 / 1000 / math.sqrt(2)), rel=1e-3)


def test_mcnemar_counts_only_where_the_models_differ():
    ours = np.array([True] * 8 + [False] * 92)
    theirs = np.array([False] * 8 + [True] * 2 + [False] * 90)
    found = mcnemar(ours, theirs)
    assert (found.value, found.baseline, found.difference) == (0.08, 0.02, 0.06)
    assert found.p == sign_test(8, 2)
    middle = (9 - 3) / 102
    reach = 1.959964 * math.sqrt((12 / 102 - middle**2) / 102)
    assert found.interval == pytest.approx((middle - reach, middle + reach), rel=1e-6)


# -- figures ------------------------------------------------------------------------------------------


def noisy(seed: int, share: float, samples: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two models' scores of three classes: right about as often, but for ``share`` of the samples."""
    draw = np.random.default_rng(seed)
    target = draw.integers(0, 3, samples)
    ours = draw.normal(size=(samples, 3))
    ours[np.arange(samples), target] += 2
    ours, theirs = ours + 0.5 * draw.normal(size=(2, samples, 3))
    worse = draw.random(samples) < share
    ours[worse, target[worse]] -= 4
    return ours, theirs, target


METRICS = {"accuracy": Accuracy, "f1": F1, "roc_auc": RocAuc, "loss": None}


@pytest.mark.parametrize("name", METRICS)
def test_a_clear_loss_is_found_and_has_its_sign(name: str):
    metric = METRICS[name] and METRICS[name]()
    found = compared(name, *noisy(0, 0.3), metric)
    assert isinstance(found, Difference)
    assert found.p < 0.02
    worse = found.difference if name == "loss" else -found.difference
    assert worse > 0.01
    assert found.interval[0] < found.difference < found.interval[1]
    assert np.sign(found.interval[0]) == np.sign(found.interval[1]) == np.sign(found.difference)


@pytest.mark.parametrize("name", METRICS)
def test_a_model_is_no_better_than_itself(name: str):
    ours, _, target = noisy(0, 0.3)
    found = compared(name, ours, ours, target, METRICS[name] and METRICS[name]())
    assert (found.difference, found.p) == (0.0, 1.0)


@pytest.mark.parametrize("name", ["accuracy", "f1", "loss"])
def test_noise_is_taken_for_a_difference_no_more_often_than_alpha_says(name: str):
    """Forty pairs of models that are equally good: of 120 tests at 0.05, six or so find something."""
    found = [compared(name, *noisy(seed, 0.0, 60), METRICS[name] and METRICS[name]()) for seed in range(40)]
    assert sum(each.p < 0.05 for each in found) <= 6


def test_of_few_samples_nothing_is_said_however_they_differ():
    target = np.array([1, 0, 1, 0])
    ours, theirs = np.eye(2)[1 - target], np.eye(2)[target]
    for name, cls in METRICS.items():
        found = compared(name, ours, theirs, target, cls and cls())
        assert found.p >= 0.06, name


def test_it_is_the_same_every_time():
    assert compared("f1", *noisy(1, 0.1), F1()) == compared("f1", *noisy(1, 0.1), F1())


def test_many_samples_are_drawn_in_groups(monkeypatch: pytest.MonkeyPatch):
    ours, theirs, target = noisy(0, 0.02, 5000)
    whole = compared("loss", ours, theirs, target, None)
    monkeypatch.setattr("trainctl.train.resampling.UNITS", 1000)
    grouped = compared("loss", ours, theirs, target, None)
    assert grouped.difference == pytest.approx(whole.difference, rel=1e-12)
    assert grouped.interval == pytest.approx(whole.interval, abs=0.2 * (whole.interval[1] - whole.interval[0]))


def test_values_are_compared_by_their_errors():
    draw = np.random.default_rng(0)
    target = draw.normal(size=(50, 2))
    ours, theirs = target + 0.1 * draw.normal(size=(2, 50, 2))
    assert compared("mae", ours, theirs, target, MAE(), nn.MSELoss()).p > 0.05
    assert compared("mae", ours + 0.2, theirs, target, MAE(), nn.MSELoss()).p < 0.001


def test_what_is_no_number_is_not_compared():
    ours, theirs, target = noisy(0, 0.1)
    ours[3] = np.nan
    for name, cls in METRICS.items():
        assert compared(name, ours, theirs, target, cls and cls()) is None


def test_places_of_a_sample_stay_together():
    """Sixteen samples whose answers are all right or all wrong say no more than sixteen answers do."""
    right = np.array([True] * 5 + [False] * 11)
    scores = np.zeros((16, 2, 100))
    scores[right, 1] = 1
    scores[~right, 0] = 1
    target = np.ones((16, 100), np.int64)
    found = compared(
        "accuracy", scores, scores[::-1].copy() * 0 + [[0], [1]] * np.ones((16, 2, 100)), target, Accuracy()
    )
    assert found.difference == pytest.approx(-11 / 16)
    assert found.test.startswith("permutation")
    assert 0.0003 < found.p < 0.01


def test_several_p_values_are_adjusted_together():
    assert holm([]) == []
    assert holm([0.04]) == [0.04]
    assert holm([0.04, 0.04]) == [0.08, 0.08]
    assert holm([0.5, 0.6, 0.001]) == [1.0, 1.0, 0.003]
