"""Which wrong answers pass, registered ones and references with a fault, and which right ones fail.

    python benchmarks/fairness.py --seeds 1000

For each exercise it prints alternatives that were ever refused, slips that ever passed, and the
faults that a check accepts: a result without its gradient, on the CPU, or as plain numbers;
arguments changed in place, networks left frozen, in another mode or with a hook; a generator that
is seeded again. There should be none.
"""

import argparse
import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from gancourse import exercises
from gancourse.exercises.base import Exercise
from gancourse.exercises.verdicts import try_observe
from gancourse.simulated_cuda import CudaTensor, to_cpu

TRAINED = set(
    "2.2 2.5 2.9 3.3 3.4 3.6 5.2 5.4 6.4 6.5 7.2 7.3 8.2 8.5 8.6 8.7 9.1 9.3 9.4 9.6 10.1 "
    "10.3 10.9 11.3 11.4 11.6".split()
)
"""Exercises through whose answers a notebook trains."""


class Faulty:
    """A reference with a fault; `acted` says whether there was anything that it could spoil."""

    def __init__(self, fault: Callable[..., Any], reference: Callable[..., Any]) -> None:
        self.fault, self.reference, self.acted = fault, reference, False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.fault(self, args, kwargs)

    def call(self, args: tuple, kwargs: dict) -> Any:
        """The reference's result."""
        return self.reference(*args, **kwargs)

    def on_result(self, change: Callable[[Any], Any], args: tuple, kwargs: dict) -> Any:
        """The result with its tensors changed; of a network, those that it will return."""
        result = self.call(args, kwargs)
        for net in networks(result):
            self._on_output(net, change)
        return tree_map_only(Tensor, change, result)

    def _on_output(self, net: nn.Module, change: Callable[[Any], Any]) -> None:
        forward = net.forward
        net.forward = lambda *inputs: tree_map_only(Tensor, change, forward(*inputs))


def networks(value: Any) -> Iterable[nn.Module]:
    """The networks among arguments or results."""
    return (x for x in tree_leaves(value) if isinstance(x, nn.Module))


def detached(run: Faulty, args: tuple, kwargs: dict) -> Any:
    def change(x: Tensor) -> Tensor:
        run.acted |= x.requires_grad
        return x.detach()

    return run.on_result(change, args, kwargs)


def as_numbers(run: Faulty, args: tuple, kwargs: dict) -> Any:
    def change(x: Tensor) -> Any:
        run.acted |= x.requires_grad and x.dim() < 2
        return x.tolist() if x.dim() < 2 else x

    return tree_map_only(Tensor, change, run.call(args, kwargs))


def squeezed(run: Faulty, args: tuple, kwargs: dict) -> Any:
    def change(x: Tensor) -> Tensor:
        run.acted |= x.squeeze().shape != x.shape
        return x.squeeze()

    return run.on_result(change, args, kwargs)


def on_the_cpu(run: Faulty, args: tuple, kwargs: dict) -> Any:
    def change(x: Tensor) -> Tensor:
        run.acted |= isinstance(x, CudaTensor) and x.dim() > 0
        return to_cpu(x)

    return run.on_result(change, args, kwargs)


def in_place(run: Faulty, args: tuple, kwargs: dict) -> Any:
    result = run.call(args, kwargs)
    for x in (*args, *kwargs.values()):
        if isinstance(x, Tensor) and x.numel() and x.dtype != torch.bool:
            with torch.no_grad():
                x.add_(1)
        elif isinstance(x, list) and x:
            x.append(x[0])
        elif isinstance(x, dict) and x:
            x.pop(next(iter(x)))
        else:
            continue
        run.acted = True
    return result


def frozen(run: Faulty, args: tuple, kwargs: dict) -> Any:
    result = run.call(args, kwargs)
    for net in networks((args, kwargs, result)):
        run.acted |= any(p.requires_grad for p in net.parameters())
        net.requires_grad_(False)
    return result


def other_mode(run: Faulty, args: tuple, kwargs: dict) -> Any:
    result = run.call(args, kwargs)
    for net in networks((args, kwargs)):
        net.train(not net.training)
        run.acted = True
    return result


def leaves_a_hook(run: Faulty, args: tuple, kwargs: dict) -> Any:
    for net in networks((args, kwargs)):
        net.register_forward_hook(lambda *_: None)
        run.acted = True
    return run.call(args, kwargs)


def seeds_again(run: Faulty, args: tuple, kwargs: dict) -> Any:
    for x in (*args, *kwargs.values()):
        if isinstance(x, torch.Generator):
            x.manual_seed(0)
            run.acted = True
    return run.call(args, kwargs)


def seeds_torch(run: Faulty, args: tuple, kwargs: dict) -> Any:
    torch.manual_seed(12345)
    run.acted = True
    return run.call(args, kwargs)


FAULTS = (
    detached, as_numbers, squeezed, on_the_cpu, in_place, frozen, other_mode, leaves_a_hook,
    seeds_again, seeds_torch,
)  # fmt: skip
WHERE_TRAINED = (detached, as_numbers, frozen)


def accepted(exercise: Exercise, seed: int) -> list[str]:
    """The faults that a check accepts, where they could do harm."""
    if not callable(exercise.reference):
        return []
    found, cases = [], exercise.draw(seed)
    wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
    for fault in FAULTS:
        if fault in WHERE_TRAINED and exercise.id not in TRAINED:
            continue
        answer = Faulty(fault, exercise.reference)
        with torch.random.fork_rng(devices=[]):
            seen = [try_observe(exercise, answer, case) for case in cases]
        if answer.acted and not any(map(exercise.differ, wanted, seen)):
            found.append(fault.__name__)
    return found


def passes(id: str, seeds: int) -> tuple[str, float, dict[Any, list[int]]]:
    """Of one exercise: seconds, and, for each slip or fault that ever passed, the seeds."""
    torch.set_num_threads(1)
    start, found = time.monotonic(), defaultdict(list)
    exercise: Exercise = exercises.find(id)
    for seed in range(seeds):
        cases = exercise.draw(seed)
        wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
        for k, right in enumerate(exercise.alternatives):
            pairs = zip(cases, wanted, strict=True)
            if any(exercise.differ(w, try_observe(exercise, right, c)) for c, w in pairs):
                found[f"alternative {k} refused"].append(seed)
        for n, slip in exercise.wrong_answers:
            pairs = zip(cases, wanted, strict=True)
            if not any(exercise.differ(w, try_observe(exercise, slip, c)) for c, w in pairs):
                found[n].append(seed)
        for fault in accepted(exercise, seed) if seed % 10 == 0 else []:
            found[fault].append(seed)
    return id, time.monotonic() - start, dict(found)


def main() -> None:
    """Ask every exercise of the course, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1000)
    options = parser.parse_args()
    ids = [e.id for number in range(12) for e in exercises.of_notebook(f"{number:02d}")]
    slips = sum(len(exercises.find(id).wrong_answers) for id in ids)
    bad = 0
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        jobs = [pool.apply_async(passes, (id, options.seeds)) for id in ids]
        for job in jobs:
            id, seconds, found = job.get()
            bad += len(found)
            print(f"{id:>5} {seconds:6.1f} s", found or "", flush=True)
    print(
        f"{len(ids)} exercises, {slips} wrong answers and {len(FAULTS)} faults, {options.seeds} "
        f"seeds: {bad} judged wrongly"
    )


if __name__ == "__main__":
    main()
