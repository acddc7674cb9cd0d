"""Exercise 4.4: the length of a sum of means."""

from gancourse.exercises.questions import number

EXERCISE = number(
    "4.4",
    "The length of an average",
    minutes=5,
    answer=3,
    wrong={
        1: "With n = 1 three variances of 1 add up: the result is too long by root 3.",
        9: "A mean of n numbers has variance 1/n; 1/root(n) is its standard deviation.",
        3**0.5: "A mean of n numbers has variance 1/n, not 1/n squared.",
        2: "There are three groups, not two: a minus sign does not make a variance smaller.",
        6: "Count the groups, not the samples: the variance of the sum is 1/n + 1/n + 1/n.",
    },
    also=(3.0,),
)
