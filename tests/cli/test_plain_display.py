from __future__ import annotations

import io

from tests.cli.story import epoch, saved, start, story
from trainctl.cli.plain_display import PlainDisplay


def shown(*events, verbose=False):
    stream = io.StringIO()
    with PlainDisplay(stream, verbose=verbose) as display:
        for event in events:
            display(event)
    return stream.getvalue().splitlines()


def test_a_run_is_a_line_an_epoch_between_what_is_trained_and_what_came_of_it():
    assert shown(*story()) == [
        "story: 101,770 parameters on cpu (2 threads), 54,000 samples, 6,000 for validation",
        "epoch 1/2  train_loss 0.5000  val_loss 0.2500  accuracy 0.7500  lr 0.01  1.2s",
        "epoch 2/2  train_loss 0.2500  val_loss 0.5000  accuracy 0.7500  lr 0.01  1.2s",
        "note: that was it",
        "best epoch 1: val_loss 0.2500",
        "test: loss 0.3000  accuracy 0.8750",
        "8 steps in 1m 15s; the run is in runs/story",
        "next: trainctl eval runs/story",
    ]


def test_verbose_names_checkpoints():
    assert shown(saved(8)) == []
    assert shown(saved(8), verbose=True) == ["saved runs/story/checkpoints/step-00000008 (epoch 1, step 8)"]


def test_without_validation_its_figures_are_left_out():
    assert shown(start(val_samples=0), epoch(1, val_loss=None, metrics={})) == [
        "story: 101,770 parameters on cpu (2 threads), 54,000 samples",
        "epoch 1/2  train_loss 0.5000  lr 0.01  1.2s",
    ]


def test_a_resumed_run_says_where_it_goes_on():
    line = shown(start(resumed=True, start_epoch=2, start_step=3, threads=1))[0]
    assert line.endswith("6,000 for validation; goes on at epoch 2, step 3")
    assert "(1 thread)" in line


def test_names_cannot_hold_control_characters():
    assert shown(start(name="\x1b[1mbold"))[0].startswith(r"\x1b[1mbold: ")
