from __future__ import annotations

import pytest

from trainctl.config.tree import Node, Place, dotted, node_of

HERE = Place("a.yaml", 1, 1, "text")
TREE = node_of({"a": [1, {"b": None}], "c": "x"}, HERE)


def test_plain_gives_back_what_went_in():
    assert TREE.plain() == {"a": [1, {"b": None}], "c": "x"}


@pytest.mark.parametrize(
    ("path", "depth"),
    [((), 0), (("a",), 1), (("a", 1, "b"), 3), (("a", 2), 1), (("a", "1"), 1), (("c", "d"), 1), (("z", "a"), 0)],
)
def test_walk_goes_as_far_as_the_path_leads(path, depth):
    assert len(list(TREE.walk(path))) == depth + 1


def test_with_child_leaves_the_tree_as_it_was():
    changed = TREE.with_child("c", Node(2, HERE)).with_child("new", Node(3, HERE))
    assert changed.plain() == {"a": [1, {"b": None}], "c": 2, "new": 3}
    assert TREE.child("a").with_child(0, Node(9, HERE)).plain() == [9, {"b": None}]
    assert TREE.plain() == {"a": [1, {"b": None}], "c": "x"}


@pytest.mark.parametrize(
    ("place", "origin"),
    [
        (HERE, "a.yaml:1"),
        (Place("--set a.b"), "--set"),
        (Place("--seed"), "--seed"),
        (Place("TRAINCTL__A"), "TRAINCTL__A"),
    ],
)
def test_origin(place, origin):
    assert place.origin == origin


def test_a_problem_has_its_place():
    problem = HERE.problem("wrong", "mend it")
    assert str(problem) == "a.yaml:1:1: wrong\n    text\n    ^\n    mend it"


def test_dotted():
    assert dotted(("model", 1, "Linear")) == "model.1.Linear"
