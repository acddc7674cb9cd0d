"""Drawn flowers: exact attributes, one thing changed at a time, no hidden randomness."""

from dataclasses import fields, replace

import pytest
import torch

from gancourse.datasets import flowers


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [32, 64])
def test_pictures_and_attributes_belong_together(size):
    garden = flowers.load(1100, size, rng())
    assert garden.images.shape == (1100, 3, size, size) and garden.images.dtype == torch.uint8
    assert len(garden) == len(garden.looks) == 1100
    picked = garden.looks[torch.tensor([0, 1050])]
    assert torch.equal(flowers.draw(picked, size), garden.images[[0, 1050]])


def test_a_seed_means_the_same_flowers_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    one, two = (flowers.sample(50, rng(3)) for _ in range(2))
    for field in fields(one):
        assert torch.equal(getattr(one, field.name), getattr(two, field.name))
    assert torch.equal(before, torch.get_rng_state())


def test_a_bee_changes_pixels_where_it_is_and_nowhere_else():
    looks = flowers.sample(64, rng(1))
    bare, visited = (flowers.draw(looks.with_bee(b), 32).float() for b in (False, True))
    changed = (visited - bare).abs().amax(1)
    y, x = torch.meshgrid(*2 * [torch.linspace(-1, 1, 32)], indexing="ij")
    away = (x - looks.bee_x.view(-1, 1, 1)) ** 2 + (y - looks.bee_y.view(-1, 1, 1)) ** 2
    assert (changed[away < 0.15**2] > 0).float().mean() > 0.95
    far = away > 0.6**2  # wings and a pixel included
    assert far.float().mean() > 0.3 and changed[far].max() == 0


def test_only_bees_are_black():
    looks = flowers.sample(300, rng(2))
    for there in (False, True):
        dark = (flowers.draw(looks.with_bee(there), 32).amax(1) < 60).flatten(1).any(1)
        assert bool(dark.all()) if there else not bool(dark.any())


def test_every_attribute_is_drawn():
    looks = flowers.sample(2, rng(4), bees=0)
    base = looks[:1]
    picture = flowers.draw(base, 32)
    tables = {
        "shape": flowers.SHAPES,
        "colour": flowers.PETAL_COLOURS,
        "centre": flowers.CENTRE_COLOURS,
        "background": flowers.BACKGROUNDS,
    }
    for name, table in tables.items():
        other = replace(base, **{name: (getattr(base, name) + 1) % len(table)})
        assert not torch.equal(flowers.draw(other, 32), picture), name
    assert not torch.equal(flowers.draw(replace(base, petals=base.petals + 1), 32), picture)


def test_the_middle_has_the_centres_colour_and_the_corner_the_backgrounds():
    looks = replace(flowers.sample(20, rng(5), bees=0), x=torch.zeros(20), y=torch.zeros(20))
    pictures = flowers.draw(looks, 64).float() / 255
    table = torch.tensor(list(flowers.CENTRE_COLOURS.values()))[looks.centre]
    assert (pictures[:, :, 32, 32] - table).abs().max() < 0.01
    table = torch.tensor(list(flowers.BACKGROUNDS.values()))[looks.background]
    assert (pictures[:, :, 0, 0] - table).abs().max() < 0.09  # shaded by up to 8 %


def test_turning_by_one_petal_changes_nothing():
    looks = flowers.sample(10, rng(6), bees=0)
    turned = replace(looks, turn=looks.turn + 2 * torch.pi / looks.petals)
    a, b = (flowers.draw(each, 32).int() for each in (looks, turned))
    assert (a - b).abs().max() <= 1


def test_edges_are_smooth():
    """Halving the side is nearly the mean of 2 x 2 pixels: no stair steps."""
    looks = flowers.sample(20, rng(7))
    small = flowers.draw(looks, 64).float()
    large = torch.nn.functional.avg_pool2d(flowers.draw(looks, 128).float(), 2)
    assert (small - large).abs().mean() < 3


def test_shares_of_bees():
    assert not flowers.sample(50, rng(), bees=0).bee.any()
    assert flowers.sample(50, rng(), bees=1).bee.all()
    assert flowers.sample(4000, rng()).bee.float().mean().item() == pytest.approx(0.5, abs=0.04)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        flowers.sample(0, rng())
    with pytest.raises(ValueError, match="share"):
        flowers.sample(1, rng(), bees=2)
    with pytest.raises(ValueError, match="8 pixels"):
        flowers.draw(flowers.sample(1, rng()), 4)


def test_by_default_flowers_are_drawn_as_ever():
    """A checksum: notebooks 04, 06 and 07 rest on these pictures."""
    picture = flowers.draw(flowers.sample(50, rng(8)), 32)
    assert torch.equal(picture, flowers.draw(flowers.sample(50, rng(8)), 32, dusk=False))
    assert picture.long().sum().item() == 24_441_118


def test_dusk_is_darker_and_striped_and_changes_no_shape():
    looks = flowers.sample(40, rng(9), bees=0)
    day, dusk = (flowers.draw(looks, 64, d).float() for d in (False, True))
    assert (dusk <= day + 1).all()  # less light everywhere
    other = replace(looks, colour=(looks.colour + 1) % 5)
    petals = [
        (flowers.draw(looks, 64, d) != flowers.draw(other, 64, d)).any(1) for d in (False, True)
    ]
    assert (petals[0] != petals[1]).float().mean() < 0.01
    light = torch.tensor(flowers.DUSK).view(1, 3, 1, 1)
    left = dusk.sum(1) / (day * light).sum(1)  # what the stripes leave of the petals' light
    inside = 1 - torch.nn.functional.max_pool2d(1 - petals[0].float(), 3, 1, 1)
    for light_left, mask in zip(left, inside.bool(), strict=True):
        dark, bright = light_left[mask].quantile(torch.tensor([0.1, 0.9]))
        assert dark < 0.55 and bright > 0.9


def test_at_dusk_every_colour_stays_nearest_to_its_own():
    """The mean over the petals tells the five colours apart, whatever the ground and shape."""
    looks = flowers.sample(60, rng(10), bees=0)

    def drawn(c):
        same = replace(looks, colour=torch.full_like(looks.colour, c))
        return flowers.draw(same, 32, dusk=True).float()

    pictures = torch.stack([drawn(c) for c in range(5)])
    petals = (pictures[0] != pictures[4]).any(1, keepdim=True).float()
    means = (pictures * petals).sum((3, 4)) / petals.sum((2, 3))
    apart = torch.cdist(means.transpose(0, 1), means.transpose(0, 1))
    assert apart[:, ~torch.eye(5, dtype=torch.bool)].min() > 20  # of 255
