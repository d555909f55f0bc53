"""Text for language models: what comes next, byte by byte or character by character."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trainctl.data.arrays import ArrayDataset, find_file
from trainctl.data.csv_files import not_utf8
from trainctl.data.spec import ArraySpec, SampleSpec
from trainctl.data.tables import check_parts
from trainctl.errors import DataError

_BYTES = 256


class Text(ArrayDataset):
    """Pieces of a text: the input is ``sequence_length`` tokens, the target the tokens one further on.

    A token is a byte of the file, 0 to 255; with an ``alphabet``, a character, by its place in that. Both are int64
    [sequence_length]; pieces do not overlap. The mean cross-entropy is the log of the perplexity.

    Args:
        file: the training text; without ``test_file``, that of the test part too.
        sequence_length: tokens in a sample.
        alphabet: the characters there are, in the order of their numbers; default: bytes.
        test_file: the test text.
        test_share: the share of ``file`` at its end to take for the test part.
        train: the training part; False: the test part.
        transform: called with an input.

    Raises:
        DataError: a file is missing (at once), too short, or has other characters (at the first use).
        ValueError: arguments that make no sense.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "a.txt")
        >>> _ = file.write_text("abcabca")
        >>> Text(file, sequence_length=3, alphabet="abc")[1]
        (tensor([0, 1, 2]), tensor([1, 2, 0]))
    """

    @classmethod
    def sample_spec(
        cls,
        file: str | Path,
        sequence_length: int,
        alphabet: str | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
    ) -> SampleSpec:
        """What a sample is, by what is declared."""
        check_parts(test_file, test_share)
        if sequence_length < 1:
            raise ValueError(f"sequence_length should be 1 or more, got {sequence_length}")
        if alphabet is not None and (len(alphabet) < 2 or len(set(alphabet)) < len(alphabet)):
            raise ValueError("alphabet should be two characters or more, each of them once")
        tokens = ArraySpec((sequence_length,), "int64", len(alphabet) if alphabet else _BYTES)
        return SampleSpec(tokens, tokens)

    @classmethod
    def has_test_part(cls, test_file: str | Path | None = None, test_share: float = 0.0, **_: Any) -> bool:
        """Whether there are test samples."""
        return bool(test_file or test_share)

    def __init__(
        self,
        file: str | Path,
        sequence_length: int,
        alphabet: str | None = None,
        test_file: str | Path | None = None,
        test_share: float = 0.0,
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.sample_spec(file, sequence_length, alphabet, test_file, test_share)
        super().__init__("int64", transform)
        if not train and not (test_file or test_share):
            raise ValueError("test_file and test_share are both left out: there is no test part")
        self.file = find_file(file if train or test_file is None else test_file, "a text file")
        self.sequence_length, self.alphabet = sequence_length, alphabet
        self.train, self.test_share = train, test_share

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        tokens = self._tokens()
        if self.test_share:
            border = len(tokens) - round(len(tokens) * self.test_share)
            tokens = tokens[:border] if self.train else tokens[border:]
        length = self.sequence_length
        pieces = (len(tokens) - 1) // length
        if pieces < 1:
            raise DataError(
                f"{self.file}: expected {length + 1} tokens or more, got {len(tokens)}",
                hint="lower data.dataset's sequence_length, or take a longer text",
            )
        inputs, targets = (tokens[start : start + pieces * length].reshape(pieces, length) for start in (0, 1))
        return inputs, targets.astype(np.int64)

    def _tokens(self) -> np.ndarray:
        try:
            content = self.file.read_bytes()
            if self.alphabet is None:
                return np.frombuffer(content, np.uint8)
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(self.file, error) from error
        except OSError as error:
            raise DataError(
                f"{self.file}: cannot be read: {error.strerror or error}", hint="check its permissions"
            ) from error
        numbers = {character: number for number, character in enumerate(self.alphabet)}
        wrong = next((character for character in dict.fromkeys(text) if character not in numbers), None)
        if wrong is not None:
            line = text.count("\n", 0, text.index(wrong)) + 1
            raise DataError(
                f"{self.file}:{line}: the character {wrong!r} is not in the alphabet",
                hint="add it to data.dataset's alphabet, or leave the alphabet out for bytes",
            )
        return np.fromiter(map(numbers.__getitem__, text), np.int64, len(text))
