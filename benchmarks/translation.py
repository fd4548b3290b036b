"""Apertium against the captions that people wrote for Tux Paint's stamps, beside an untranslated copy.

    python benchmarks/translation.py [--targets es ca gl eo] [--out translation.json]

All English captions (about 950) into each language, through the same protection and cutting as in a recipe. Exits
with 1 where Apertium does not beat the copy by 20 chrF, or a placeholder was lost. Wants Debian's packages apertium,
apertium-eng-spa, apertium-eng-cat, apertium-en-gl, apertium-eo-en and tuxpaint-stamps-default.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from polysee.evaluation.statistics import Interval
from polysee.evaluation.translation import Comparison, Entrant, Seconds, compare, passing_languages, tuxpaint_references
from polysee.services.base import Failure, Segment
from polysee.services.config import ApertiumConfig
from polysee.services.translators.apertium import ApertiumTranslator

MARGIN = 0.20


class Copy:
    """What a translator is worth that does nothing."""

    name, model, licence = "untranslated", "copy", ""

    def supports(self, source: str, target: str) -> bool:
        return True

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        return [segment.text for segment in segments]


def interval(value: Interval | Seconds, times: float = 1.0) -> str:
    """``51.0 (49.1-52.8)``."""
    if value.low is None or value.high is None:
        return f"{times * value.value:.1f} (-)"
    return f"{times * value.value:.1f} ({times * value.low:.1f}-{times * value.high:.1f})"


def table(rows: Sequence[Comparison]) -> str:
    """Markdown."""
    lines = ["| language | system | captions | chrF | BLEU | ms a caption | failed |", "|---|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        cells = (row.target, row.system, f"{row.n:,}", interval(row.chrf), interval(row.bleu),
                 interval(row.seconds, 1000), str(sum(row.failed.values())))  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table; 1 where Apertium is no better than it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="+", default=["es", "ca", "gl", "eo"])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    version = subprocess.run(["apertium", "-V"], capture_output=True, text=True, check=False).stdout.split("\n")[0]
    apertium = ApertiumTranslator(ApertiumConfig(name="apertium"))
    apertium.probe()
    entrants = [Entrant("untranslated", Copy(), lambda: 0.0), Entrant("apertium", apertium, lambda: 0.0)]
    rows = compare(entrants, tuxpaint_references(given.targets))
    print(f"{version}, {platform.machine()}, Python {platform.python_version()}\n\n{table(rows)}\n")
    mine = [row for row in rows if row.system == "apertium"]
    print(f"BLEU above 20 (M3IT's gate): {', '.join(passing_languages(mine)) or 'none'}")
    if given.out:
        given.out.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    copies = {row.target: row.chrf.value for row in rows if row.system == "untranslated"}
    good = all(row.chrf.value >= copies[row.target] + MARGIN and not row.failed for row in mine)
    return 0 if good and len(mine) == len(given.targets) else 1


if __name__ == "__main__":
    sys.exit(main())
