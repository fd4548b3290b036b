"""A run of pictures asked about in five languages, models' free answers to them, and what a judge makes of them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from made_answers import row, table
from PIL import Image
from small_run import manifest

from polysee.schema.arrow import MEDIA_SCHEMA, to_table
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.store.manifest import ManifestFolder
from services.server import last_text

QUESTIONS = {
    "am": ("በምስሉ ውስጥ ምን አለ?", "ሁለት ድመቶች", "አንድ ውሻ"),
    "ar": ("ماذا يوجد في الصورة؟", "قطتان", "كلب واحد"),
    "hi": ("चित्र में क्या है?", "दो बिल्लियाँ", "एक कुत्ता"),
    "th": ("ในภาพมีอะไร", "แมวสองตัว", "สุนัขหนึ่งตัว"),
    "zh": ("图里有什么？", "两只猫", "一只狗"),
}
"""Question, right answer, wrong answer."""

ENGLISH = {"am": "Amharic", "ar": "Arabic", "hi": "Hindi", "th": "Thai", "zh": "Chinese"}

SCORES = {
    "am": "ማስረጃ…\nየመልስ ፩ ነጥብ፦ {}\nየመልስ ፪ ነጥብ፦ {}",
    "ar": "الأدلة: الأولى أدق.\nدرجة الإجابة ١: {}\nدرجة الإجابة ٢: {}",
    "hi": "साक्ष्य…\nउत्तर १ का अंक: {}\nउत्तर २ का अंक: {}।",
    "th": "หลักฐาน…\nคะแนนของคำตอบที่ ๑: {}\nคะแนนของคำตอบที่ ๒: {}/๑๐",
    "zh": "理由……\n回答一的分数：{}分\n回答二的分数：{}分",
}
DIGITS = {"am": "_፩፪፫፬፭፮፯፰፱", "ar": "٠١٢٣٤٥٦٧٨٩", "hi": "०१२३४५६७८९", "th": "๐๑๒๓๔๕๖๗๘๙", "zh": "０１２３４５６７８９"}


def png(number: int) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, 90, 40)).save(target, "PNG")
    return target.getvalue()


def samples(pictures: int) -> list[Sample]:
    found = []
    for number in range(pictures):
        ref = MediaRef(hashlib.sha256(png(number)).hexdigest(), "image", 8, 8)
        for tag, (question, right, _) in QUESTIONS.items():
            found.append(
                make_sample(
                    task="scenes",
                    language=tag,
                    turns=(Turn("", right),),
                    origin=Origin("world", f"{number}/{tag}", "CC0-1.0"),
                    media=(ref,),
                    instruction=f"{question} ({number})",
                    split="test",
                )
            )
    return found


def make_run(path: Path, pictures: int) -> Path:
    """A run's folder that holds the questions."""
    (path / "steps").mkdir(parents=True)
    data = lance.write_dataset(to_table(samples(pictures)), str(path / "samples.lance"))
    rows = [
        {"sha256": hashlib.sha256(png(n)).hexdigest(), "kind": "image", "format": "PNG", "width": 8, "height": 8}
        | {"frames": 1, "data": png(n)}
        for n in range(pictures)
    ]
    media = lance.write_dataset(pa.Table.from_pylist(rows, schema=MEDIA_SCHEMA), str(path / "media.lance"))
    version = (int(data.version), int(media.version))
    ManifestFolder(path / "steps", lambda line: None).write(manifest(0, "world", "source", (), version))
    return path


def answer_all(run: Path, name: str, right: Callable[[int], bool], pictures: int) -> Path:
    """``run/eval/name`` as `polysee eval` leaves it. ``right``: whether the answers about a picture are right."""
    rows = []
    for place, sample in enumerate(samples(pictures)):
        number, tag = place // len(QUESTIONS), sample.language
        _, good, bad = QUESTIONS[tag]
        base: dict[str, Any] = {
            "sample": sample.id,
            "cluster": sample.media[0].sha256,
            "split": "test",
            "metric": "chrf",
        }
        base |= {"chance": None, "gold": good, "answer": good if right(number) else bad}
        # What no judge reads: answers of a baseline, and one that was chosen from options.
        rows += [row("scenes", tag, number, 0.5) | base]
        rows += [row("scenes", tag, number, 0.5) | base | {"baseline": "blank", "answer": "none"}]
        rows += [row("choices", tag, number, 1.0, option_scores=[-1.0, -2.0])]
    folder = run / "eval" / name
    folder.mkdir(parents=True)
    lance.write_dataset(table(rows), str(folder / "predictions.lance"))
    return folder


def shown(body: Mapping[str, Any]) -> tuple[str, str, list[str]]:
    """Language, reference and answers in a judge's prompt."""
    text = last_text(dict(body))
    tag = next(tag for tag, name in ENGLISH.items() if f"question is in {name}" in text)
    answers = re.findall(r"^\[ANSWER(?: \d)? [0-9a-f]{8}\]\n(.*?)\n\[END OF ANSWER", text, re.MULTILINE | re.DOTALL)
    reference = re.findall(r"\[REFERENCE ANSWER \w+\]\n(.*?)\n", text)
    return tag, reference[0] if reference else "", answers


def in_digits(tag: str, *values: int) -> str:
    """A verdict in the language's own words and digits."""
    return SCORES[tag].format(*(DIGITS[tag][value] for value in values))
