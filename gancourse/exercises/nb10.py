"""Exercises of notebook 10: tricks, measures, and (in nb10_doctor) the training doctor."""

from gancourse.exercises import nb10_answers as a
from gancourse.exercises import nb10_doctor
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.metrics import samples
from gancourse.papers import tricks

EXERCISES = (
    Exercise(
        id="10.1",
        title="Virtual batch norm",
        points=3,
        minutes=12,
        reference=tricks.virtual_batch_norm,
        cases=a.batch_and_reference,
        slips=(
            Slip(
                a.virtual_like(itself=False),
                "You used the reference batch alone. Each row of h joins it for its own statistics "
                "(without that, a far-off row could become as large as it likes).",
            ),
            Slip(
                a.virtual_like(everyone=True),
                "All rows of h went into the statistics, so they see one another again: that is "
                "the very thing to be cured. One row at a time joins the reference.",
            ),
            Slip(
                a.virtual_like(correction=1),
                "The variance is divided by n; batch norm in training divides by the number of "
                "rows, n + 1 here (torch: correction=0).",
            ),
            Slip(
                a.virtual_like(root=False), "Divide by the standard deviation: a root is missing."
            ),
            Slip(
                a.virtual_like(per_row=True),
                "You normalised along the features of a row (that is layer norm). Statistics run "
                "over examples, dim 0, for each feature on its own.",
            ),
        ),
        alternatives=(a.virtual_like(), a.virtual_by_broadcast),
        rtol=1e-3,
        atol=1e-4,
    ),
    Exercise(
        id="10.2",
        title="Why one-sided",
        points=1,
        minutes=6,
        reference="b",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "Softer targets keep logits small on both sides alike. In the numerator: where "
                "is there a fake, but no real example?",
            ),
            Slip(
                "c",
                "With b = 0 the best D is a p / (p + q): a constant factor, the same ordering. "
                "What does b add to the numerator?",
            ),
            Slip(
                "d",
                "The loss is finite and smooth for all labels in [0, 1]. Look at D* where p = 0.",
            ),
            Slip("e", "There is a difference: put p = 0 into D*, with b = 0 and with b > 0."),
        ),
        alternatives=("B", " b. "),
        advice="The answers are the letters a to e.",
    ),
    Exercise(
        id="10.3",
        title="The gradient penalty",
        points=3,
        minutes=15,
        reference=tricks.gradient_penalty,
        cases=a.critic_and_points,
        observe=a.observe_penalty,
        slips=(
            Slip(
                a.penalty_like(one_share=True),
                "All rows were mixed with the share of the first. t has one share for each row.",
            ),
            Slip(
                a.penalty_like(where="real"),
                "You took the slope at the real points. It is wanted at points between real and "
                "fake: t x + (1 - t) fakes.",
            ),
            Slip(
                a.penalty_like(whole=True),
                "One length for the whole batch. Each row has a slope of its own: norm(dim=-1).",
            ),
            Slip(
                a.penalty_like(squared=True),
                "You compared the squared length with 1. Take the root, subtract 1, then square.",
            ),
            Slip(
                a.penalty_like(target=0.0),
                "That pulls slopes to 0 (as R1 does). The target is a slope of length 1.",
            ),
            Slip(
                a.penalty_like(graph=False),
                "The number is right, but D can't learn from it: pass create_graph=True to "
                "autograd.grad and don't detach the result.",
            ),
            Slip(
                a.penalty_like(one_sided=True),
                "You forgave slopes below 1. The paper's penalty is two-sided.",
            ),
            Slip(
                a.penalty_like(mean_slope=True),
                "You differentiated D's mean: every slope is divided by the batch size. Sum D's "
                "answers: each row's slope then is its own.",
            ),
        ),
        alternatives=(a.penalty_like(),),
        rtol=1e-3,
        atol=1e-4,
    ),
    Exercise(
        id="10.4",
        title="How close is the batch?",
        points=2,
        minutes=12,
        reference=tricks.closeness,
        cases=a.projections,
        slips=(
            Slip(
                a.closeness_like(itself=False),
                "You left out j = i. The paper's sum runs over the whole batch; it adds 1 to all.",
            ),
            Slip(a.closeness_like(mean=True), "That is the mean over j; wanted is the sum."),
            Slip(
                a.closeness_like(power=2),
                "You squared the differences. The paper takes the L1 distance: absolute values.",
            ),
            Slip(
                a.closeness_like(inside=True),
                "Sum the absolute differences first, then take exp: one for each pair and kernel.",
            ),
            Slip(
                a.closeness_like(sign=1),
                "The sign is lost: exp(-distance) is 1 for copies and falls to 0 far apart.",
            ),
            Slip(
                lambda M: a.closeness_like()(M).sum(1, keepdim=True),
                "One number for each example and kernel: don't add up the kernels.",
            ),
        ),
        alternatives=(a.closeness_like(), a.closeness_by_cdist),
    ),
    Exercise(
        id="10.5",
        title="Sure of each, and of all kinds",
        points=2,
        minutes=10,
        reference=samples.inception_score,
        cases=a.opinions,
        slips=(
            Slip(a.score_like(exp=False), "The exponential is missing: a score of 1 is the least."),
            Slip(
                a.score_like(swap=True, naive=False),
                "The two are exchanged: KL(p(y|x) || p(y)) weighs with p(y|x).",
            ),
            Slip(
                a.score_like(uniform=True),
                "You compared with equal classes. p(y) is the mean of the rows that are given.",
            ),
            Slip(
                a.score_like(naive=True),
                "0 log 0 became nan. It counts as 0: torch.xlogy does that.",
            ),
            Slip(
                a.score_like(each=True),
                "You took the mean of exponentials. First the mean over samples, then exp.",
            ),
            Slip(
                a.score_like(only="varied"),
                "That is exp of the entropy of p(y): how varied. How sure is missing.",
            ),
        ),
        alternatives=(a.score_like(), a.score_by_entropies),
    ),
    Exercise(
        id="10.6",
        title="Inside the cloud",
        points=2,
        minutes=12,
        reference=samples.covered,
        cases=a.points_and_cloud,
        observe=a.observe_covered,
        slips=(
            Slip(
                a.covered_like(shift=0),
                "Off by one: among the distances within the cloud the smallest is 0, of a point to "
                "itself. The k-th neighbour is at place k + 1.",
            ),
            Slip(
                a.covered_like(whose="points"),
                "You gave the balls of the points. Balls belong to the cloud: each of its points "
                "reaches as far as its own k-th neighbour in the cloud.",
            ),
            Slip(
                a.covered_like(largest=True),
                "One radius for all. Each point of the cloud has its own: small where it is dense.",
            ),
            Slip(
                a.covered_like(nearest_only=True),
                "You looked into the ball of the nearest point only. Another ball, of a point "
                "further away, may reach further: any ball counts.",
            ),
            Slip(
                a.covered_turned,
                "That says which of the cloud's points are covered by `points`: exchanged.",
            ),
            Slip(
                a.covered_like(every=True),
                "A point need not lie in all balls: one is enough (any, not all).",
            ),
        ),
        alternatives=(a.covered_like(), a.covered_by_loop),
    ),
    *nb10_doctor.DOCTOR,
)
