"""Trainings of 50 steps from fixed weights on fixed batches: functions of a module `torch`, PyTorch or trainctl.

What is random comes from NumPy's ``RandomState``, whose stream NumPy has promised not to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tests.parity import mlp

STEPS = 50


def filled(net: Any, torch: Any, seed: int = 0) -> Any:
    """Return a net with fixed weights of about the usual size: norms near 1, biases near 0."""
    random = np.random.RandomState(seed)
    for name, parameter in net.named_parameters():
        is_matrix = parameter.ndim > 1
        bound = float(np.prod(parameter.shape[1:])) ** -0.5 if is_matrix else 0.1
        values = random.uniform(-bound, bound, tuple(parameter.shape)) + (name.endswith("weight") and not is_matrix)
        parameter.data = torch.from_numpy(values.astype(np.float32))
    return net


def train(loss_of: Callable[..., Any], batches: Iterable[Any], torch: Any, *optimizers: Any) -> list[float]:
    """Return the loss of every step."""
    history = []
    for batch in batches:
        loss = loss_of(*(torch.from_numpy(each) for each in batch))
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        history.append(loss.item())
    return history


def digits() -> list[tuple[np.ndarray, np.ndarray]]:
    """Images of MNIST and their labels."""
    return [(images[:16], labels[:16]) for images, labels in mlp.batches()[:STEPS]]


def cnn(torch: Any) -> list[float]:
    """Convolutions with batch norm, by SGD with momentum."""
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Flatten(), nn.Linear(16 * 49, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(filled(net, torch).parameters(), lr=0.02, momentum=0.9)
    return train(lambda images, labels: criterion(net(images), labels), digits(), torch, optimizer)


def transformer_encoder(torch: Any) -> list[float]:
    """A Transformer encoder that reads an image row by row, by Adam."""
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)
    net = nn.ModuleDict(
        {"rows": nn.Linear(28, 16), "places": nn.Embedding(28, 16), "encoder": nn.TransformerEncoder(layer, 2), "head": nn.Linear(16, 10)}
    )  # fmt: skip
    criterion, places = nn.CrossEntropyLoss(), torch.arange(28)
    optimizer = torch.optim.Adam(filled(net, torch).parameters(), lr=0.003)

    def loss_of(images: Any, labels: Any) -> Any:
        encoded = net["encoder"](net["rows"](images.squeeze(1)) + net["places"](places))
        return criterion(net["head"](encoded.mean(1)), labels)

    return train(loss_of, digits(), torch, optimizer)


WORDS, LENGTH = 12, 6


def sentences() -> list[tuple[np.ndarray, np.ndarray]]:
    """Sequences of words, padded with 0 to different lengths, and which places are padding."""
    random, batches = np.random.RandomState(1), []
    for _ in range(STEPS):
        words = random.randint(2, WORDS, (24, LENGTH)).astype(np.int64)
        padding = np.arange(LENGTH) >= random.randint(3, LENGTH + 1, (24, 1))
        words[padding] = 0
        batches.append((words, padding))
    return batches


def encoder_decoder(torch: Any) -> list[float]:
    """A Transformer that learns to write a sentence backwards, by AdamW."""
    nn = torch.nn
    model = nn.Transformer(16, 2, 1, 1, 32, dropout=0.0, batch_first=True, norm_first=True)
    net = nn.ModuleDict(
        {"words": nn.Embedding(WORDS, 16, padding_idx=0), "places": nn.Embedding(LENGTH, 16), "model": model, "head": nn.Linear(16, WORDS)}
    )  # fmt: skip
    criterion, places = nn.CrossEntropyLoss(ignore_index=0, label_smoothing=0.1), torch.arange(LENGTH)
    reverse = torch.arange(LENGTH - 1, -1, -1)
    causal = nn.Transformer.generate_square_subsequent_mask(LENGTH) != 0
    optimizer = torch.optim.AdamW(filled(net, torch).parameters(), lr=0.003)

    def loss_of(words: Any, padding: Any) -> Any:
        backwards = words[:, reverse]
        shifted = torch.cat([torch.ones_like(words[:, :1]), backwards[:, :-1]], 1)
        source, target = (net["words"](each) + net["places"](places) for each in (words, shifted))
        y = net["model"](source, target, tgt_mask=causal, src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return criterion(net["head"](y).reshape(-1, WORDS), backwards.reshape(-1))

    return train(loss_of, sentences(), torch, optimizer)


def last_words() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sequences of words, how long each is, and its last word."""
    batches = []
    for words, padding in sentences():
        lengths = (~padding).sum(1)
        batches.append((words, lengths, words[np.arange(len(words)), lengths - 1]))
    return batches


