from __future__ import annotations

import math

import pytest

import trainctl
from trainctl import nn
from trainctl.errors import DataError, Interrupted
from trainctl.train.evaluate import evaluate
from trainctl.train.metrics import Accuracy

BATCHES = [
    (trainctl.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), trainctl.tensor([0, 0, 0])),
    (trainctl.tensor([[5.0, 1.0]]), trainctl.tensor([1])),
]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_is_the_mean_over_samples_however_they_are_batched(reduction: str):
    result = evaluate(nn.Identity(), nn.CrossEntropyLoss(reduction=reduction), {"accuracy": Accuracy()}, BATCHES)
    margins = [-1, 3, -1, 4]  # the wrong class's score less the right one's
    assert result.loss == pytest.approx(sum(math.log1p(math.exp(margin)) for margin in margins) / 4, rel=1e-6)
    assert result.metrics == {"accuracy": 0.5}
    assert result.samples == 4


def test_metrics_start_afresh():
    metrics = {"accuracy": Accuracy()}
    for _ in range(2):
        assert evaluate(nn.Identity(), nn.CrossEntropyLoss(), metrics, BATCHES).metrics == {"accuracy": 0.5}


def test_modes_are_put_back_one_by_one_even_after_an_error():
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5), nn.Identity()))
    model[1].eval()
    modes = [module.training for module in model.modules()]
    seen = []

    def loss(output: trainctl.Tensor, target: trainctl.Tensor) -> trainctl.Tensor:
        seen.append([module.training for module in model.modules()])
        assert not output.requires_grad
        return output.sum() * trainctl.tensor(1.0)

    evaluate(model, loss, {}, BATCHES)
    assert seen == [[False] * len(modes)] * 2
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(ZeroDivisionError):
        evaluate(model, lambda output, target: 1 / 0, {}, BATCHES)
    assert [module.training for module in model.modules()] == modes
    assert trainctl.is_grad_enabled()


def test_nothing_to_evaluate_is_an_error():
    with pytest.raises(DataError, match="no samples"):
        evaluate(nn.Identity(), nn.CrossEntropyLoss(), {}, [])


def test_it_can_be_stopped_between_batches():
    calls = []

    def between() -> None:
        calls.append(None)
        if len(calls) == 2:
            raise Interrupted("stop", signum=15)

    with pytest.raises(Interrupted):
        evaluate(nn.Identity(), nn.CrossEntropyLoss(), {}, BATCHES, between=between)
    assert len(calls) == 2
