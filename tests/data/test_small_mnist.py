"""The digits that come with the package are those of MNIST that they are said to be."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trainctl.data import MNIST, DataLoader, SmallMNIST
from trainctl.data.small_mnist import FOLDER

REPO = Path(__file__).parents[2]


@pytest.mark.parametrize(("train", "every", "count"), [(True, 15, 4000), (False, 10, 1000)])
def test_it_is_every_so_many_th_of_mnist(train, every, count):
    small, whole = SmallMNIST(train), MNIST(REPO / "datasets" / "mnist", train)
    assert len(small) == count
    assert np.array_equal(small.data.numpy(), whole.data.numpy()[::every])
    assert np.array_equal(small.targets.numpy(), whole.targets.numpy()[::every])
    assert set(small.targets.tolist()) == set(range(10))


def test_it_is_read_as_mnist_is(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # wherever one is
    images, labels = next(iter(DataLoader(SmallMNIST(transform=lambda image: image * 2), batch_size=3)))
    assert (images.shape, labels.dtype, images.max().item()) == ((3, 1, 28, 28), labels.long().dtype, 2.0)
    assert SmallMNIST.sample_spec() == MNIST.sample_spec("anywhere")


def test_the_script_makes_these_very_files(tmp_path):
    made = [sys.executable, "-m", "datasets.make_small_mnist", str(REPO / "datasets" / "mnist"), str(tmp_path)]
    subprocess.run(made, cwd=REPO, check=True, capture_output=True)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in FOLDER.glob("*.gz"))
    for name in names:  # what is in them; the bytes depend on the version of zlib
        assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress((FOLDER / name).read_bytes())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_000_000
