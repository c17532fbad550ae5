# SPDX-License-Identifier: LGPL-2.1-or-later
"""Median and its confidence interval by order statistics.

Of n independent samples in order, the median of what they were drawn from lies between the k-th least and the k-th
greatest with probability 1 - 2 * P(B < k), B binomial (n, 1/2), whatever the distribution (David and Nagaraja, Order
Statistics, 3rd edition, section 7.1). The greatest k that keeps the wanted confidence is taken; the interval says its
own confidence, which is that or more. With too few samples for any k there is no interval: 95 % wants 6.
"""
from dataclasses import dataclass
from math import comb
from statistics import median

METHOD = "order statistics of the runs; no distribution is assumed"


@dataclass(frozen=True)
class Estimate:
    """Median, and the interval around it where the samples allow one."""
    median: float
    low: "float | None"
    high: "float | None"
    confidence: float   # of the interval, 0 to 1; 0 where there is none

    def excludes(self, value):
        """Does the interval lie wholly on one side of the value?"""
        return self.low is not None and not self.low <= value <= self.high


def _confidence(samples, rank):
    return 1 - 2 * sum(comb(samples, below) for below in range(rank)) / 2 ** samples


def estimate(samples, wanted=0.95):
    """Of at least one sample."""
    ordered, number = sorted(samples), len(samples)
    ranks = [rank for rank in range(1, number // 2 + 1) if _confidence(number, rank) >= wanted]
    if not ranks:
        return Estimate(median(ordered), None, None, 0.0)
    rank = ranks[-1]
    return Estimate(median(ordered), ordered[rank - 1], ordered[-rank], _confidence(number, rank))


def samples_needed(wanted=0.95):
    """Fewest samples that give an interval."""
    number = 2
    while _confidence(number, 1) < wanted:
        number += 1
    return number
