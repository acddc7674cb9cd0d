"""Exercise 4.4: the length of a sum of means."""

from gancourse.exercises.questions import number

EXERCISE = number(
    "4.4",
    "The length of an average",
    minutes=5,
    answer=3,
    wrong={
        1: "With n = 1 three variances of 1 add up to 3: the result is too long by root 3.",
        9: "A mean of n numbers has the variance 1/n; 1/root(n) is its standard deviation. Add "
        "variances.",
        3**0.5: "A mean of n numbers has the variance 1/n, neither 1/n squared nor 1/root(n). Add "
        "three of them: for which number of samples n is the sum 1?",
        2: "Three variances are added, one for each mean: a minus sign does not make a variance "
        "smaller.",
        6: "With n = 6 the variance is 1/6 + 1/6 + 1/6 = 1/2. n counts the samples of one kind.",
        1 / 3: "1/3 is the variance of a mean of n = 3 samples. The question is for n.",
        24: "The length of z does not matter: the question is for the variance of each entry. "
        "Add up the three means' variances of 1/n.",
        8: "Don't divide the 24 entries: each entry has a variance of its own. It is the sum of "
        "the three means' variances, 1/n each.",
        10: "Means of ten are too short: each has the variance 1/10, and the three add up to 0.3.",
        4: "Four is the paper's number for a turn vector. Here three variances of 1/n are added.",
    },
    also=(3.0,),
    advice="For your n, what is the variance of one mean of n samples? Three of them are added, "
    "for a difference too: is the sum 1?",
)
