"""How sure a score is: intervals, differences between two models on the same items, and families of tests."""

from polysee.evaluation.statistics.cells import CellMeans, Estimate
from polysee.evaluation.statistics.intervals import LEVEL, Interval, clustered_macro, clustered_mean, wilson
from polysee.evaluation.statistics.pvalues import POWER, detectable, holm, p_drop, p_value

__all__ = [
    "LEVEL",
    "POWER",
    "CellMeans",
    "Estimate",
    "Interval",
    "clustered_macro",
    "clustered_mean",
    "detectable",
    "holm",
    "p_drop",
    "p_value",
    "wilson",
]
