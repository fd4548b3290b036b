from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polysee.evaluation.metrics import all_of_group, composite, compute, names, sentence_chrf, xcomet
from polysee.evaluation.metrics.corpus import bleu_name
from polysee.evaluation.metrics.significance import beta_regularised, t_quantile, t_two_sided
from polysee.services.base import Failure, Translation

DATA = Path(__file__).parent / "data"
BENCHMARKS = json.loads((DATA / "benchmark_metrics.json").read_text(encoding="utf-8"))
OWN = json.loads((DATA / "own_metrics.json").read_text(encoding="utf-8"))
CASES = [(v, mode, value) for v in BENCHMARKS for mode, value in v["checks"].items()]
CASES += [(v, v["mode"], v["value"]) for v in OWN]


def _equal(found: Any, want: Any) -> bool:
    if want is None or isinstance(want, str):
        return bool(found == want)
    if isinstance(want, list):
        return isinstance(found, list) and len(found) == len(want) and all(map(_equal, found, want))
    return isinstance(found, int | float) and math.isclose(found, want, abs_tol=2e-3)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c[0]['metric']}-{c[1]}-{c[0]['language']}")
def test_value(case: tuple[dict[str, Any], str, Any]) -> None:
    vector, mode, want = case
    found = compute(
        vector["metric"],
        vector["prediction"],
        vector["references"],
        language=vector["language"],
        mode=mode,  # type: ignore[arg-type]
        options=vector.get("options"),
    )
    assert _equal(found, want), f"{vector['prediction']!r} against {vector['references']!r}: {found!r}, not {want!r}"


