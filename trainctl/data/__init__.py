"""Datasets, samplers, transforms and the loader that makes batches of them."""

from __future__ import annotations

from trainctl.data.array_files import NPY, NPZ
from trainctl.data.arrays import ArrayDataset
from trainctl.data.collate import default_collate, default_convert
from trainctl.data.csv_files import CSV
from trainctl.data.dataset import (
    ConcatDataset,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)
from trainctl.data.epochs import EpochLoader
from trainctl.data.image_folder import ImageFolder
from trainctl.data.json_lines import JSONL
from trainctl.data.loader import DataLoader
from trainctl.data.mnist import MNIST
from trainctl.data.random_transforms import (
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomRotation,
    RandomTransform,
    RandomVerticalFlip,
)
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
from trainctl.data.text import Text
from trainctl.data.transformed import TransformedDataset
from trainctl.data.transforms import CenterCrop, Compose, Normalize, Resize, Standardize

__all__ = [
    "CSV",
    "JSONL",
    "MNIST",
    "NPY",
    "NPZ",
    "ArrayDataset",
    "ArraySpec",
    "BatchSampler",
    "CenterCrop",
    "Compose",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "EpochLoader",
    "EpochSampler",
    "ImageFolder",
    "IterableDataset",
    "Normalize",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "RandomRotation",
    "RandomSampler",
    "RandomTransform",
    "RandomVerticalFlip",
    "Resize",
    "SampleSpec",
    "Sampler",
    "SequentialSampler",
    "SmallMNIST",
    "Standardize",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "Text",
    "TransformedDataset",
    "WeightedRandomSampler",
    "default_collate",
    "default_convert",
    "random_split",
]
