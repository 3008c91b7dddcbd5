"""Durations as count, p50, p99 and longest."""

from __future__ import annotations

import pytest

from messaging.rehearsal.percentiles import Spread, spread


@pytest.mark.parametrize(
    ("durations", "wanted"),
    [
        ([], Spread(0, None, None, None)),
        ([None, None], Spread(0, None, None, None)),
        ([7.0], Spread(1, 7.0, 7.0, 7.0)),
        ([4.0, None, 2.0], Spread(2, 2.0, 4.0, 4.0)),
        ([3.0, 1.0, 2.0], Spread(3, 2.0, 3.0, 3.0)),
        ([float(n) for n in range(1, 101)], Spread(100, 50.0, 99.0, 100.0)),
        ([float(n) for n in range(1, 201)], Spread(200, 100.0, 198.0, 200.0)),
    ],
)
def test_percentiles_are_durations_that_occurred(
    durations: list[float | None], wanted: Spread
) -> None:
    assert spread(durations) == wanted


def test_what_took_no_time_counts_and_what_never_happened_does_not() -> None:
    assert spread([0.0, None]) == Spread(1, 0.0, 0.0, 0.0)