def test_every_metric_has_a_case() -> None:
    others = {"all_of_group", "bleu", "bleu_words", "cer", "composite", "meteor", "wer"}
    assert {vector["metric"] for vector, _, _ in CASES} | others == set(names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'exact'.*all_of_group, anls, bbox_parse"):
        compute("exact", "a", ["a"])
    with pytest.raises(ValueError, match="official, multilingual"):
        compute("iou", [0, 0, 1, 1], [0, 0, 1, 1], mode="loose")  # type: ignore[arg-type]


def test_chrf_does_not_see_how_accents_are_encoded() -> None:
    composed, decomposed = "Việt Nam", "Vie\u0323\u0302t Nam"
    assert compute("chrf", [decomposed], [[composed]]) == pytest.approx(100.0)
    assert compute("chrf", [decomposed], [[composed]], mode="official") < 90  # type: ignore[operator]
    assert sentence_chrf(decomposed, [composed]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("language", "name"),
    [("zh-Hant", "bleu_zh"), ("ja", "bleu_words"), ("th", "bleu_words"), ("pt-BR", "bleu_13a"), ("ar", "bleu_13a")],
)
def test_bleu_takes_the_language_s_tokenizer(language: str, name: str) -> None:
    answer, gold = ["แมวนั่งบนเสื่อสีแดง 我喜欢这只可爱的猫。 um gato"], [["แมวนอนบนเสื่อสีแดง 我喜欢那只可爱的猫。 um gato"]]
    assert bleu_name(language) == name
    assert compute("bleu", answer, gold, language=language) == compute(name, answer, gold, language=language)


def test_bleu_over_words_reads_scripts_that_13a_cannot() -> None:
    answer, gold = ["แมวนั่งบนเสื่อสีแดง"], [["แมวนอนบนเสื่อสีแดง"]]
    assert compute("bleu_words", answer, gold, language="th") > 50  # type: ignore[operator]
    assert compute("bleu_13a", answer, gold, language="th") == pytest.approx(0.0, abs=1e-6)


class TestMeteor:
    def test_the_same_text_is_near_one_and_other_text_zero(self) -> None:
        text = "the cat sat on the mat"
        assert compute("meteor", text, [text]) == pytest.approx(1 - 0.5 * (1 / 6) ** 3)
        assert compute("meteor", "dogs bark", [text]) == 0.0
        assert compute("meteor", "", [text]) == 0.0

    def test_by_hand(self) -> None:
        # 2 of 3 words match in one chunk: P = R = F = 2/3, penalty 0.5 * (1/2)^3.
        assert compute("meteor", "a b c", ["a b d"], language="xx") == pytest.approx(2 / 3 * (1 - 0.5 / 8))

    def test_order_costs_and_stems_match(self) -> None:
        assert compute("meteor", "mat the on sat cat", ["cat sat on the mat"]) < 0.6  # type: ignore[operator]
        assert compute("meteor", "dogs running", ["dog runs"]) > 0.9  # type: ignore[operator]
        assert compute("meteor", "кошки сидели", ["кошка сидела"], language="ru") > 0.9  # type: ignore[operator]
        assert compute("meteor", "dogs running", ["dog runs"], language="xx") == 0.0

    def test_scripts_without_spaces(self) -> None:
        assert compute("meteor", "一只猫坐着", ["一只狗坐着"], language="zh") > 0.5  # type: ignore[operator]


def test_error_rates() -> None:
    assert compute("cer", ["القاهره"], ["القاهرة"], language="ar") == pytest.approx(1 / 7)
    assert compute("cer", ["１２"], ["12"], language="ja") == 0.0
    assert compute("cer", ["１２"], ["12"], language="ja", mode="official") == 1.0
    assert compute("wer", ["the cat", "a"], ["the dog", "a"]) == pytest.approx(1 / 3)
    assert compute("wer", ["แมวดำ"], ["แมวขาว"], language="th") < 1  # type: ignore[operator]
    with pytest.raises(ValueError, match="not empty"):
        compute("cer", ["a"], [""])
    with pytest.raises(ValueError, match="2 predictions for 1"):
        compute("wer", ["a", "b"], ["a"])


class TestGroups:
    def test_all_of_group_is_mme_plus_circular_and_pairs(self) -> None:
        assert all_of_group([1, 1, 1, 0], ["a", "a", "b", "b"]) == 0.5
        assert compute("all_of_group", [1, 1, 0], ["a", "a", "b"]) == 0.5
        pairs = [[1, 1], [1, 0], [0, 0]]
        plus = all_of_group([v for p in pairs for v in p], [i for i, p in enumerate(pairs) for _ in p])
        assert compute("mme_subtask", pairs, None) == pytest.approx(100 * (0.5 + plus))
        with pytest.raises(ValueError, match="2 answers for 1"):
            all_of_group([1, 1], ["a"])
        with pytest.raises(ValueError, match="at least one"):
            all_of_group([], [])

    def test_a_composite_weighs_its_parts_alike_and_leaves_failures_of_the_judge_out(self) -> None:
        assert composite({"choice": [1, 0, 1, 1], "judged": [0.5, None]}) == pytest.approx((0.75 + 0.5) / 2)
        assert compute("composite", {"choice": [1], "judged": [None]}, None) is None

    def test_a_circle_needs_all_its_parts(self) -> None:
        with pytest.raises(ValueError, match="every rotation"):
            compute("circular_eval", ["A"], ["A", "B"], options=[{"A": "x"}])


class Estimator:
    """Judges by length; cannot judge what is empty."""

    name, model, licence = "length", "none", "Apache-2.0"

    def estimate(self, translations: list[Translation]) -> list[float | Failure]:
        return [len(t.hypothesis) / 10 if t.hypothesis else Failure("empty") for t in translations]


def test_xcomet_averages_what_could_be_judged() -> None:
    given = [Translation("a", "12345"), Translation("b", ""), Translation("c", "123")]
    assert xcomet(Estimator(), given) == (pytest.approx(0.4), 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        xcomet(Estimator(), given[1:2])  # type: ignore[arg-type]


class TestSignificance:
    # Table values of Student's distribution.
    @pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.7062), (7, 2.3646), (30, 2.0423), (1000, 1.9623)])
    def test_quantiles(self, degrees: int, quantile: float) -> None:
        assert t_quantile(0.975, degrees) == pytest.approx(quantile, abs=1e-4)
        assert t_two_sided(quantile, degrees) == pytest.approx(0.05, abs=1e-5)

    @given(st.floats(0.5, 50), st.floats(0.5, 50), st.floats(0.001, 0.999))
    def test_beta_is_a_mirror_image(self, a: float, b: float, x: float) -> None:
        assert beta_regularised(a, b, x) == pytest.approx(1 - beta_regularised(b, a, 1 - x), abs=1e-9)

    def test_equal_differences_have_no_width(self) -> None:
        assert compute("paired_ttest", [1, 2], [0, 1], language="en") == [1.0, 1.0, 1.0, 0.0]
        assert compute("paired_ttest", [1, 2], [1, 2], language="en") == [0.0, 0.0, 0.0, 1.0]

    def test_one_score_is_refused(self) -> None:
        with pytest.raises(ValueError, match="two"):
            compute("paired_ttest", [1], [1])
        with pytest.raises(ValueError, match="two"):
            compute("clustered_stderr", [1], ["a"])

    def test_clusters_of_one_give_the_plain_error(self) -> None:
        scores = [1, 0, 1, 1, 0, 1]
        mean = sum(scores) / 6
        plain = math.sqrt(sum((s - mean) ** 2 for s in scores) / 5 / 6)
        assert compute("clustered_stderr", scores, range(6)) == pytest.approx(plain)