def lstm(torch: Any) -> list[float]:
    """An LSTM of two layers over packed sentences that learns to tell the last word, by Adam."""
    nn = torch.nn
    net = nn.ModuleDict(
        {"words": nn.Embedding(WORDS, 16, padding_idx=0), "lstm": nn.LSTM(16, 24, 2, batch_first=True), "head": nn.Linear(24, WORDS)}
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(filled(net, torch).parameters(), lr=0.01)

    def loss_of(words: Any, lengths: Any, last: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(net["words"](words), lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = net["lstm"](packed)
        return criterion(net["head"](h[-1]), last)

    return train(loss_of, last_words(), torch, optimizer)


def gru(torch: Any) -> list[float]:
    """A GRU that reads an image row by row in both directions, by RMSprop."""
    nn = torch.nn
    net = nn.ModuleDict({"gru": nn.GRU(28, 24, bidirectional=True, batch_first=True), "head": nn.Linear(48, 10)})
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.RMSprop(filled(net, torch).parameters(), lr=0.002)

    def loss_of(images: Any, labels: Any) -> Any:
        outputs, _ = net["gru"](images.squeeze(1))
        return criterion(net["head"](outputs.mean(1)), labels)

    return train(loss_of, digits(), torch, optimizer)


def ratings() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Users, films, what each user has seen before, and what they thought of the film."""
    random = np.random.RandomState(2)
    mildness, quality = random.standard_normal(40), random.standard_normal(60)
    batches = []
    for _ in range(STEPS):
        users, films, before = (
            random.randint(0, high, shape).astype(np.int64) for high, shape in ((40, 64), (60, 64), (60, (64, 4)))
        )
        batches.append((users, films, before, (mildness[users] + quality[films]).astype(np.float32)))
    return batches


def embeddings(torch: Any) -> list[float]:
    """A recommender: sparse tables by SparseAdam, the dense layers by Adam."""
    nn = torch.nn
    tables = nn.ModuleDict(
        {"users": nn.Embedding(40, 8, sparse=True), "films": nn.Embedding(60, 8, sparse=True), "before": nn.EmbeddingBag(60, 8, mode="mean", sparse=True)}
    )  # fmt: skip
    dense = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 1))
    sparse = torch.optim.SparseAdam(list(filled(tables, torch).parameters()), lr=0.05)
    adam = torch.optim.Adam(filled(dense, torch, 1).parameters(), lr=0.01)
    criterion = nn.MSELoss()

    def loss_of(users: Any, films: Any, before: Any, rating: Any) -> Any:
        features = torch.cat([tables["users"](users), tables["films"](films), tables["before"](before)], 1)
        return criterion(dense(features).squeeze(1), rating)

    return train(loss_of, ratings(), torch, sparse, adam)


TRAININGS: dict[str, Callable[[Any], list[float]]] = {
    "cnn": cnn,
    "lstm": lstm,
    "gru": gru,
    "transformer_encoder": transformer_encoder,
    "encoder_decoder": encoder_decoder,
    "embeddings": embeddings,
}


def losses(torch: Any) -> dict[str, list[float]]:
    """Return the losses of every training."""
    return {name: training(torch) for name, training in TRAININGS.items()}
