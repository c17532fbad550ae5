# SPDX-License-Identifier: LGPL-2.1-or-later
"""The order of runs: pairs, each in random order, so that neither side has the quiet minutes to itself."""
import random


def first_sides(pairs, sides, seed):
    """The side that begins each pair: each as often as the other, or once more, shuffled."""
    chance = random.Random(seed)
    sides = list(sides)
    chance.shuffle(sides)
    order = [sides[number % len(sides)] for number in range(pairs)]
    chance.shuffle(order)
    return order


def pair(first, sides):
    """Both sides, this one first."""
    return (first, *(side for side in sides if side != first))
