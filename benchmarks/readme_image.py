"""Draw README's image with the generator that notebook 03 trained.

python benchmarks/readme_image.py [runs/03_dcgan/G.safetensors]
"""

import sys
from pathlib import Path

from torchvision.io import write_png
from torchvision.utils import make_grid

from gancourse import env
from gancourse.metrics.samples import in_batches
from gancourse.shapes import to_bytes
from gancourse.training import networks

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else env.run_dir("03_dcgan") / "G.safetensors"
    G = networks.load(path)
    digits = in_batches(G, env.noise(G.noise_dim, env.rng(3, "cpu"))(4 * 20))
    grid = make_grid(digits.repeat_interleave(2, 2).repeat_interleave(2, 3), nrow=20, padding=0)
    (ROOT / "assets").mkdir(exist_ok=True)
    write_png(to_bytes(grid[None])[0], str(ROOT / "assets" / "digits.png"))


if __name__ == "__main__":
    main()
