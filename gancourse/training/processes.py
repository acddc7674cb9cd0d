"""Processes that train together: sums over them, batch norm and gradients of the joint batch.

Nothing here changes how a process alone computes. `training.distributed` uses it.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gancourse.errors import CourseError
from gancourse.shapes import Images
from gancourse.training import checkpoint


def rank() -> int:
    """The number of this process: 0 draws samples, prints and saves."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together, on all machines."""
    return dist.get_world_size() if dist.is_initialized() else 1


def all_reduce(x: Tensor) -> Tensor:
    """Replace a contiguous tensor by its sum over processes; returns it.

    Raises
    ------
    CourseError
        Another process doesn't answer.
    """
    try:
        if world() > 1:
            dist.all_reduce(x)
    except RuntimeError as error:  # gloo and NCCL raise kinds of it
        what = f"Process {rank()} of {world()} lost the connection to another process."
        why = "That one ended, or hangs. Its own message, if there is one, says more."
        do = "The same command resumes from the last checkpoint."
        raise CourseError(what, why, do) from error
    return x


class Total(torch.autograd.Function):
    """Sum of a tensor over processes. Its gradient is such a sum too, and so on: R1 needs two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return all_reduce(x.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return Total.apply(gradient)


class JointBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of the batches of all processes, which have equal sizes.

    Its state is that of `torch.nn.BatchNorm2d`. `torch.nn.SyncBatchNorm` computes the same, but on
    GPUs only, and it can't be differentiated twice, which the R1 penalty needs.
    """

    @classmethod
    def like(cls, layer: nn.BatchNorm2d) -> "JointBatchNorm2d":
        """A layer with the state of another one; for `blocks.swap`."""
        joint = cls(layer.num_features, layer.eps, layer.momentum).to(layer.weight)
        joint.load_state_dict(layer.state_dict())
        return joint

    def forward(self, x: Images) -> Images:
        if world() == 1 or not self.training:
            return super().forward(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))  # bf16 under autocast
        own = torch.stack(torch.var_mean(wide, dim=(0, 2, 3), correction=0))
        place = torch.eye(world()).to(wide)[rank(), :, None, None]  # 1 for this process, else 0
        var, mean = Total.apply(place * own).unbind(1)  # (processes, channels) each
        var, mean = var.mean(0) + mean.var(0, correction=0), mean.mean(0)
        with torch.no_grad():
            n = world() * x.numel() // x.shape[1]
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * n / (n - 1), self.momentum)
        scale = self.weight * (var + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(shift[:, None, None], wide, scale[:, None, None]).to(x.dtype)


def average_gradients(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Replace gradients by their means over processes: a hook, called before ``step()``."""
    gradients = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
    flat = all_reduce(torch.cat([gradient.flatten() for gradient in gradients]) / world())
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, parts, strict=True):
        gradient.copy_(mean.view(gradient.shape))


def share_state(keep: Mapping[str, Any]) -> None:
    """All processes take over the state of process 0."""
    if world() > 1:
        box = [checkpoint.state_of(keep)]
        dist.broadcast_object_list(box)
        checkpoint.restore(keep, box[0])