class TestOfficial:
    """Faults of the benchmarks' own code that are kept."""

    def test_formulas_keep_their_case(self) -> None:
        assert compute("ocrbench", "X ^ {2}", ["X^{2}"], mode="official") == 1.0
        assert compute("ocrbench", "X^{2}", ["x^{2}"], mode="official") == 0.0
        assert compute("ocrbench", "STOP", ["stop"], mode="official") == 1.0

    @pytest.mark.parametrize(
        ("answer", "right"),
        [
            ("The answer is A", True),
            ("It is **A**, not B.", True),
            ("<answer>a</answer>", True),
            ("A or B", False),
            ("Z", False),
            ("A, as one can see in the very first line", False),
        ],
    )
    def test_circles_read_letters_by_rules(self, answer: str, right: bool) -> None:
        maps = [{"A": "cat", "B": "dog"}, {"A": "dog", "B": "cat"}]
        assert compute("circular_eval", [answer, "B"], ["A", "B"], mode="official", options=maps) == right

    def test_too_few_scores_are_not_a_number(self) -> None:
        test = compute("paired_ttest", [1], [0], mode="official")
        assert isinstance(test, list)
        assert all(map(math.isnan, test))
        assert math.isnan(compute("clustered_stderr", [1], ["a"], mode="official"))  # type: ignore[arg-type]

    @pytest.mark.parametrize(("text", "want"), [("74²,", 5476.0), ("−Ⅻ²", 144.0), ("二e٬−2", None)])
    def test_numbers(self, text: str, want: float | None) -> None:
        assert compute("unicode_number", text, None, mode="official") == want


WORDS = st.lists(st.sampled_from(["a", "dog's", "3.5", "New", "york", "U.S.", "t-shirt", "x,y", "(red)"]), max_size=8)


@given(WORDS, WORDS)
def test_english_scores_as_the_peers_have_it(answer: list[str], gold: list[str]) -> None:
    texts = " ".join(answer), " ".join(gold)
    for name in ("rougeL_f", "ccocr_macro_f1"):
        assert compute(name, texts[0], texts[1]) == compute(name, texts[0], texts[1], mode="official")


@pytest.mark.parametrize(
    ("text", "part", "language", "held"),
    [
        ("في الكتاب صورة", "كتاب", "ar", True),
        ("وبالكتاب صورة", "كتاب", "ar", True),
        ("كلا شكرا", "لا", "ar", False),
        ("المكتبات كثيرة", "كتب", "ar", False),
        ("הכלב רץ", "כלב", "he", True),
        ("l'école est là", "école", "fr", True),
        ("Ankara'da yaşıyor", "Ankara", "tr", True),
        ("the U.S. president", "US", "en", True),
        ("I don't", "t", "en", False),
        ("서울에서 왔다", "서울", "ko", True),
        ("Kindergarten", "Kind", "de", False),
    ],
)
def test_containment_knows_what_is_written_onto_words(text: str, part: str, language: str, held: bool) -> None:
    assert compute("mtvqa", text, [part], language=language) == held


