"""Exercise 4.4: the length of an average."""

from gancourse.exercises.questions import number

EXERCISE = number(
    "4.4",
    "The length of an average",
    minutes=5,
    answer=3,
    wrong={
        1: "With n = 1 three variances of 1 add up: the result is too long by root 3.",
        9: "A mean of n has variance 1/n, not 1/root(n): root is for the length.",
        3**0.5: "That would make the result's length right if lengths added up. Variances do.",
        2: "Three groups take part, not two: the minus sign makes no variance smaller.",
        6: "Count the groups, not the samples: the variance of the sum is 1/n + 1/n + 1/n.",
    },
    also=(3.0,),
)
