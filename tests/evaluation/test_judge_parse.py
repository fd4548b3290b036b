"""Verdicts in many scripts and shapes; and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.judge.parse import parse_pair, parse_ranking, parse_score
from polysee.text.digits import to_system

SCALE = (1.0, 10.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Evaluation evidence: x\nScore of the Assistant 1: 8\nScore of the Assistant 2: 7", (8, 7)),
        ("Evaluation evidence: x\nScore of the Assistant 1: 8\nScore of the Assistant 2: 7\n", (8, 7)),
        ("The score of Assistant 1: 8/10\nThe score of Assistant 2: 7.5/10\n\n", (8, 7.5)),
        ("助手1的得分：８分\n助手2的得分：７/１０", (8, 7)),
        ("助手一：8\n助手二：7", (8, 7)),
        ("درجة المساعد ١: ٨\nدرجة المساعد ٢: ٧٫٥", (8, 7.5)),
        ("उत्तर १ का स्कोर: ८\nउत्तर २ का स्कोर: ७", (8, 7)),
        ("คะแนน ๑: ๘\nคะแนน ๒: ๖", (8, 6)),
        ("የ1 ውጤት፦ 8\nየ2 ውጤት፦ 7", (8, 7)),
        ("ציון 1: 8 מתוך 10\nציון 2: 9", (8, 9)),
        ("Note 1 : 8,5 sur 10\nNote 2 : 7", (8.5, 7)),
        ("**Score 1:** 8\n**Score 2:** 7.", (8, 7)),
        ("Score 1: 8, Score 2: 7", (8, 7)),
        ('{"score_1": 8, "score_2": 7}', (8, 7)),
        ("Score of the first: 8\nScore of the second: 6", (8, 6)),
        ("Score 2: 6\nScore 1: 8", (8, 6)),
        ("8 7", (8, 7)),
        ("8 7\nThe first is better.", (8, 7)),
        ("የመልስ ፩ ነጥብ፦ ፰\nየመልስ ፪ ነጥብ፦ ፲", (8, 10)),
        ("回答一的分数：八分\n回答二的分数：七", (8, 7)),
        ("<think>\nScore of answer 1: 3\nScore of answer 2: 9</think>\nScore 1: 8\nScore 2: 7", (8, 7)),
        ("Answer 1: 2 cats are wrong\nScore 1: 3\nScore 2: 9", (3, 9)),
    ],
)
def test_pairs_that_can_be_read(text: str, expected: tuple[float, float]) -> None:
    assert parse_pair(text, SCALE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Both are good.",
        "Score 1: 8",
        "Score 1: 8\nScore 2: very good",
        "Score 1: 11\nScore 2: 7",
        "Score 1: -3\nScore 2: 7",
        "Score 1: 8/5\nScore 2: 4/5",
        "Score 1: 8-9\nScore 2: 5",
        "الدرجة: جيد",
        "<think>\nScore of answer 1: 3\nScore of answer 2: 9</think>\nBoth are good.",
        "回答一的分数：八十\n回答二的分数：七",
        "የመልስ ፩ ነጥብ፦ ፲፩\nየመልስ ፪ ነጥብ፦ ፪",
    ],
)
def test_pairs_that_are_none(text: str) -> None:
    assert parse_pair(text, SCALE) is None


@given(
    st.sampled_from(["latn", "arab", "arabext", "deva", "beng", "thai", "fullwide", "khmr", "mymr"]),
    st.tuples(st.integers(10, 100), st.integers(10, 100)),
    st.sampled_from([":", "：", " : ", "﹕", "፦ "]),
    st.sampled_from(["", "\n", "\r\n", " \n\n", "."]),
    st.booleans(),
)
def test_scores_survive_digits_colons_and_line_ends(
    system: str, tenths: tuple[int, int], colon: str, end: str, over: bool
) -> None:
    scores = (tenths[0] / 10, tenths[1] / 10)
    suffix = "/10" if over else ""
    lines = [f"درجة {n + 1}{colon} {score}{suffix}" for n, score in enumerate(scores)]
    text = to_system("evidence 5 and 7\n" + "\n".join(lines) + end, system)
    assert parse_pair(text, SCALE) == pytest.approx(scores)


@given(st.text(max_size=200))
def test_no_text_breaks_the_parsers(text: str) -> None:
    pair, score = parse_pair(text, SCALE), parse_score(text, (0, 10))
    assert pair is None or all(1 <= value <= 10 for value in pair)
    assert score is None or 0 <= score <= 10
    ranking = parse_ranking(text, 3)
    assert ranking is None or sorted(n for group in ranking for n in group) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8", 8),
        ("٨/١٠", 8),
        ("Evidence.\nScore: [[7]]", 7),
        ("很好。\n评分：９\n", 9),
        ("I would say 7/10 overall", 7),
        ("Puntuación: 8,5", 8.5),
        ("8 out of 10", 8),
        ("It is fine\n8", 8),
        ("Score: 0", 0),
        ("On 12/10/2020 it rained", None),
        ("Score: 12", None),
        ("Score: 4/5", None),
        ("no", None),
    ],
)
def test_single_scores(text: str, expected: float | None) -> None:
    assert parse_score(text, (0, 10)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("evidence\nRanking: 2 > 1 = 3", ((2,), (1, 3))),
        ("[2, 1, 3]", ((2,), (1,), (3,))),
        ("排名：２＞１＞３", ((2,), (1,), (3,))),
        ("الترتيب: ٢ > ١ > ٣\n", ((2,), (1,), (3,))),
        ("3 = 2 = 1", ((1, 2, 3),)),
        ("Ranking: 2 > 1", None),
        ("2 > 1 > 2", None),
        ("best 2 then 1 then 3", None),
    ],
)
def test_rankings(text: str, expected: tuple[tuple[int, ...], ...] | None) -> None:
    assert parse_ranking(text, 3) == expected
