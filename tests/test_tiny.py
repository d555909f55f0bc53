"""The whole road in a second: a tensor, its gradient, and a net that learns."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl as torch
from trainctl import nn, optim
from trainctl.utils.data import DataLoader, TensorDataset


def test_a_gradient_by_hand():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = torch.tensor([10.0, 100.0], requires_grad=True)
    z = torch.relu(x * y - 30).sum()
    z.backward()
    assert z.item() == (200 - 30) + (400 - 30)
    np.testing.assert_array_equal(x.grad.numpy(), [[0, 100], [0, 100]])
    np.testing.assert_array_equal(y.grad.numpy(), [0, 6])


def test_a_net_learns_exclusive_or():
    torch.manual_seed(0)
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    classes = torch.tensor([0, 1, 1, 0])
    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    for _ in range(60):
        for inputs, labels in DataLoader(TensorDataset(points, classes), batch_size=2, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(net(inputs), labels)
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        logits = net(points)
    assert logits.argmax(dim=1).tolist() == classes.tolist()
    assert criterion(logits, classes).item() == pytest.approx(0, abs=0.05)
