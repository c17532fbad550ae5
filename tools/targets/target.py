# SPDX-License-Identifier: LGPL-2.1-or-later
"""One target: a figure, a bound, and whether the one keeps the other."""
from dataclasses import dataclass

RELATIONS = {"<=": lambda figure, bound: figure <= bound, ">=": lambda figure, bound: figure >= bound}


@dataclass(frozen=True)
class Target:
    """figure None: not measured, and then not reached. evidence: what else a reader should see, in a few words."""
    item: str
    name: str
    relation: str
    bound: float
    figure: float = None
    unit: str = ""
    evidence: str = ""

    @property
    def passed(self):
        """Follows from figure and bound, and from nothing else."""
        return self.figure is not None and RELATIONS[self.relation](self.figure, self.bound)

    @property
    def target(self):
        """As text."""
        return f"{'at most' if self.relation == '<=' else 'at least'} {self.bound:g}{self.unit}"

    @property
    def measured(self):
        """As text."""
        return "not measured" if self.figure is None else f"{self.figure:.4g}{self.unit}"

    @property
    def verdict(self):
        """PASS, or how far away."""
        if self.passed:
            return "PASS"
        if self.figure is None:
            return "no figure"
        if not self.bound:
            return f"{self.figure - self.bound:+.3g}{self.unit}"
        return f"{100 * (self.figure / self.bound - 1):+.0f} % off"

    def as_json(self):
        """One element of "targets"."""
        return {"item": self.item, "name": self.name, "target": self.target, "measured": self.measured,
                "pass": self.passed, "relation": self.relation, "bound": self.bound, "figure": self.figure,
                "evidence": self.evidence}


def lines(targets):
    """The table."""
    rows = [("", "target", "wanted", "measured", "", "")]
    rows += [(t.item, t.name, t.target, t.measured, t.verdict, t.evidence) for t in targets]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return ["  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[5]]).rstrip() for row in rows]
