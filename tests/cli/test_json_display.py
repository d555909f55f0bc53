from __future__ import annotations

import io
import json

from tests.cli.story import SUMMARY, epoch, saved, story
from trainctl.cli.json_display import JsonDisplay
from trainctl.train.events import EarlyStop


def shown(*events, verbose=False):
    stream = io.StringIO()
    with JsonDisplay(stream, verbose=verbose) as display:
        for event in events:
            display(event)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_an_object_with_its_kind_and_a_schema_version():
    lines = shown(*story())
    assert [line["event"] for line in lines] == ["start", "epoch", "epoch", "notice", "end"]
    assert {line["schema_version"] for line in lines} == {1}
    assert lines[0]["parameters"] == 101770
    assert lines[-1]["summary"] == SUMMARY
    assert lines[-1]["run_dir"] == "runs/story"


def test_an_epoch_has_its_figures_in_full():
    assert shown(epoch(3, train_loss=1 / 3))[0] == {
        "schema_version": 1,
        "event": "epoch",
        "epoch": 3,
        "global_step": 12,
        "train_loss": 1 / 3,
        "val_loss": 0.75,
        "metrics": {"accuracy": 0.75},
        "lr": 0.01,
        "seconds": 1.25,
        "samples_per_second": 204.8,
        "is_best": False,
        "lrs": [],
        "grad_norm": None,
    }


def test_early_stopping_has_its_reason():
    assert shown(EarlyStop(7, "val_loss has not improved for 3 epochs", 4))[0] == {
        "schema_version": 1,
        "event": "early_stop",
        "epoch": 7,
        "reason": "val_loss has not improved for 3 epochs",
        "best_epoch": 4,
    }


def test_verbose_names_checkpoints():
    assert shown(saved(8)) == []
    assert shown(saved(8), verbose=True) == [
        {
            "schema_version": 1,
            "event": "checkpoint",
            "path": "runs/story/checkpoints/step-00000008",
            "epoch": 1,
            "global_step": 8,
        }
    ]


def test_what_json_cannot_say_is_null():
    assert shown(epoch(1, metrics={"accuracy": float("nan")}))[0]["metrics"] == {"accuracy": None}
