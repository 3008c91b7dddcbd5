"""What a run came to: each figure beside its bound, and whether the goal is met. Milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_HEAD = ("figure", "measured", "bound", "ratio", "goal", "met", "by round")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `at_most`: which way the goal lies; `spread`: the ratio's range by round."""

    figure: str
    unit: str
    measured: float
    bound: float
    ratio: float
    goal: float | None
    at_most: bool = True
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal

    def cells(self) -> tuple[str, ...]:
        sign = "<=" if self.at_most else ">="
        met = {True: "yes", False: "NO", None: ""}[self.met]
        spread = f"{self.spread[0]:.2f} - {self.spread[1]:.2f}" if self.spread else ""
        return (
            self.figure,
            f"{self.measured:,.2f} {self.unit}",
            f"{self.bound:,.2f} {self.unit}",
            f"{self.ratio:.2f}",
            f"{sign} {self.goal:g}" if self.goal is not None else "",
            met,
            spread,
        )

    def as_json(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__} | {"met": self.met}


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all lie at or below."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def compared(
    figure: str,
    measured: Sequence[Sequence[float]],
    bound: Sequence[Sequence[float]],
    share: float,
    goal: float | None,
) -> Row:
    """A quantile over all rounds, and its ratio's range from round to round; samples in seconds."""
    all_measured = [value for round_ in measured for value in round_]
    all_bound = [value for round_ in bound for value in round_]
    ours, theirs = quantile(all_measured, share), quantile(all_bound, share)
    ratios = [quantile(a, share) / quantile(b, share) for a, b in zip(measured, bound, strict=True)]
    spread = (min(ratios), max(ratios))
    return Row(figure, "ms", ours * 1e3, theirs * 1e3, ours / theirs, goal, spread=spread)


def summed(
    figure: str, bound: Sequence[float], parts: dict[str, list[float]], names: Sequence[str]
) -> Row:
    """The bound held against the sum of its parts measured bare."""
    whole, bare = median(bound), sum(median(parts[name]) for name in names)
    return Row(figure, "ms", whole * 1e3, bare * 1e3, whole / bare, 1.25)


def table(rows: Sequence[Row]) -> str:
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in (0, 6) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
