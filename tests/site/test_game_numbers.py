"""The website's perceptron and the course's networks in the browser agree with PyTorch."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancourse.datasets.flowers import PETAL_COLOURS
from gancourse.papers import gan, lapgan
from gancourse.papers.blocks import MLP

SITE = Path(__file__).parents[2] / "site"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(not NODE, reason="no Node.js")
COUNT, GAMMA = 7, 1.5
SIZES = [2, 16, 12, 1]


def run(script: str, **values) -> dict:
    """What a module prints as JSON; it gets the values as JSON, too."""
    code = f"const given = {json.dumps(values)};\n{script}"
    place = SITE / "demos"
    done = subprocess.run(
        [NODE, "--input-type=module", "-"], input=code, cwd=place, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def perceptron(seed: int) -> MLP:
    """In float64, as JavaScript's numbers."""
    return MLP(*SIZES, rng=torch.Generator().manual_seed(seed)).double()


def flat(tensors) -> list[float]:
    return torch.cat([t.detach().flatten() for t in tensors]).tolist()


def gradients(net: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    found = torch.autograd.grad(loss, [*net.parameters()], allow_unused=True)
    pairs = zip(net.parameters(), found, strict=True)
    return torch.cat(
        [torch.zeros_like(p).flatten() if g is None else g.flatten() for p, g in pairs]
    )


START = """
import { Adam, MLP } from "./mlp.js";
const net = new MLP(given.sizes, () => 0.5);
net.theta.set(given.theta);
const x = Float64Array.from(given.x), gradient = new Float64Array(net.theta.length);
"""


@pytest.mark.parametrize("seed", range(3))
def test_output_and_gradients(seed):
    net, rng = perceptron(seed), torch.Generator().manual_seed(seed + 10)
    x = torch.randn(COUNT, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(COUNT, 1, generator=rng, dtype=torch.float64)
    out = net(x)
    loss = (weights * out).sum()
    found = run(
        START + """
        const trace = net.forward(x, given.count);
        const input = net.backward(trace, Float64Array.from(given.weights), gradient);
        const found = { out: [...trace.out], input: [...input], theta: [...gradient] };
        console.log(JSON.stringify(found));
        """,
        sizes=SIZES, theta=flat(net.parameters()), x=flat([x]), count=COUNT,
        weights=flat([weights]),
    )  # fmt: skip
    (by_input,) = torch.autograd.grad(loss, x, retain_graph=True)
    close = {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(torch.tensor(found["out"]).double(), out.flatten(), **close)
    torch.testing.assert_close(torch.tensor(found["input"]).double(), by_input.flatten(), **close)
    torch.testing.assert_close(torch.tensor(found["theta"]).double(), gradients(net, loss), **close)


@pytest.mark.parametrize("seed", range(3))
def test_r1_and_its_gradient(seed):
    net, rng = perceptron(seed), torch.Generator().manual_seed(seed + 20)
    x = torch.randn(COUNT, 2, generator=rng, dtype=torch.float64)
    penalty = GAMMA / 2 * gan.r1_penalty(nn.Sequential(net, nn.Flatten(0)), x)
    found = run(
        START + """
        const penalty = net.r1(x, given.count, given.gamma, gradient);
        console.log(JSON.stringify({penalty, theta: [...gradient]}));
        """,
        sizes=SIZES, theta=flat(net.parameters()), x=flat([x]), count=COUNT, gamma=GAMMA,
    )  # fmt: skip
    assert found["penalty"] == pytest.approx(penalty.item(), rel=1e-5)
    expected = gradients(net, penalty)
    torch.testing.assert_close(
        torch.tensor(found["theta"]).double(), expected, rtol=1e-5, atol=1e-5
    )


def test_adam_is_torchs():
    theta = torch.linspace(-1, 1, 5, dtype=torch.float64).requires_grad_()
    before, gradient = theta.tolist(), [0.3, -2.0, 0.0, 1e-4, 5.0]
    optimizer = torch.optim.Adam([theta], lr=0.01, betas=(0.5, 0.99))
    for n in range(3):
        theta.grad = torch.tensor(gradient, dtype=torch.float64) * (n + 1)
        optimizer.step()
    found = run(
        """
        import { Adam } from "./mlp.js";
        const theta = Float64Array.from(given.theta), adam = new Adam(theta, 0.01);
        for (let n = 1; n <= 3; n++) adam.step(Float64Array.from(given.gradient, (g) => g * n));
        console.log(JSON.stringify({theta: [...theta]}));
        """,
        theta=before, gradient=gradient,
    )  # fmt: skip
    torch.testing.assert_close(torch.tensor(found["theta"]).double(), theta.detach())


@pytest.mark.parametrize("saturating", [False, True])
def test_the_pull_on_samples_is_the_gradient_of_gs_loss(saturating):
    net, rng = perceptron(0), torch.Generator().manual_seed(3)
    x = torch.randn(COUNT, 2, generator=rng, dtype=torch.float64, requires_grad=True)
    loss = gan.saturating_loss if saturating else gan.non_saturating_loss
    (expected,) = torch.autograd.grad(loss(net(x).squeeze(1)), x)
    found = run(
        """
        import { Game } from "./game.js";
        import { MLP } from "./mlp.js";
        const game = new Game(() => 0.5);
        game.D = new MLP(given.sizes, () => 0.5);
        game.D.theta.set(given.theta);
        const x = Float64Array.from(given.x);
        console.log(JSON.stringify([...game.pull(x, given.saturating, 1 / given.count)]));
        """,
        sizes=SIZES, theta=flat(net.parameters()), x=flat([x]), count=COUNT, saturating=saturating,
    )  # fmt: skip
    torch.testing.assert_close(
        torch.tensor(found).double(), expected.flatten(), rtol=1e-5, atol=1e-6
    )


def test_energy_distance_and_modes():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(30, 2, generator=rng), torch.randn(40, 2, generator=rng) + 1

    def mean(p, q, pairs):
        return (p[:, None] - q[None]).norm(dim=2).sum() / pairs

    expected = 2 * mean(a, b, 1200) - mean(a, a, 30 * 29) - mean(b, b, 40 * 39)
    angle = torch.arange(8) * torch.pi / 4
    ring = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    found = run(
        """
        import { covered, energyDistance, landmarks } from "./game.js";
        const [a, b, ring] = [given.a, given.b, given.ring].map((x) => Float64Array.from(x));
        const many = Float64Array.from({ length: 320 }, (_, i) => ring[i % 16] + 0.01 * (i % 7));
        const half = many.map((x, i) => (i % 16 < 8 ? x : 0));
        const marks = landmarks(many);
        console.log(JSON.stringify({
            distance: energyDistance(a, b), all: covered(many, marks), some: covered(half, marks),
        }));
        """,
        a=flat([a]), b=flat([b]), ring=flat([ring]),
    )  # fmt: skip
    assert found["distance"] == pytest.approx(float(expected), rel=1e-5)
    assert (found["all"], found["some"]) == (8, 4)


@pytest.mark.parametrize("name", ["pyramid.js", "enlarge.js"])
def test_interpolation_is_torchs(name, tmp_path):
    rng = torch.Generator().manual_seed(1)
    x = torch.rand(1, 3, 6, 6, generator=rng) * 2 - 1
    if name == "pyramid.js":
        expected, call = lapgan.up(x), "up(x, 6)"
    else:
        expected = F.interpolate(x, scale_factor=4, mode="bicubic")
        call = "bicubic(x, 6, 6)"
    for file in SITE.joinpath("demos").glob("*.js"):
        shutil.copy(file, tmp_path)
    shutil.copy(SITE.parent / "gancourse" / "export" / "page" / "latent.js", tmp_path)
    code = (
        f'import {{ {call.partition("(")[0]} }} from "{tmp_path / name}";\n'
        f"const x = Float32Array.from({flat([x])});\nconsole.log(JSON.stringify([...{call}]));"
    )
    script = tmp_path / "call.mjs"
    script.write_text(code, encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run([NODE, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = torch.tensor(json.loads(done.stdout))
    torch.testing.assert_close(found, expected.flatten(), rtol=1e-5, atol=1e-5)


def test_the_exported_networks_were_compared_with_torch_and_are_small():
    models = SITE / "models"
    described = json.loads((models / "models.json").read_text("utf-8"))
    files = {path.stem: path.stat().st_size for path in models.glob("*.onnx")}
    assert files == {name: d["bytes"] for name, d in described.items() if "bytes" in d}
    assert all(d["difference"] <= 1e-4 for d in described.values() if "bytes" in d)
    assert sum(path.stat().st_size for path in models.iterdir()) < 15e6


@pytest.mark.parametrize("colour", ["red", "pink", "blue"])
def test_the_exported_reader_and_generator_belong_together(colour):
    onnxruntime = pytest.importorskip("onnxruntime")
    models = SITE / "models"
    facts = json.loads((models / "models.json").read_text("utf-8"))["sentence_reader"]
    length, alphabet = facts["inputs"]["characters"][1], facts["alphabet"]
    text = f"a {colour} flower with round petals and a yellow centre"
    places = [alphabet.index(c) for c in text] + [-1] * (length - len(text))
    one_hot = F.one_hot(torch.tensor(places) + 1, len(alphabet) + 1)[None, :, 1:].float()
    reader, G = (
        onnxruntime.InferenceSession(models / f"sentence_{name}.onnx")
        for name in ("reader", "generator")
    )
    c = torch.from_numpy(reader.run(None, {"characters": one_hot.numpy()})[0])
    z = torch.randn(16, G.get_inputs()[0].shape[1], generator=torch.Generator().manual_seed(0))
    (images,) = G.run(None, {"z": z.numpy(), "c": c.repeat(16, 1).numpy()})
    petals = torch.from_numpy(images[:, :, 7:11, 12:20]).mean(dim=(2, 3)) / 2 + 0.5
    known = torch.tensor([*PETAL_COLOURS.values()])
    nearest = (petals[:, None] - known).norm(dim=2).argmin(dim=1)
    named = [*PETAL_COLOURS].index(colour)
    assert (nearest == named).float().mean() > 0.6
