"""Datasets, samplers, transforms and the loader that makes batches of them."""

from __future__ import annotations

from trainctl.data.collate import default_collate, default_convert
from trainctl.data.dataset import (
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from trainctl.data.loader import DataLoader
from trainctl.data.mnist import MNIST
from trainctl.data.sampler import (
    BatchSampler,
    EpochSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from trainctl.data.small_mnist import SmallMNIST
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.data.transforms import Compose, Normalize

__all__ = [
    "MNIST",
    "ArraySpec",
    "BatchSampler",
    "Compose",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "EpochSampler",
    "IterableDataset",
    "Normalize",
    "RandomSampler",
    "SampleSpec",
    "Sampler",
    "SequentialSampler",
    "SmallMNIST",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "random_split",
]
