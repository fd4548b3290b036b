"""Text in pictures, read by Tesseract: a program of the machine, called as a process of its own."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

from PIL import ImageOps

from polysee.media.decode import decode
from polysee.schema.errors import BadRecord, UserError
from polysee.text.languages import base_language, language
from polysee.text.normalise import nfc, squeeze

SECONDS = 120
"""Longest time for one picture."""
_SMALL = 700

# BCP-47 base languages and the names of Tesseract's models, which are ISO 639-2's terminological codes.
_CODES = (
    "af:afr am:amh ar:ara as:asm az:aze be:bel bg:bul bn:ben bo:bod br:bre bs:bos ca:cat ceb:ceb chr:chr "
    "co:cos cs:ces cy:cym da:dan de:deu dv:div dz:dzo el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas fi:fin "
    "fil:fil fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gu:guj he:heb hi:hin hr:hrv ht:hat hu:hun hy:hye "
    "id:ind is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor ku:kmr ky:kir la:lat lb:ltz "
    "lo:lao lt:lit lv:lav mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya nb:nor ne:nep nl:nld nn:nor "
    "no:nor oc:oci or:ori pa:pan pl:pol ps:pus pt:por qu:que ro:ron ru:rus sa:san sd:snd si:sin sk:slk sl:slv "
    "sq:sqi sr:srp su:sun sv:swe sw:swa syr:syr ta:tam te:tel tg:tgk th:tha ti:tir to:ton tr:tur tt:tat "
    "ug:uig uk:ukr ur:urd uz:uzb vi:vie yi:yid yo:yor "
)
_MODELS = dict(pair.split(":") for pair in _CODES.split())
_BY_SCRIPT = {
    ("zh", "Hans"): "chi_sim", ("zh", "Hant"): "chi_tra", ("sr", "Latn"): "srp_latn", ("az", "Cyrl"): "aze_cyrl",
    ("uz", "Cyrl"): "uzb_cyrl", ("yue", "Hant"): "chi_tra",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it was read. ``box``: x1, y1, x2, y2 in pixels as displayed; ``confidence``: Tesseract's own, 0–100.

    ``line``: equal for the words of one line; in the order of reading.
    """

    text: str
    box: tuple[int, int, int, int]
    confidence: float
    line: int


def read_tokens(data: bytes, tag: str, *, min_confidence: float = 60.0, layout: int = 11) -> list[Token]:
    """The words of a picture in one language, in Tesseract's order of reading.

    ``layout``: Tesseract's page segmentation mode (11: scattered text, 3: a page, 6: one block, 7: one line). Raises
    `UserError` where Tesseract or its model of the language is not installed, with the line that installs it, and
    `BadRecord`: what `polysee.media.decode` finds wrong, ``ocr-failed`` for a picture that Tesseract gives up.
    """
    model = require(tag)
    picture = io.BytesIO()
    # Our own decoder reads the bytes of unknown worth; Tesseract is given a plain PNG, and wants letters of some 20 px.
    image = decode(data).convert("L")
    scale = 2 if max(image.size) < _SMALL else 1
    ImageOps.scale(image, scale).save(picture, "PNG")
    command = [_program(), "stdin", "stdout", "-l", model, "--psm", str(layout), "--dpi", "150", "tsv"]
    try:
        done = subprocess.run(command, input=picture.getvalue(), capture_output=True, check=False, timeout=SECONDS,
                              env={**os.environ, "OMP_THREAD_LIMIT": "1"})  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BadRecord("ocr-failed", f"no end after {SECONDS} s") from None
    if done.returncode != 0:
        raise BadRecord("ocr-failed", squeeze(done.stderr.decode("utf-8", "replace"))[:200])
    tokens = _tokens(done.stdout.decode("utf-8"), scale)
    return [token for token in tokens if token.confidence >= min_confidence]


def require(tag: str) -> str:
    """The name of Tesseract's installed model for a language. Raises `UserError` as `read_tokens` does."""
    model = model_of(tag)
    if model is None:
        raise UserError(f"Tesseract has no model for {tag!r}", "leave out `ocr` for this language")
    if model not in installed():
        package = f"tesseract-ocr-{model.replace('_', '-')}"
        raise UserError(
            f"Tesseract's model {model!r}, for {tag!r}, is not installed",
            f"apt-get install --no-install-recommends {package}",
        )
    return model


def model_of(tag: str) -> str | None:
    """The name of Tesseract's model for a BCP-47 tag, installed or not; None where Tesseract has none."""
    base = base_language(tag)
    return _BY_SCRIPT.get((base, language(tag).script)) or _MODELS.get(base)


@cache
def installed() -> frozenset[str]:
    """The models on this machine. Raises `UserError` without Tesseract."""
    listed = subprocess.run([_program(), "--list-langs"], capture_output=True, encoding="utf-8", check=True)
    return frozenset(listed.stdout.splitlines()[1:])


@cache
def program_version() -> str:
    """Such as ``tesseract 5.3.0``. Raises `UserError` without Tesseract."""
    told = subprocess.run([_program(), "--version"], capture_output=True, encoding="utf-8", check=True)
    return (told.stdout or told.stderr).splitlines()[0]


def _program() -> str:
    found = shutil.which("tesseract")
    if found is None:
        fix = "apt-get install --no-install-recommends tesseract-ocr tesseract-ocr-eng (and a package a language)"
        raise UserError("Tesseract is not installed", fix)
    return found


def _tokens(table: str, scale: int) -> list[Token]:
    """The rows of Tesseract's table that are words (level 5), their boxes made ``scale`` times smaller."""
    tokens = []
    lines: dict[tuple[str, ...], int] = {}
    for row in table.splitlines()[1:]:
        cells = row.split("\t")
        if len(cells) != 12 or cells[0] != "5" or not cells[11].strip():
            continue
        left, top, width, height = (int(v) // scale for v in cells[6:10])
        line = lines.setdefault(tuple(cells[1:5]), len(lines))
        box = (left, top, left + width, top + height)
        tokens.append(Token(nfc(squeeze(cells[11])), box, float(cells[10]), line))
    return tokens
