"""What a licence's name tells: one rule for plans, services and dataset cards."""

from __future__ import annotations

import re

_NON_COMMERCIAL = re.compile(
    r"(?<![a-z])nc(?![a-z])|non[-_ ]?commercial|research[-_ ](?:only|use)|academic|gpt-4 output", re.IGNORECASE
)


def is_non_commercial(licence: str) -> bool:
    """Whether a licence forbids commercial use by its own name (``CC-BY-NC-4.0``, "research only")."""
    return bool(_NON_COMMERCIAL.search(licence))
