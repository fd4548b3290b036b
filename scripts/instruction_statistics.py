"""Prints how many instructions polysee's pools hold and how much they differ, a line a language.

    python scripts/instruction_statistics.py [LANGUAGE ...] [--pools FOLDER]

The counts are those of table 2 of the M3IT paper, which has for its English ones: 400 instructions, 24.4 ± 9.6 tokens,
edit distance 76.6 ± 37.2 within a task and 106.6 ± 39.5 across tasks.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from polysee.schema.errors import UserError
from polysee.transforms.diversity import pool_diversity
from polysee.transforms.instruct import all_pools


def main(arguments: list[str]) -> int:
    """Print the table. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--pools", type=Path)
    given = parser.parse_args(arguments)
    try:
        pools = {pool.language: pool for pool in all_pools(given.pools)}
        print(f"{'language':10}{'reviewed':10}{'number':>8}{'words':>16}{'within a task':>18}{'across tasks':>18}")
        for tag in given.languages or pools:
            found = pool_diversity(tag, given.pools)
            reviewed = "yes" if tag in pools and pools[tag].reviewed else "no"
            spreads = f"{found.words!s:>16}{found.within!s:>18}{found.across!s:>18}"
            print(f"{tag:10}{reviewed:10}{found.instructions:8}{spreads}")
            if given.languages:
                for name, count in found.families:
                    print(f"  {name:18}{count:8}")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
