"""How times are compared, on calls that take none."""

from __future__ import annotations

from benchmarks import timing


def test_every_call_gets_a_time_in_every_round():
    seen = []
    times = timing.interleaved({"a": lambda: seen.append("a"), "b": lambda: seen.append("b")}, rounds=3, seconds=1e-5)
    assert {name: len(each) for name, each in times.items()} == {"a": 3, "b": 3}
    assert "".join(seen).count("ab") == 4  # once to see how long they take, then in turn


def test_a_ratio_is_taken_round_by_round():
    times = {"ours": [1.0, 10.0, 2.0], "theirs": [2.0, 20.0, 40.0]}
    assert timing.ratio(times, "ours", "theirs") == 0.5


def test_the_fastest_is_the_one_with_the_lowest_median():
    assert timing.fastest({"a": [1.0, 9.0, 9.0], "b": [2.0, 2.0, 2.0]}, ["a", "b"]) == "b"


def test_a_result_that_is_not_there_yet_is_waited_for():
    class Promise:
        waited = False

        def block_until_ready(self):
            self.waited = True

    promise = Promise()
    timing.milliseconds(lambda: promise, 2)
    assert promise.waited
