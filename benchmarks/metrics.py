"""Every metric on 100,000 pairs, on one core: seconds, and pairs a second.

    python benchmarks/metrics.py [--pairs 100000] [--only anls,chrf] [--limit 60] [--out metrics.json]

Pairs are drawn from short sentences in ten languages with errors put in, so that no two are alike and caches cannot
answer for the code. Exits with 1 where a metric takes longer than the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from polysee.evaluation.extraction.final import final_answer
from polysee.evaluation.extraction.number import number
from polysee.evaluation.extraction.quality import endless_repetition
from polysee.evaluation.metrics import compute, names

SENTENCES = {
    "en": "two brown dogs are running over a green field while the old man looks at the red house on the hill",
    "de": "zwei braune Hunde laufen über eine grüne Wiese während der alte Mann das rote Haus am Hügel ansieht",
    "pt": "dois cães castanhos correm num campo verde enquanto o homem velho olha para a casa vermelha na colina",
    "ru": "две коричневые собаки бегут по зелёному полю а старик смотрит на красный дом на холме у реки",
    "ar": "كلبان بنيان يركضان في حقل أخضر بينما ينظر الرجل العجوز إلى البيت الأحمر على التل قرب النهر",
    "hi": "दो भूरे कुत्ते हरे मैदान में दौड़ रहे हैं और बूढ़ा आदमी पहाड़ी पर लाल घर को देख रहा है",
    "th": "สุนัข สีน้ำตาล สอง ตัว วิ่ง บน ทุ่งหญ้า สีเขียว ขณะที่ ชายชรา มอง บ้าน สีแดง บน เนินเขา",
    "zh": "两 只 棕色 的 狗 在 绿色 的 草地 上 奔跑 老人 看着 山上 的 红色 房子",
    "ja": "茶色い 犬 が 二匹 緑の 野原 を 走り 老人 が 丘の上 の 赤い 家 を 見て いる",
    "am": "ሁለት ቡናማ ውሾች በአረንጓዴ ሜዳ ላይ ይሮጣሉ ሽማግሌው ሰው በኮረብታው ላይ ያለውን ቀይ ቤት ይመለከታል",
}
CUES = {"en": "The answer is", "ar": "الإجابة هي", "zh": "答案是", "hi": "उत्तर:", "pt": "A resposta é", "ja": "答えは"}


@dataclass(frozen=True)
class Row:
    """``cpu`` and ``wall``: seconds for all pairs."""

    metric: str
    pairs: int
    cpu: float
    wall: float
    per_second: int


@dataclass(frozen=True)
class Pair:
    """An answer with a gold, a number, and the language of both."""

    language: str
    answer: str
    gold: str
    value: int


def pairs(count: int, seed: int = 1) -> list[Pair]:
    """Sentences of 6 to 12 words; in the answer some words are dropped, doubled or of another place."""
    rng = random.Random(seed)
    out = []
    for _ in range(count):
        language = rng.choice(list(SENTENCES))
        words = SENTENCES[language].split()
        gold = rng.sample(words, rng.randint(6, min(12, len(words))))
        answer = [rng.choice(words) if rng.random() < 0.2 else word for word in gold if rng.random() > 0.1]
        joint = "" if language in ("zh", "ja", "th") else " "
        out.append(Pair(language, joint.join(answer), joint.join(gold) or words[0], rng.randint(0, 99_999)))
    return out


def single(metric: str, make: Callable[[Pair], tuple[Any, Any, Any]]) -> Callable[[list[Pair]], None]:
    """A run of a metric that takes one pair at a time."""

    def run(data: list[Pair]) -> None:
        for pair in data:
            prediction, references, options = make(pair)
            compute(metric, prediction, references, language=pair.language, options=options)

    return run


def whole(metric: str, make: Callable[[list[Pair]], tuple[Any, Any]]) -> Callable[[list[Pair]], None]:
    """A run of a metric over the whole corpus."""

    def run(data: list[Pair]) -> None:
        prediction, references = make(data)
        compute(metric, prediction, references)

    return run


def _cued(pair: Pair) -> str:
    letter = "ABCD"[pair.value % 4]
    return (
        f"{pair.answer}. {CUES.get(pair.language, CUES['en'])} {letter}"
        if pair.value % 3
        else f"({letter}) {pair.gold}"
    )


def _yes(pair: Pair) -> str:
    return ("Yes, " if pair.value % 3 else "No, ") + pair.answer if pair.value % 2 else pair.answer


def _number(pair: Pair) -> str:
    return f"{CUES.get(pair.language, CUES['en'])} {pair.value / 10:.1f}"


def runs() -> dict[str, Callable[[list[Pair]], None]]:
    """How each metric is run."""
    table: dict[str, Callable[[list[Pair]], None]] = {}
    for name in ("anls", "exact_match", "ocrbench", "mtvqa", "rougeL_f", "rougeL_f_char", "meteor", "ccocr_macro_f1"):
        table[name] = single(name, lambda p: (p.answer, [p.gold], None))
    for name in ("bleu", "bleu_13a", "bleu_words", "bleu_zh", "chrf"):
        table[name] = whole(name, lambda d: ([p.answer for p in d], [[p.gold for p in d]]))
    for name in ("cer", "wer"):
        table[name] = whole(name, lambda d: ([p.answer for p in d], [p.gold for p in d]))
    for name in ("pope_accuracy", "pope_precision", "pope_recall", "pope_f1", "pope_yes_ratio"):
        table[name] = whole(name, lambda d: ([_yes(p) for p in d], ["yes" if p.value % 2 else "no" for p in d]))
    for name in ("hallusion_aAcc", "hallusion_fAcc", "hallusion_qAcc"):
        table[name] = whole(name, lambda d: ([_hallusion(i, p) for i, p in enumerate(d)], None))
    table |= {
        "vqa_accuracy": single("vqa_accuracy", lambda p: (p.answer, [p.gold] * 7 + [p.answer] * 3, None)),
        "relaxed_accuracy": single("relaxed_accuracy", lambda p: (f"{p.value}.5", [f"{p.value}"], None)),
        "mmmu_open": single("mmmu_open", lambda p: (_number(p), [f"{p.value / 10:.1f}"], None)),
        "mathvista_match": single("mathvista_match", lambda p: (_number(p), [f"{p.value / 10:.1f}"], None)),
        "unicode_number": single("unicode_number", lambda p: (f"{p.value:,}.25", None, None)),
        "mcq_extract": single("mcq_extract", lambda p: (_cued(p), None, [p.gold, "x", "y", "z"])),
        "yes_no": single("yes_no", lambda p: (_yes(p), None, None)),
        "bbox_parse": single("bbox_parse", lambda p: (f"[{p.value}, 20, 30, 40] {p.answer}", None, None)),
        "iou": single("iou", lambda p: ([0, 0, 1 + p.value, 5], [0, 0, 10, 10], None)),
        "circular_eval": single("circular_eval", _circular),
        "majority_vote": single("majority_vote", lambda p: ([p.answer, p.gold, p.answer], p.gold, None)),
        "faireval_parse": single(
            "faireval_parse", lambda p: (f"{p.answer}\nScore 1: {p.value % 10}\nScore 2: 7", None, None)
        ),
        "faireval_bpc": single(
            "faireval_bpc", lambda p: ({"order_ab": [[p.value, 5]], "order_ba": [[3, 4]]}, None, None)
        ),
        "mme_subtask": whole("mme_subtask", lambda d: ([[p.value % 2, 1] for p in d], None)),
        "mme_sum": whole("mme_sum", lambda d: ({"a": [[p.value % 2, 1] for p in d]}, None)),
        "expected_accuracy": whole("expected_accuracy", lambda d: ([[p.value % 2, 1] for p in d], None)),
        "commute_accuracy": whole("commute_accuracy", lambda d: ([p.value for p in d], [5000 for _ in d])),
        "paired_ttest": whole("paired_ttest", lambda d: ([p.value % 2 for p in d], [p.value % 3 for p in d])),
        "clustered_stderr": whole("clustered_stderr", lambda d: ([p.value % 2 for p in d], [p.value for p in d])),
        "all_of_group": whole("all_of_group", lambda d: ([p.value % 2 for p in d], [p.value for p in d])),
        "composite": whole("composite", lambda d: ({"choice": [p.value % 2 for p in d], "judged": [0.5]}, None)),
        "extraction: final_answer": lambda d: [final_answer(_cued(p), language=p.language) for p in d] and None,
        "extraction: number": lambda d: [number(_number(p), language=p.language) for p in d] and None,
        "extraction: repetition": lambda d: [endless_repetition(f"{p.answer} " * 12) for p in d] and None,
    }
    return table


def _circular(pair: Pair) -> tuple[Any, Any, Any]:
    maps = [{"A": pair.gold, "B": "x"}, {"A": "x", "B": pair.gold}]
    return [_cued(pair), "B"], ["A", "B"], maps


def _hallusion(place: int, pair: Pair) -> dict[str, Any]:
    groups = {"category": "VS" if place % 2 else "VD", "subcategory": "chart", "set": place // 8}
    return {**groups, "figure": place % 4 // 2, "question": place % 2, "judge": pair.value % 3}


def measure(count: int, only: set[str]) -> list[Row]:
    """One row for each metric, in the order of `runs`."""
    data = pairs(count)
    table = runs()
    missing = set(names()) - set(table)
    assert not missing, f"metrics without a run: {sorted(missing)}"
    rows = []
    for name, run in table.items():
        if only and name not in only:
            continue
        run(data[:200])  # tables and patterns are loaded once a process
        wall, cpu = time.perf_counter(), time.process_time()
        run(data)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        rows.append(Row(name, count, round(cpu, 2), round(wall, 2), round(count / max(cpu, 1e-6))))
        print(f"{name:28s} {cpu:8.2f} s CPU {wall:8.2f} s {rows[-1].per_second:>10,} / s", flush=True)
    return rows


def main() -> int:
    """Measure, print, write; 1 if a metric is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of CPU time a metric may take")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = measure(options.pairs, {name for name in options.only.split(",") if name})
    if options.out:
        host = {"python": platform.python_version(), "machine": platform.machine(), "cpus": os.cpu_count()}
        content = {"host": host, "rows": [asdict(row) for row in rows]}
        options.out.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    slow = [row.metric for row in rows if row.cpu > options.limit]
    if slow:
        print(f"over {options.limit:.0f} s: {', '.join(slow)}", file=sys.stderr)
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
