"""Whole jobs as plain functions: train a config, evaluate a run, profile. Commands, tests and notebooks call these."""

from __future__ import annotations

from trainctl.jobs.checkpoints import inspect_checkpoint, verify_checkpoints
from trainctl.jobs.datasets import list_data, make_data
from trainctl.jobs.doctor import run_doctor
from trainctl.jobs.evaluation import SPLITS, run_evaluation
from trainctl.jobs.exporting import run_export
from trainctl.jobs.gates import failures
from trainctl.jobs.places import RUNS
from trainctl.jobs.prediction import Prediction, Predictor, Source
from trainctl.jobs.profiling import run_profile
from trainctl.jobs.quantizing import run_quantization
from trainctl.jobs.recorded import recorded_config
from trainctl.jobs.run_report import report_runs
from trainctl.jobs.runs import compare_runs, describe_run, list_runs
from trainctl.jobs.training import run_training

__all__ = [
    "RUNS",
    "SPLITS",
    "Prediction",
    "Predictor",
    "Source",
    "compare_runs",
    "describe_run",
    "failures",
    "inspect_checkpoint",
    "list_data",
    "list_runs",
    "make_data",
    "recorded_config",
    "report_runs",
    "run_doctor",
    "run_evaluation",
    "run_export",
    "run_profile",
    "run_quantization",
    "run_training",
    "verify_checkpoints",
]
