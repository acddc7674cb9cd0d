"""Exercises of notebook 07: reading sentences, and making a GAN obey them."""

from functools import partial

from gancourse.datasets.captions import unknown_words
from gancourse.exercises import nb07_answers as a
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.papers.text2image import between, gan_cls_loss, joint_embedding_loss, style_loss

EXERCISES = (
    Exercise(
        id="7.1",
        title="A sentence as numbers",
        points=2,
        minutes=10,
        reference=a.places,
        cases=a.texts,
        slips=(
            Slip(
                partial(a.places, small=False),
                "A capital letter is read as unknown. Turn the text into small letters first.",
            ),
            Slip(
                partial(a.places, none=0),
                "You mark an unknown character by 0. But 0 is the place of the first character: "
                "mark it by -1.",
            ),
            Slip(
                partial(a.places, drop=True),
                "An unknown character is skipped, and all after it move up by one. It keeps its "
                "place, as -1.",
            ),
            Slip(
                partial(a.places, start=1),
                "Places count from 0: the first character of the alphabet is 0.",
            ),
            Slip(
                partial(a.places, cut=False),
                "A text longer than `length` must be cut: every row has the same length.",
            ),
            Slip(
                partial(a.places, front=True),
                "The filling stands before the text; it belongs behind it.",
            ),
        ),
        alternatives=(a.places_by_table,),
    ),
    Exercise(
        id="7.2",
        title="Partners and strangers",
        points=3,
        minutes=15,
        reference=joint_embedding_loss,
        cases=a.scores,
        slips=(
            Slip(
                partial(a.embedding_loss, ways="pictures"),
                "Only rows are compared: a picture with all texts. Add the other way, a text with "
                "all pictures, which runs down a column.",
            ),
            Slip(
                partial(a.embedding_loss, ways="texts"),
                "Only columns are compared: a text with all pictures. Add the other way, a picture "
                "with all texts, which runs along a row.",
            ),
            Slip(
                partial(a.embedding_loss, own=True),
                "The diagonal is in it: a partner would have to beat itself by 1, which costs 1 "
                "each time. Leave the diagonal out, and divide by n (n - 1).",
            ),
            Slip(
                partial(a.embedding_loss, mean=False),
                "That is the sum. Take the mean over the n (n - 1) pairs of strangers.",
            ),
            Slip(
                partial(a.embedding_loss, margin=0.0),
                "Without the 1 a partner that is better by a hair costs nothing, and so do scores "
                "that are all equal.",
            ),
            Slip(
                a.hardest_only,
                "That takes only the worst stranger of each. It is a loss that others use; here "
                "every stranger counts.",
            ),
        ),
        alternatives=(a.embedding_loss,),
    ),
    Exercise(
        id="7.3",
        title="Three kinds of pairs",
        points=2,
        minutes=8,
        reference=gan_cls_loss,
        cases=a.three_kinds,
        slips=(
            Slip(
                partial(a.cls_loss, w=1.0, f=1.0),
                "Wrong and fake pairs weigh one half each: together as much as the real pairs.",
            ),
            Slip(
                partial(a.cls_loss, w=0.0, f=1.0),
                "The wrong pairs are missing: that is the plain game.",
            ),
            Slip(
                lambda real, wrong, fake: a.cls_loss(real, -wrong, fake),
                "A real picture with a wrong text is to be rejected: its term is log(1 - s_w).",
            ),
            Slip(
                a.cls_naive,
                "At large logits sigmoid is exactly 0 or 1 and its log is infinite. "
                "F.softplus(-l) is -log(sigmoid(l)), F.softplus(l) is -log(1 - sigmoid(l)).",
            ),
            Slip(
                lambda real, wrong, fake: -a.cls_loss(real, wrong, fake),
                "The sign: the paper's D ascends, an optimizer descends. Return the negative.",
            ),
            Slip(
                lambda real, wrong, fake: a.cls_loss(real, wrong, fake) / 2,
                "One half too much: it stands before the brackets, not before the first term.",
            ),
        ),
        alternatives=(a.cls_loss,),
    ),
    Exercise(
        id="7.4",
        title="A perfect G, and D's best answer",
        points=1,
        minutes=6,
        reference=2 / 3,
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                0.5,
                "One half is the answer of the plain game. Here the fakes weigh only half as much "
                "as the real pairs.",
            ),
            Slip(
                1.0,
                "G is perfect: the pair looks just like a fake one, and fakes are to be rejected.",
            ),
            Slip(
                1 / 3,
                "Real and fake are exchanged. D's best answer is the weight of the real pairs "
                "over that of all pairs that look like this.",
            ),
            Slip(
                2.0,
                "That is the odds, real to fake. As a probability: real over real plus fake.",
            ),
            Slip(
                0.0,
                "Then D would lose on every real pair, which weighs most.",
            ),
        ),
        advice="Weigh the pairs that look like this one: real ones count 1, fake ones 1/2.",
        rtol=1e-2,
    ),
    Exercise(
        id="7.5",
        title="Sentences that nobody wrote",
        points=2,
        minutes=8,
        reference=between,
        cases=a.embeddings,
        slips=(
            Slip(
                lambda phi, beta: between(phi, 1 - beta),
                "beta and 1 - beta are exchanged: beta belongs to the first half of the batch.",
            ),
            Slip(
                lambda phi, beta: beta * phi + (1 - beta) * phi.flip(0),
                "That pairs every text twice, and one of an odd batch with itself. Pair the first "
                "half with the second: B // 2 rows.",
            ),
            Slip(
                lambda phi, beta: between(phi, 0.5),
                "beta is an argument; you always take the middle.",
            ),
            Slip(
                lambda phi, beta: beta * phi[:-1:2] + (1 - beta) * phi[1::2],
                "You pair neighbours, rows 0 and 1. Pair row 0 with row B // 2, and so on.",
            ),
            Slip(
                lambda phi, beta: phi[: len(phi) // 2] + phi[len(phi) // 2 :][: len(phi) // 2],
                "A sum lies as far out as both together: weigh the two by beta and 1 - beta.",
            ),
        ),
        alternatives=(a.between_pairs,),
    ),
    Exercise(
        id="7.6",
        title="Why the noise falls silent",
        points=1,
        minutes=6,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "In both runs 24 numbers of the text reach that layer, beside 16 of noise, and G "
                "could simply learn larger weights for z.",
            ),
            Slip(
                "b",
                "D sees one picture at a time, with its text. Does anything in the loss say that "
                "two pictures of one text should differ?",
            ),
            Slip(
                "d",
                "Wrong pairs are real pictures. They tell D whether a text fits; they say nothing "
                "of how many pictures a text may have.",
            ),
            Slip(
                "e",
                "A learning rate sets how fast G learns, not whether z pays. What would D have to "
                "see, in order to object?",
            ),
        ),
        advice="The answers are the letters a to e.",
    ),
    Exercise(
        id="7.7",
        title="Reading the noise off a picture",
        points=3,
        minutes=12,
        reference=style_loss,
        cases=a.style_cases,
        observe=a.observe_style,
        slips=(
            Slip(
                partial(a.style, detach=False),
                "G gets a gradient: it would be trained to please S. Draw the pictures under "
                "torch.no_grad().",
            ),
            Slip(
                partial(a.style, reduce="all"),
                "That is the mean over all numbers. A squared distance adds up the numbers of one "
                "z; the mean is over the batch.",
            ),
            Slip(
                partial(a.style, reduce="sum"),
                "That is the sum over the batch: take the mean over its pictures.",
            ),
            Slip(
                partial(a.style, reduce="root"),
                "That is the distance; the loss is its square.",
            ),
            Slip(
                partial(a.style, blind=True),
                "S gets no gradient: only the drawing belongs under torch.no_grad(), not S.",
            ),
        ),
        alternatives=(a.style,),
    ),
    Exercise(
        id="7.8",
        title="Words that G has never read",
        points=2,
        minutes=10,
        reference=unknown_words,
        cases=a.orders,
        observe=a.observe_words,
        slips=(
            Slip(
                a.words_like(lower=False),
                "A capital makes a known word unknown: compare in small letters.",
            ),
            Slip(
                a.words_like(strip=False),
                "Commas and stops stick to the words: a word is a run of letters and digits.",
            ),
            Slip(
                a.words_like(once=False),
                "A word that occurs twice is listed twice: once is enough.",
            ),
            Slip(
                a.words_like(order=False),
                "The words come in another order than in the text.",
            ),
            Slip(
                a.words_without_error,
                "A text without a word should raise ValueError: no picture would be the honest "
                "answer to it.",
            ),
            Slip(
                lambda text, known: [] if not text.strip() else unknown_words(text, known)[:1],
                "Only the first unknown word is named: list them all.",
            ),
        ),
        alternatives=(a.words_by_split,),
    ),
)
