"""Train on your own images with several GPUs, of one machine or of several.

::

    python -m gancourse.training.distributed dcgan --data FOLDER --devices 2

On several machines, give the same command on each, with ``torchrun`` and the address of one of
them. Each needs the same folder of images. Process 0 writes the checkpoints::

    torchrun --nnodes 2 --nproc-per-node 2 --rdzv-backend c10d --rdzv-endpoint HOST:29500 \
        -m gancourse.training.distributed dcgan --data FOLDER

The engine is ``torch.distributed``, because it comes with torch: there is nothing to install.
Gradients are averaged by a hook of the optimizer and not by DistributedDataParallel, which does not
support `torch.autograd.grad`: the R1 penalty needs it.

**Several processes train as one would with the whole batch**, up to rounding. Every process draws
the whole batch from the same generator and takes its share of images and of latent vectors; batch
norm uses the statistics of all shares; gradients and logged losses are means over processes. So a
checkpoint, in the format of the notebooks, can be resumed with another number of processes.
"""

import argparse
import atexit
import contextlib
import functools
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torchvision.utils import save_image

from gancourse import env
from gancourse.datasets import folder
from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.papers import dcgan
from gancourse.papers.blocks import init_normal, swap
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.shapes import Latent
from gancourse.training import networks, processes
from gancourse.training.loop import train
from gancourse.training.player import Player, expand

PLACE = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
"""torchrun's variables: which process this is, of how many; and the same, counted on its machine.
The values are those of a process alone."""


# Training ----------------------------------------------------------------------------------------
def dcgan_networks(options: argparse.Namespace) -> tuple[nn.Module, nn.Module]:
    """G and D as in notebook 03, in the sizes that the options state."""
    sizes = {"width": options.width, "size": options.size}
    rng = env.rng(0, "cpu")
    G, D = dcgan.Generator(**sizes), dcgan.Discriminator(**sizes)
    return init_normal(G, rng), init_normal(D, rng)


MODELS = {"dcgan": dcgan_networks}
"""Functions from options to (G, D); G has the attribute ``noise_dim``."""


