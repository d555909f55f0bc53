"""Training steps of the seven workloads, side by side: a compiled step against PyTorch's modes and JAX."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import jax_steps, report, timing
from benchmarks.workloads import WORKLOADS, Training, Weights, Workload, training, weights_of

PLAN, EAGER = "trainctl plan", "trainctl eager"
PEERS = ("torch eager", "torch channels_last", "torch fused optimizer", "torch.compile", "JAX jit")
AGREEMENT, COMPARED = 1e-3, 5  # relative difference of the losses of the first steps


class Sides:
    """One workload in every way that it is measured, all from the same weights.

    Args:
        workload: what is trained.
        threads: that each may use.
        more: names of further ways, which are not measured unless asked for.

    Attributes:
        plan: the step that is compiled.
        calls: name to a call that trains one step and returns the loss.
    """

    def __init__(self, workload: Workload, threads: int, more: frozenset[str] = frozenset()) -> None:
        import trainctl

        eager, planned = training(workload, trainctl), training(workload, trainctl)
        weights = weights_of(eager.model)
        self.eager, self.threads = eager, threads
        planned.step = self.plan = trainctl.compile(planned.step, threads=threads)
        self.calls: dict[str, timing.Call] = {PLAN: planned, EAGER: eager, **_torch_sides(workload, weights, more)}
        jitted = jax_steps.step_of(workload, weights)
        if jitted is not None:
            self.calls["JAX jit"] = jitted

    def disagreement(self) -> float:
        """Run the first steps on each side; return by how much the losses differ at most, relative to PyTorch's."""
        losses = {name: np.array([call().item() for _ in range(COMPARED)]) for name, call in self.calls.items()}
        right = losses["torch eager"]
        return max(float(np.abs(each / right - 1).max()) for each in losses.values())

    def recording(self, eager_ms: float) -> float:
        """How many eager steps it takes to make a plan, over the two that are run for it."""
        import trainctl

        fresh = Training(self.eager.model, self.eager.batch, trainctl.compile(self.eager.step, threads=self.threads))
        start = time.perf_counter()
        fresh()
        fresh()
        return (time.perf_counter() - start) * 1e3 / eager_ms - 2


def _torch_sides(workload: Workload, weights: Weights, more: frozenset[str]) -> dict[str, timing.Call]:
    import torch

    sides = {"torch eager": training(workload, torch, weights)}
    if workload.is_image:
        last = sides["torch channels_last"] = training(workload, torch, weights)
        last.model.to(memory_format=torch.channels_last)
        last.batch[0] = last.batch[0].to(memory_format=torch.channels_last)
    if "torch fused optimizer" in more:
        sides["torch fused optimizer"] = training(workload, torch, weights, fused=True)
    if "torch.compile" in more:
        sides["torch.compile"] = compiled = training(workload, torch, weights)
        compiled.model.compile()
    return dict(sides)


def row_of(workload: Workload, sides: Sides, times: timing.Times) -> report.Row:
    """One workload's line of the table."""
    peer = timing.fastest(times, [name for name in times if name in PEERS])
    return {
        "workload": workload.title,
        **{f"{name}, ms": median(times[name]) if name in times else "-" for name in (PLAN, EAGER, *PEERS)},
        "best peer": peer,
        "plan / best peer": round(timing.ratio(times, PLAN, peer), 2),
        "fastest / fastest": round(min(times[PLAN]) / min(min(times[name]) for name in times if name in PEERS), 2),
        "at most": workload.bar,
        "making the plan, eager steps": round(sides.recording(median(times[EAGER])), 1),
    }


def measure(workload: Workload, args: argparse.Namespace) -> tuple[report.Row, Sides]:
    """Check that all sides compute the same, then time them."""
    sides = Sides(workload, args.threads, frozenset(args.more))
    difference = sides.disagreement()
    if not difference <= AGREEMENT:
        raise SystemExit(f"{workload.title}: losses of the first {COMPARED} steps differ by {difference:.1e} of them")
    print(f"{workload.title}: losses of the first {COMPARED} steps agree, to {difference:.1e} of them", flush=True)
    for reason in sides.plan.reasons.values():
        print(f"{workload.title}: no plan: {reason}")
    return row_of(workload, sides, timing.interleaved(sides.calls, args.rounds)), sides


def computing() -> dict[str, str]:
    """What computes in this process: whose loops a plan runs, and which processor's products the BLAS library."""
    from threadpoolctl import threadpool_info

    from trainctl.backend import jit

    products = {f"{each['internal_api']} for {each.get('architecture')}" for each in threadpool_info() if is_blas(each)}
    return {"kernels": "Numba's" if jit.available() else "NumPy's", "products": " and ".join(sorted(products))}


def is_blas(library: dict[str, Any]) -> bool:
    return library["user_api"] == "blas"


def print_profile(workload: Workload, sides: Sides) -> None:
    """Print where a plan's time goes, if there is one."""
    from benchmarks import plan_profile

    for plan in sides.plan.plans:
        facts = {"calls": len(plan.runs), "shared memory": f"{plan.block_size / 2**20:.1f} MiB"}
        rows = plan_profile.rows_of(plan, sides.calls[PLAN], rounds=15)
        report.publish(f"{workload.title}: the plan's calls", facts, rows, None)


def without_empty(rows: list[report.Row]) -> list[report.Row]:
    """Leave out the columns in which no row says anything."""
    return [{key: row[key] for key in row if any(each[key] != "-" for each in rows)} for row in rows]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps", description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; default: all")
    parser.add_argument("--threads", type=int, default=report.cores(), help="for each side, default: all cores")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures here too")
    parser.add_argument("--profile", action="store_true", help="say where each plan's time goes")
    for way in ("torch.compile", "torch fused optimizer"):
        option = "--" + way.replace(".", "-").replace(" ", "-")
        parser.add_argument(option, dest="more", action="append_const", const=way, default=[], help="measure it too")
    args = parser.parse_args()
    unknown = [name for name in args.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"no workload {unknown[0]}; there are {', '.join(WORKLOADS)}")
    return args


def main() -> None:
    args = parse()
    timing.fix_threads(args.threads)
    timing.torch_of(args.threads)
    rows: list[Mapping[str, Any]] = []
    for name in args.workloads or WORKLOADS:
        row, sides = measure(WORKLOADS[name], args)
        rows.append(row)
        if args.profile:
            print_profile(WORKLOADS[name], sides)
    settings = {"threads": args.threads, "rounds": args.rounds, **computing()}
    report.publish("Training steps", settings, without_empty(rows), args.json)


if __name__ == "__main__":
    main()