LANGUAGES = st.sampled_from(["en", "ar", "zh", "th", "hi", "ja", "ko", "pt", "tr", "am", "xx"])
ONE_TO_ONE = ["anls", "exact_match", "relaxed_accuracy", "vqa_accuracy", "ocrbench", "mtvqa", "mmmu_open", "meteor"]
ONE_TO_ONE += ["mathvista_match", "rougeL_f", "rougeL_f_char", "ccocr_macro_f1"]


@given(st.text(max_size=40), st.text(max_size=40), LANGUAGES, st.sampled_from(["official", "multilingual"]))
def test_any_text_has_a_score_from_0_to_1(prediction: str, gold: str, language: str, mode: Any) -> None:
    for name in ONE_TO_ONE:
        value = compute(name, prediction, [gold], language=language, mode=mode)
        assert isinstance(value, int | float)
        assert 0.0 <= value <= 1.0 + 1e-9


@given(st.text(max_size=40), LANGUAGES, st.sampled_from(["official", "multilingual"]))
def test_any_text_can_be_parsed_or_refused(text: str, language: str, mode: Any) -> None:
    assert compute("yes_no", text, None, language=language, mode=mode) in ("yes", "no", None)
    letter = compute("mcq_extract", text, None, language=language, mode=mode, options=["a", "猫", "3"])
    assert letter in ("A", "B", "C", None)
    box = compute("bbox_parse", text, None, language=language, mode=mode)
    assert box is None or (isinstance(box, list) and len(box) == 4)
    number = compute("unicode_number", text, None, language=language, mode=mode)
    assert number is None or isinstance(number, float)
    scores = compute("faireval_parse", text, None, language=language, mode=mode)
    assert scores is None or (isinstance(scores, list) and len(scores) == 2)


@given(st.text(), LANGUAGES)
def test_a_text_matches_itself_and_nothing_matches_an_empty_answer(text: str, language: str) -> None:
    same = compute("exact_match", text, [text], language=language)
    assert same == 1.0 or not any(char.isalnum() for char in text)
    assert compute("exact_match", "", [text], language=language) == 0.0
    assert compute("vqa_accuracy", "", [text] * 10, language=language) == 0.0


boxes = st.tuples(*[st.floats(-10, 10) for _ in range(4)])


@given(boxes, boxes)
def test_iou_is_symmetric_and_bounded(first: tuple[float, ...], second: tuple[float, ...]) -> None:
    value = compute("iou", first, second)
    assert isinstance(value, float)
    assert 0.0 <= value <= 1.0 + 1e-9
    assert value == compute("iou", second, first)


@pytest.mark.parametrize("box", [[0, 0, 1], [0, 0, 1, float("nan")], [0, 0, 1, float("inf")]])
def test_iou_refuses_what_is_no_box(box: list[float]) -> None:
    with pytest.raises(ValueError, match="four finite numbers"):
        compute("iou", box, [0, 0, 1, 1])


FRAMES = ["[{}]", "box: ({})", "{}", "【{}】", "<box>{}</box>", '{{"bbox_2d": [{}]}}', "（{}）"]


@given(st.lists(st.integers(-2000, 2000), min_size=4, max_size=4), st.sampled_from(FRAMES))
def test_written_boxes_are_read_back(values: list[int], frame: str) -> None:
    assert compute("bbox_parse", frame.format(", ".join(map(str, values))), None) == [float(v) for v in values]


@given(st.integers(0, 10**12), st.sampled_from(["ar", "fa", "hi", "bn", "th", "my", "km", "ne", "mr"]))
def test_native_digits_are_numbers(value: int, language: str) -> None:
    from polysee.text.digits import to_system

    system = {"ar": "arab", "fa": "arabext", "hi": "deva", "bn": "beng", "th": "thai", "my": "mymr", "km": "khmr"}
    text = to_system(str(value), system.get(language, "deva"))
    assert compute("unicode_number", text, None, language=language) == float(value)
    assert compute("exact_match", text, [str(value)], language=language) == 1.0
