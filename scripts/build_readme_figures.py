#!/usr/bin/env python3
"""Writes the README's table of figures from a run of the demo: ``scripts/build_readme_figures.py runs/microworld``."""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
TASKS = ("naming", "counting", "colour", "position", "matching")


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(run: Path) -> str:
    scores = json.loads((run / "scores.json").read_text())
    macro = scores["macro"]
    cells: dict[tuple[str, str, str | None], list[float]] = defaultdict(list)
    for row in scores["tasks"]:
        if row["metric"] == "choice":
            cells[row["task"], row["split"] + "/" + row["seen"], row["baseline"]].append(row["value"])
    shown = [
        ("new scenes, 16 languages trained with pictures", "scenes/vl", None),
        ("the same, blank pictures", "scenes/vl", "blank"),
        ("the same, untrained model", "scenes/vl", "untrained"),
        ("new scenes, languages trained by text alone", "languages/text", None),
        ("new scenes, languages never seen", "languages/none", None),
    ]
    lines = ["| four-way questions (chance 0.25) | " + " | ".join(TASKS) + " | mean |", "|---|" + "--:|" * 6]
    for title, part, baseline in shown:
        values = [mean(cells[task, part, baseline]) for task in TASKS]
        lines.append(f"| {title} | " + " | ".join(f"{v:.2f}" for v in values) + f" | {mean(values):.2f} |")
    trained = {tag: entry for tag, entry in macro["languages"].items() if entry["seen"] == "vl"}
    worst = min(trained, key=lambda tag: trained[tag]["low"])
    minutes = sum(step["seconds"] for step in json.loads((run / "rates.json").read_text())["steps"].values()) / 60
    lines += [
        "",
        f"Mean over languages and tasks {macro['four_way']:.3f} (95% interval {macro['four_way_low']:.3f} to "
        f"{macro['four_way_high']:.3f}); the lowest language is `{worst}` with {trained[worst]['value']:.2f} "
        f"({trained[worst]['low']:.2f} to {trained[worst]['high']:.2f}). All steps took {minutes:.1f} minutes on two "
        "cores.",
    ]
    return "\n".join(lines)


def main() -> None:
    marks = r"(<!-- figures:start -->\n).*?(<!-- figures:end -->)"
    text = README.read_text(encoding="utf-8")
    filled = re.sub(marks, lambda m: m[1] + table(Path(sys.argv[1])) + "\n" + m[2], text, flags=re.DOTALL)
    README.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
