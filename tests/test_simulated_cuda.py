"""The simulated device refuses what CUDA refuses, and computes what the CPU computes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.simulated_cuda import CUDA, Device, on_cuda, to_cpu


def random(*shape: int) -> Tensor:
    return on_cuda(torch.randn(*shape))


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.LeakyReLU(0.2), nn.ConvTranspose2d(2, 1, 4, 2, 1),
        nn.Flatten(), nn.Linear(144, 1),
    )  # fmt: skip


def test_results_stay_on_the_device():
    x = random(4, 3)
    assert x.device == CUDA and x.is_cuda and not x.is_cpu
    assert (x * 2).relu().is_cuda and (x + torch.tensor(1.0)).is_cuda and (x + 1).sum().is_cuda
    assert x[torch.tensor([0, 1])].is_cuda  # as on a GPU, an index may be on the CPU


MIXED = {
    "sum": lambda x, other: x + other,
    "sum, the other way": lambda x, other: other + x,
    "cat": lambda x, other: torch.cat([x, other]),
    "stack": lambda x, other: torch.stack([x, other]),
    "product": lambda x, other: x @ other.T,
    "where": lambda x, other: torch.where(x > 0, other, 0),
    "in place": lambda x, other: x.add_(other),
    "layer": lambda x, other: F.linear(x, other),
    "loss": lambda x, other: F.binary_cross_entropy_with_logits(x, other),
}


@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED)
def test_mixed_devices_are_refused(mix):
    with pytest.raises(RuntimeError, match="same device"):
        mix(random(4, 3), torch.ones(4, 3))
    with Device(), pytest.raises(RuntimeError, match="same device"):
        mix(random(4, 3), torch.ones(4, 3))


def test_numpy_wants_a_copy_on_the_cpu():
    with pytest.raises(TypeError, match="cpu"):
        random(2).numpy()
    assert to_cpu(random(2)).numpy().shape == (2,)
    with Device():
        assert random(2).cpu().numpy().shape == (2,)


MADE = {
    "zeros": lambda x: torch.zeros(4, device=x.device),
    "randn_like": lambda x: torch.randn_like(x),
    "eye": lambda x: torch.eye(3, device="cuda"),
    "arange": lambda x: torch.arange(3, device=x.device),
    "tensor": lambda x: torch.tensor([1.0], device=x.device),
    "as_tensor": lambda x: torch.as_tensor([1], device=x.device),
    "new_ones": lambda x: x.new_ones(3),
    "full": lambda x: torch.full((2,), 0.5, device="cuda:0"),
    "to a tensor's": lambda x: torch.ones(2).to(x),
    "to": lambda x: torch.ones(2).to("cuda"),
    "cuda()": lambda x: torch.ones(2).cuda(),
    "to, with a dtype": lambda x: torch.ones(2).to(x.device, torch.float64),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_new_tensors_are_where_they_are_wanted(make):
    with Device():
        assert make(random(4)).is_cuda
        assert torch.zeros(3).is_cpu


def test_dtypes_are_kept():
    with Device():
        assert torch.ones(2).to("cuda", torch.float64).dtype == torch.float64
        assert random(2).to(torch.float64).dtype == torch.float64


def test_a_generator_draws_only_on_its_own_device(rng):
    cuda = on_cuda(rng)
    with Device():
        for draw in (
            lambda: torch.randn(3, generator=cuda),
            lambda: torch.randn(3, generator=rng, device="cuda"),
            lambda: random(3).normal_(generator=rng),
            lambda: torch.randperm(3, generator=rng, device="cuda"),
        ):
            with pytest.raises(RuntimeError, match="generator"):
                draw()
        x = torch.randn(3, generator=cuda, device="cuda")
    assert x.is_cuda and torch.equal(to_cpu(x), torch.randn(3, generator=rng))


def test_a_network_trains_on_it():
    net = on_cuda(network())
    assert all(p.is_cuda and isinstance(p, nn.Parameter) for p in net.parameters())
    assert net[1].running_mean.is_cuda and copy.deepcopy(net)[0].weight.is_cuda
    with pytest.raises(RuntimeError, match="same device"):
        net(torch.randn(2, 1, 8, 8))
    for kind in (torch.optim.Adam, torch.optim.SGD, torch.optim.AdamW):
        opt, before = kind(net.parameters(), lr=0.1), net[0].weight.detach().clone()
        opt.zero_grad()
        net(random(2, 1, 8, 8)).sum().backward()
        opt.step()
        assert not torch.equal(before, net[0].weight)
    with Device():
        assert nn.Linear(3, 2).to(CUDA)(random(4, 3)).is_cuda
        assert nn.Linear(3, 2, device="cuda")(random(4, 3)).is_cuda


def test_gradients_pass_from_device_to_device():
    x = random(3).requires_grad_()
    (gradient,) = torch.autograd.grad(x.square().sum(), x)
    assert gradient.is_cuda and x.grad is None
    to_cpu(x).square().sum().backward()
    assert x.grad.is_cuda and torch.equal(x.grad, 2 * x.detach())


def test_it_computes_what_the_cpu_computes():
    x, net = torch.randn(4, 1, 8, 8), network()
    assert torch.equal(to_cpu(on_cuda(net)(on_cuda(x))), net(x))


def test_arguments_are_copied_with_what_they_contain(rng):
    given = {"x": torch.zeros(2), "pair": (torch.ones(1), 3), "list": [rng, "text"]}
    moved = on_cuda(given)
    assert moved["x"].is_cuda and moved["pair"][0].is_cuda and moved["pair"][1] == 3
    assert moved["list"][0].device == CUDA and moved["list"][1] == "text"
    moved["x"] += 1
    assert given["x"].sum() == 0


def test_functions_that_wrap_tensors_work():
    x = random(4, 3)
    with Device():
        gradient = torch.func.vmap(torch.func.grad(lambda row: (row**2).sum()))(x)
    assert torch.allclose(to_cpu(gradient), to_cpu(2 * x))


def test_a_table_on_the_cpu_has_no_index_on_a_gpu():
    table, index = torch.arange(4.0), on_cuda(torch.tensor([1, 2]))
    with pytest.raises(RuntimeError, match="same device"):
        table[index]
    assert table[on_cuda(torch.tensor(1))] == 1  # a single number is read from the GPU
    with pytest.raises(RuntimeError, match="same device"):
        on_cuda(table).index_select(0, torch.tensor([1, 2]))


def test_values_are_copied_into_a_part_of_a_tensor_from_any_device():
    here, there, mask = torch.zeros(3, 2), random(3, 2), torch.tensor([True, False, True])
    here[1] = there[1]
    there[:, 0] = torch.ones(3)
    there[mask] = 0  # an index may be on the CPU
    assert here[1].any() and here.is_cpu and to_cpu(there).tolist()[0] == [0, 0]
    for x, index, value in ((there, mask, torch.ones(2, 2)), (here, mask, there[:2])):
        with pytest.raises(RuntimeError, match="same device"):
            x[index] = value
    with pytest.raises(RuntimeError, match="same device"):
        here[on_cuda(mask)] = 0
