"""AdamW is Adam with decoupled weight decay, whatever it is loaded from."""

from __future__ import annotations

import trainctl
from trainctl.optim import Adam, AdamW


def stepped(kind, **options):
    w = trainctl.ones(3, requires_grad=True)
    optimizer = kind([w], lr=0.1, weight_decay=0.5, **options)
    w.grad = trainctl.tensor([1.0, 0.0, -1.0])
    optimizer.step()
    return w, optimizer


def test_it_is_adam_with_that_option():
    assert trainctl.equal(stepped(AdamW)[0], stepped(Adam, decoupled_weight_decay=True)[0])


def test_a_state_of_adam_does_not_couple_the_decay():
    _, adam = stepped(Adam)
    _, adamw = stepped(AdamW)
    assert adam.param_groups[0]["decoupled_weight_decay"] is False
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True
