"""A text becomes pieces and what comes next in them."""

from __future__ import annotations

import numpy as np
import pytest

import trainctl
from trainctl.data import Text
from trainctl.errors import DataError


def written(folder, content: bytes):
    path = folder / "t.txt"
    path.write_bytes(content)
    return path


def test_targets_are_the_next_bytes(tmp_path):
    content = bytes(range(200)) + b"\xff\x00"
    data = Text(written(tmp_path, content), sequence_length=10)
    inputs, targets = data.gather(np.arange(len(data)))
    assert (len(data), inputs.dtype, targets.dtype) == (20, trainctl.int64, trainctl.int64)
    assert bytes(inputs.numpy().astype(np.uint8).ravel()) == content[:200]
    assert bytes(targets.numpy().astype(np.uint8).ravel()) == content[1:201]


def test_parts_and_characters(tmp_path):
    path = written(tmp_path, "äbäbäbäbab".encode())
    train, test = (Text(path, 3, alphabet="abä", test_share=0.4, train=part) for part in (True, False))
    assert [each.tolist() for each in train[0]] == [[2, 1, 2], [1, 2, 1]]
    assert [each.tolist() for each in test[0]] == [[2, 1, 0], [1, 0, 1]]
    assert (len(train), len(test), Text.sample_spec(path, 3, "abä").inputs.high) == (1, 1, 3)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"abc", {}, "t.txt: expected 5 tokens or more, got 3"),
        (b"", {}, "t.txt: expected 5 tokens or more, got 0"),
        (b"aaaa\nbabc", {"alphabet": "ab\n"}, "t.txt:2: the character 'c' is not in the alphabet"),
        (b"aaaa\n\xff", {"alphabet": "ab\n"}, "t.txt:2: expected text in UTF-8, got the byte 0xff"),
    ],
)
def test_texts_that_do_not_do(tmp_path, content, options, message):
    with pytest.raises(DataError, match=message):
        len(Text(written(tmp_path, content), 4, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 0}, "sequence_length should be 1 or more"),
        ({"alphabet": "aa"}, "alphabet should be two characters or more"),
        ({"test_share": 2.0}, "test_share should be from 0 to below 1"),
    ],
)
def test_arguments_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        Text.sample_spec("t.txt", **{"sequence_length": 4, **options})
