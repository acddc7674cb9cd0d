"""Sentences say what is so, leave out what they leave out, and hold nothing back in a test."""

import re

import pytest
import torch

from gancourse.datasets import captions, flowers
from gancourse.datasets.flowers import PETAL_COLOURS, PETALS, SHAPES


@pytest.fixture(scope="module")
def garden() -> captions.CaptionedFlowers:
    return captions.load(300, 16, torch.Generator().manual_seed(0))


def read(sentence: str) -> list[int]:
    """What a sentence says, found by looking for words in it: an oracle without the grammar."""
    found = []
    for values in captions.WORDS.values():
        said = [
            i
            for i, words in enumerate(values)
            if any(re.search(rf"(?<!\w){word}(?!\w)", sentence) for word in words)
        ]
        assert len(said) <= 1, sentence
        found.append(said[0] if said else -1)
    return found


def test_what_a_sentence_says_is_what_its_words_say(garden):
    for i in range(60):
        for k, sentence in enumerate(garden.sentences[i]):
            assert read(sentence) == garden.said[i, k].tolist(), sentence


def test_sentences_are_true_of_their_pictures(garden):
    assert captions.fits(garden.said, garden.truth[:, None]).all()
    assert torch.equal(garden.images, flowers.draw(garden.looks, 16))


def test_truth_is_what_was_drawn(garden):
    looks = garden.looks
    assert torch.equal(garden.truth[:, 0], looks.colour)
    assert torch.equal(garden.truth[:, 1], looks.shape)
    assert torch.equal(garden.truth[:, 2] + PETALS[0], looks.petals)
    small, large = garden.truth[:, 5] == 0, garden.truth[:, 5] == 1
    assert looks.radius[small].max() < captions.SMALL < captions.LARGE < looks.radius[large].min()
    middle = looks.radius[garden.truth[:, 5] == -1]
    assert middle.min() >= captions.SMALL and middle.max() <= captions.LARGE


def test_attributes_are_named_as_often_as_they_should_be(garden):
    """3,000 sentences, four standard errors; a size that is neither is never named."""
    for column, share in enumerate(captions.NAMED.values()):
        can = garden.truth[:, column] >= 0
        named = (garden.said[can, :, column] >= 0).float().mean()
        assert named.item() == pytest.approx(share, abs=4 * (share * (1 - share) / 1500) ** 0.5)


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_combinations_are_kept_apart(held_out, rng):
    found = captions.load(200, 8, rng, held_out)
    colours, shapes = list(PETAL_COLOURS), list(SHAPES)
    pairs = {(colours[c], shapes[s]) for c, s in found.truth[:, :2].tolist()}
    assert pairs <= set(captions.HELD_OUT) if held_out else not pairs & set(captions.HELD_OUT)
    assert len(pairs) == (3 if held_out else 12)
    assert {c for c, _ in captions.HELD_OUT} <= {colours[c] for c in garden_colours(rng)}


def garden_colours(rng: torch.Generator) -> set[int]:
    """Every colour of a held-out combination is seen in training, with other shapes."""
    return set(captions.load(200, 8, rng).truth[:, 0].tolist())


def test_the_vocabulary_is_every_word_of_every_sentence(garden):
    words = {word for row in garden.sentences for s in row for word in re.findall(r"\w+", s)}
    assert words == captions.vocabulary()


def test_sentences_of_one_flower_vary_and_a_seed_repeats_them(garden):
    assert sum(len(set(row)) for row in garden.sentences) > 0.95 * 10 * len(garden)
    again = captions.load(300, 16, torch.Generator().manual_seed(0))
    assert again.sentences == garden.sentences and torch.equal(again.images, garden.images)


def test_a_vowel_takes_an():
    assert captions.sentence([4, -1, -1, -1, -1, -1], [1, 0, 0, 0, 0, 0], 4) == "an azure bloom"
    assert captions.sentence([0, -1, -1, -1, -1, -1], form=4) == "a red bloom"


def test_fits_only_asks_for_what_is_said():
    truth = torch.tensor([0, 1, 2, 0, 1, -1])
    assert captions.fits(torch.full((6,), -1), truth)
    assert captions.fits(torch.tensor([0, -1, 2, -1, -1, -1]), truth)
    assert not captions.fits(torch.tensor([1, -1, 2, -1, -1, -1]), truth)
    assert not captions.fits(torch.tensor([-1, -1, -1, -1, -1, 0]), truth)  # neither


def test_change_one_changes_one_attribute_that_is_named(garden):
    said, sizes = garden.said.flatten(0, 1), [len(values) for values in captions.WORDS.values()]
    new = captions.change_one(said, sizes, torch.Generator().manual_seed(0))
    changed, named = new != said, said >= 0
    assert torch.equal(changed.sum(1), named.any(1).long())
    assert not changed[~named].any() and (new[named] >= 0).all()
    assert (new < torch.tensor(sizes)).all()
    assert not captions.fits(new, garden.truth.repeat_interleave(10, 0))[named.any(1)].any()


def test_change_one_chooses_evenly():
    """Two of three attributes are named; 20,000 rows, five standard errors."""
    said = torch.tensor([[2, -1, 1]]).expand(20000, -1)
    new = captions.change_one(said, (5, 4, 2), torch.Generator().manual_seed(0))
    assert (new[:, 2] == 0).float().mean().item() == pytest.approx(0.5, abs=0.018)
    others = new[new[:, 0] != 2, 0].bincount(minlength=5) / (new[:, 0] != 2).sum()
    assert others.tolist() == pytest.approx([0.25, 0.25, 0, 0.25, 0.25], abs=0.022)


def test_what_is_written_says_what_it_should(garden):
    sentences = captions.write(garden.said[:20], torch.Generator().manual_seed(5))
    assert sentences != garden.sentences[:20]
    for row, said in zip(sentences, garden.said[:20].tolist(), strict=True):
        assert [read(sentence) for sentence in row] == said


def test_held_out_sentences_are_recognized(garden):
    assert not captions.is_held_out(garden.said).any()
    found = captions.load(50, 8, torch.Generator().manual_seed(1), held_out=True)
    both = (found.said[..., :2] >= 0).all(-1)
    assert both.any() and torch.equal(captions.is_held_out(found.said), both)


def test_unknown_words_are_named_once_in_order():
    known = captions.vocabulary()
    text = "A TULIP, red; on a meadow: tulip? with Stripes!"
    assert captions.unknown_words(text, known) == ["tulip", "stripes"]
    assert captions.unknown_words("a red flower", known) == []
    for text in ("", "  ", "?!, ."):
        with pytest.raises(ValueError, match="no word"):
            captions.unknown_words(text, known)