def game(
    G: Player, D: Player, images: Tensor, size: int, rng: torch.Generator, gamma: float = 0.1
) -> Callable[[], dict[str, Tensor]]:
    """Notebook 03's training step on this process's share of each batch, for `loop.train`.

    Parameters
    ----------
    G, D : Player
        With `processes.JointBatchNorm2d` in place of batch norm.
    images : Tensor
        All images, (N, C, H, W), the same in every process.
    size : int
        Of the whole batch; a multiple of the number of processes.
    rng : torch.Generator
        In the same state in every process, and on the CPU: GPUs of other kinds draw other numbers.
    gamma : float
        Weight of R1, applied at every 8th step to 8 images of the whole batch (or to one image per
        process, if there are more processes); 0: none.
    """
    share = slice(
        processes.rank(), None, processes.world()
    )  # so that the first 8 images are divided evenly, too
    batches = (x[share] for x in Batches(images, size=size, rng=rng))
    draw = env.noise(G.net.noise_dim, rng)
    r1 = lazy_r1(gamma, every=8, examples=-(-8 // processes.world()))
    for player in (G, D):
        player.opt.register_step_pre_hook(processes.average_gradients)

    def sample_z(m: int) -> Latent:
        return draw(m * processes.world())[share].to(images.device)

    def step() -> dict[str, Tensor]:
        penalty = r1 if gamma and D.done % 8 == 0 else None
        losses = gan_step(
            G.net, D.net, G.opt, D.opt, batches, sample_z, penalty=penalty, autocast=env.autocast
        )
        G.advance()
        D.advance()
        means = processes.all_reduce(torch.stack(list(losses.values())) / processes.world())
        return dict(zip(losses, means, strict=True))

    return step


def work(options: argparse.Namespace) -> None:
    """Train as one of the processes. Process 0 runs `loop.train`; the others only take steps.

    Raises
    ------
    CourseError
        As for `folder.load`, `loop.train` and `processes.all_reduce`.
    ValueError
        A number among the options is out of range.
    """
    images = folder.load(options.data, options.size).images
    settings = {"lr": options.lr, "steps": options.steps, "hold": options.hold}
    G, D = MODELS[options.model](options)
    G = Player(swap(G, nn.BatchNorm2d, processes.JointBatchNorm2d.like), **settings, ema=0.999)
    D = Player(swap(D, nn.BatchNorm2d, processes.JointBatchNorm2d.like), **settings)
    rng = env.rng(1, "cpu")
    keep = expand({"G": G, "D": D, "rng": rng})
    step = game(G, D, images, options.batch, rng, options.gamma)
    start = functools.cache(lambda: processes.share_state(keep))
    if processes.rank():
        start()  # waits until process 0 has loaded its checkpoint
        for _ in range(options.steps - G.done):
            step()
        return
    print(
        f"{len(images):,} images on {images.device.type}, {processes.world()} processes", flush=True
    )
    z = env.noise(G.net.noise_dim, env.rng(2, "cpu"))(64).to(images.device)
    records = train(
        lambda: start() or step(), options.steps, keep, options.out,
        record_every=options.every, fresh=options.fresh, title=options.model,
    )  # fmt: skip
    with contextlib.closing(records):  # saves, if this loop is interrupted
        for record in records:
            if not record.resumed:
                losses = ", ".join(f"{name} {value:.3f}" for name, value in record.losses.items())
                print(f"step {record.step:,}: {losses} ({record.seconds:.0f} s)", flush=True)
                save_samples(G.average, z, options.out / f"samples_{record.step:06}.png")
    start()  # where nothing was left to do
    networks.save(G.average, options.out / "G.safetensors")
    networks.save(D.net, options.out / "D.safetensors")


@torch.no_grad()
def save_samples(average: nn.Module, z: Latent, path: Path) -> None:
    """Write images of G's moving average as a PNG. If the disk refuses, `train` says so."""
    images = average.eval()(z)  # in training mode, batch norm would wait for other processes
    with contextlib.suppress(OSError):
        save_image(images.float(), path, nrow=8, normalize=True, value_range=(-1, 1))


# Starting and ending -----------------------------------------------------------------------------
def check(options: argparse.Namespace, total: int, here: int) -> None:
    """Find out whether the options fit the processes.

    Parameters
    ----------
    options : argparse.Namespace
        From `parse`.
    total, here : int
        Number of processes on all machines, and on this one.

    Raises
    ------
    CourseError
        The batch can't be divided, or there are too few GPUs.
    """
    if rest := options.batch % total:
        raise CourseError(
            f"A batch of {options.batch} can't be divided among {total} processes.",
            "Batch norm and the mean of gradients need shares of equal size.",
            f"Use --batch {options.batch - rest + total}, or another number of processes.",
        )
    if options.device == "cuda" and here > (gpus := torch.cuda.device_count()):
        raise CourseError(
            f"{here} processes need {here} GPUs, and torch sees {gpus}.",
            "Each process trains on a GPU of its own.",
            f"Use --devices {gpus}, or --device cpu." if gpus else "Use --device cpu.",
        )


def run(options: argparse.Namespace) -> None:
    """Be the process that the environment names (`PLACE`); errors as for `check` and `work`."""
    number, total, local, here = (int(os.environ.get(key, PLACE[key])) for key in PLACE)
    check(options, total, here)
    os.environ["GANCOURSE_DEVICE"], device = options.device, None
    os.environ.setdefault("GANCOURSE_STATIC", "1")  # one line per record, no progress bar
    if options.device == "cuda":
        # Before CUDA is initialized. With one GPU visible, as in a notebook, "cuda" means the right
        # one everywhere, and a checkpoint has the state of one generator, with any number of GPUs.
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[local] if visible else str(local)
        device = torch.device("cuda:0")
    if total == 1:
        return work(options)
    name, meet = "nccl" if device else "gloo", getattr(options, "meet", "env://")
    dist.init_process_group(name, meet, rank=number, world_size=total, device_id=device)
    with contextlib.redirect_stdout(None if number else sys.stdout):
        work(options)
    dist.barrier()
    dist.destroy_process_group()


def _worker(local: int, options: argparse.Namespace, errors: Any) -> None:
    """A process that `launch` starts. It reports errors, in the order in which they occur."""
    os.environ.update(zip(PLACE, map(str, (local, options.devices) * 2), strict=True))
    try:
        run(options)
    except Exception as error:
        expected = isinstance(error, (CourseError, ValueError))
        errors.put(str(error) if expected else traceback.format_exc())
        atexit.register(os._exit, 1)  # at the end, and without waiting for NCCL


def launch(options: argparse.Namespace) -> None:
    """Start ``options.devices`` processes on this machine, and wait for them.

    Raises
    ------
    CourseError
        What failed first in one of them, or that one was killed. The others were ended.
    """
    n = options.devices
    check(options, n, n)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // n)))
    errors = mp.get_context("spawn").SimpleQueue()
    with tempfile.TemporaryDirectory() as place:  # processes meet by a file: ports may be taken
        options.meet = (Path(place) / "meet").as_uri()
        context = mp.start_processes(_worker, (options, errors), n, join=False)
        try:
            while not context.join(grace_period=10):  # seconds in which the others may save
                pass
        except KeyboardInterrupt:  # the terminal interrupts the processes too; process 0 saves
            for process in context.processes:
                process.join(10)
                process.terminate()
            raise
        except mp.ProcessExitedException as failure:
            codes = [process.exitcode or 0 for process in context.processes]
            killed = [i for i in range(n) if codes[i] < 0 and codes[i] != -signal.SIGTERM]
            if not killed and not errors.empty():
                raise CourseError(errors.get()) from None
            how = [f"process {i} was ended by {signal.Signals(-codes[i]).name}" for i in killed]
            raise CourseError(
                f"Training stopped: {' and '.join(how) or failure}.",
                "The system kills a process if memory runs out; a person can do it too.",
                f"The same command resumes from the last checkpoint in {options.out}. If memory "
                "ran out, use a smaller --batch, --size or --width, or fewer --devices.",
            ) from None


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of the command line; SystemExit if they are wrong."""
    text = "Train a GAN on a folder of images. The same command, given again, resumes the run."
    parser = argparse.ArgumentParser("python -m gancourse.training.distributed", description=text)
    add = parser.add_argument
    add("model", choices=MODELS)
    add("--data", type=Path, required=True, metavar="FOLDER", help="folder of images")
    add("--devices", type=int, help="processes on this machine, one per GPU; by default all GPUs")
    add("--device", choices=("cpu", "cuda"), default=os.environ.get("GANCOURSE_DEVICE"))
    add("--steps", type=int, default=20_000, help="in all (%(default)s)")
    add("--size", type=int, default=64, help="side of the images: 8, 16, 32, ... (%(default)s)")
    add("--batch", type=int, default=128, help="images per step, of all processes (%(default)s)")
    add("--width", type=int, default=64, help="channels next to the image (%(default)s)")
    add("--lr", type=float, default=2e-4, help="learning rate (%(default)s)")
    add("--hold", type=float, default=0.5, help="share of steps before it decays (%(default)s)")
    add("--gamma", type=float, default=0.1, help="weight of R1, 0: none (%(default)s)")
    add("--out", type=Path, help="for checkpoints and samples; by default runs/MODEL_FOLDER")
    add("--every", type=int, default=500, help="steps between samples (%(default)s)")
    add("--fresh", action="store_true", help="start over; the old checkpoint is set aside")
    options = parser.parse_args(arguments)
    gpus = torch.cuda.device_count()
    options.device = options.device or ("cuda" if gpus else "cpu")
    options.devices = options.devices or (options.device == "cuda" and gpus) or 1
    options.out = options.out or env.run_dir(f"{options.model}_{options.data.resolve().name}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Status: 0 success, 1 an error that is printed, 130 interrupted."""
    options = parse(arguments)
    try:
        alone = options.devices == 1 or "LOCAL_RANK" in os.environ  # torchrun started others
        run(options) if alone else launch(options)
    except KeyboardInterrupt:
        print(f"Stopped. The same command resumes from the last checkpoint in {options.out}.")
        return 130
    except (CourseError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
