"""Apertium: rule-based translation on this machine, from Debian's packages, by its command line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from polysee.schema.errors import UserError
from polysee.services.base import Failure, Segment
from polysee.services.config import ApertiumConfig
from polysee.services.configured import Configured
from polysee.text.normalise import nfc, squeeze
from polysee.text.translation_codes import from_apertium

PACKAGES = "apertium apertium-eng-spa apertium-eng-cat apertium-en-gl apertium-eo-en"
_SECONDS = 600
_BETWEEN = "\n\n"
"""What an empty line parts is translated apart; words are never moved across it."""
_FIRST = "1"
"""Goes before the texts and is thrown away: some pairs (Esperanto) treat the first sentence of a process in another
way than the rest, and a translation must not depend on what else is asked."""


class ApertiumTranslator(Configured[ApertiumConfig]):
    """A `Translator`. All segments of a pair go through one process; a batch whose parts come back in another number
    is asked again one by one."""

    version: ClassVar[int] = 1

    def __init__(self, config: ApertiumConfig) -> None:
        super().__init__(config)

    def supports(self, source: str, target: str) -> bool:
        """Whether a pair is installed. Raises `UserError` where Apertium itself is not."""
        return (source, target) in self._modes

    def probe(self) -> None:
        """Raises `UserError` where Apertium is not installed, or has no pair."""
        installed()

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        """One translation a segment; inner white space becomes single spaces.

        Failures: ``unsupported-language``, ``empty-translation``. Raises `UserError` where Apertium is not installed,
        or ends with an error.
        """
        done: dict[int, str | Failure] = {}
        by_mode: dict[str, list[int]] = {}
        for index, segment in enumerate(segments):
            mode = self._modes.get((segment.source, segment.target))
            if mode is None:
                done[index] = Failure("unsupported-language", f"no mode from {segment.source} to {segment.target}")
            else:
                by_mode.setdefault(mode, []).append(index)
        for mode, indices in by_mode.items():
            texts = [squeeze(segments[index].text) for index in indices]
            for index, text in zip(indices, self._translated(mode, texts), strict=True):
                done[index] = text
        return [done[index] for index in range(len(segments))]

    def _translated(self, mode: str, texts: Sequence[str]) -> list[str | Failure]:
        asked = [text for text in texts if text]
        parts = self._run(mode, asked) if asked else []
        if len(parts) != len(asked):
            parts = [" ".join(self._run(mode, [text])) for text in asked]
        answers = iter(parts)
        found = ["" if not text else nfc(squeeze(next(answers))) for text in texts]
        return [
            Failure("empty-translation", f"nothing came back for {text!r}") if text and not answer else answer
            for text, answer in zip(texts, found, strict=True)
        ]

    def _run(self, mode: str, texts: Sequence[str]) -> list[str]:
        # -u: words that it does not know come back without a mark.
        return _call(["apertium", "-u", mode], _BETWEEN.join([_FIRST, *texts])).split(_BETWEEN)[1:]

    @cached_property
    def _modes(self) -> dict[tuple[str, str], str]:
        return _modes()


def installed() -> frozenset[tuple[str, str]]:
    """The pairs, source and target. Raises `UserError` where Apertium is not installed, or has none."""
    pairs = frozenset(_modes())
    if not pairs:
        raise UserError("Apertium has no pair of languages", f"apt-get install {PACKAGES}")
    return pairs


def _modes() -> dict[tuple[str, str], str]:
    """Source and target -> the mode of that name; the plainest where several lead from one to the other."""
    found: dict[tuple[str, str], str] = {}
    for mode in sorted(_call(["apertium", "-l"], "").split(), key=lambda name: (len(name), name)):
        sides = mode.split("-")
        if len(sides) != 2:
            continue  # variants for the developers of a pair, such as en-eo-bytecode
        source, target = map(from_apertium, sides)
        if source is not None and target is not None:
            found.setdefault((source, target), mode)
    return found


def _call(command: list[str], text: str) -> str:
    if shutil.which(command[0]) is None:
        raise UserError("the program `apertium` is not installed", f"apt-get install {PACKAGES}")
    try:
        result = subprocess.run(
            command, input=text, capture_output=True, encoding="utf-8", timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"`{' '.join(command)}` gave no answer within {_SECONDS} seconds",
                        "run it by hand to see why") from None  # fmt: skip
    if result.returncode != 0:
        raise UserError(f"`{' '.join(command)}` failed: {squeeze(result.stderr)[:300]}",
                        f"install its data: apt-get install {PACKAGES}")  # fmt: skip
    return result.stdout
