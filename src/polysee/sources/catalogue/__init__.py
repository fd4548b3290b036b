"""The catalogue: every dataset of M3IT's Table 7, VisionBlocks' Table 8 and InternVL 2.5's Tables 4 and 5.

``datasets.yaml`` says what a dataset is; ``tables.yaml`` holds the papers' rows as they are printed. The papers'
totals disagree with their own rows: the rows are kept, and `totals` has both.
"""

from polysee.sources.catalogue.entries import PAPERS, Entry, TableRow
from polysee.sources.catalogue.load import entries, entry, evaluation_only_hub, named, search, totals

__all__ = ["PAPERS", "Entry", "TableRow", "entries", "entry", "evaluation_only_hub", "named", "search", "totals"]
