"""Language identification: agreement, disagreement, and when nothing is said."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from polysee.schema.arrow import to_table
from polysee.schema.sample import Origin, Sample, Turn, make_sample
from polysee.scores import get, language_id
from polysee.scores.language_id import MODEL_LABELS, LanguageId, LanguageIdParams, judge, model_knows
from polysee.text import identify

TEXTS = {
    "en": "A black cat is sitting on the red carpet.",
    "ar": "قطة سوداء تجلس على السجادة الحمراء في الغرفة.",
    "zh": "一只黑色的猫正坐在房间里的红色地毯上面看着窗外的小鸟。",
    "th": "แมวสีดำตัวหนึ่งกำลังนั่งอยู่บนพรมสีแดงในห้อง",
    "hi": "एक काली बिल्ली कमरे में लाल कालीन पर बैठी है।",
    "ja": "黒い猫が部屋の赤いじゅうたんの上に座っています。",
    "am": "ጥቁር ድመት በክፍሉ ውስጥ በቀይ ምንጣፍ ላይ ተቀምጣለች።",
    "ko": "검은 고양이가 방 안의 빨간 양탄자 위에 앉아 있습니다.",
    "he": "חתול שחור יושב על השטיח האדום שבחדר הגדול.",
    "sw": "Paka mweusi ameketi juu ya zulia jekundu ndani ya chumba.",
    "tr": "Siyah bir kedi odadaki kırmızı halının üzerinde oturuyor.",
    "ru": "Чёрная кошка сидит на красном ковре в комнате.",
}
PARAMS = LanguageIdParams()


def _compute(*samples: Sample) -> list[dict[str, Any]]:
    (batch,) = to_table(samples).combine_chunks().to_batches()
    score = get("language_id")(PARAMS)
    result = score.compute(batch.select(list(score.inputs)))
    assert result.schema == LanguageId.outputs
    rows: list[dict[str, Any]] = result.to_pylist()
    return rows


def _sample(tag: str, *turns: Turn, instruction: str = "") -> Sample:
    return make_sample(task="t", language=tag, turns=turns, origin=Origin("s", "1", ""), instruction=instruction)


@pytest.mark.parametrize("tag", TEXTS)
def test_agreement(tag: str) -> None:
    (row,) = _compute(_sample(tag, Turn("<image>", TEXTS[tag])))
    assert row["detected_language"] == tag
    assert row["language_match"] is True
    assert 0.3 < row["language_confidence"] <= 1.0


@pytest.mark.parametrize("tag", [t for t in TEXTS if t != "en"])
def test_an_untranslated_copy_is_seen(tag: str) -> None:
    assert judge(TEXTS["en"], tag, PARAMS).match is False


def test_a_neighbour_in_the_same_script_is_seen() -> None:
    assert judge(TEXTS["tr"], "sw", PARAMS).match is False
    assert judge("یک گربه سیاه روی فرش قرمز در اتاق نشسته است و می‌خوابد", "ar", PARAMS).match is False


def test_the_instruction_does_not_vote() -> None:
    (row,) = _compute(_sample("ar", Turn("", TEXTS["ar"]), instruction=TEXTS["en"] * 5))
    assert row["language_match"] is True


def test_the_script_decides_without_the_model() -> None:
    assert not model_knows("xh")
    assert judge(TEXTS["ar"], "xh", PARAMS).match is False
    assert judge("Ikati emnyama ihleli phezu kweketshana ebomvu.", "xh", PARAMS).match is None


@pytest.mark.parametrize(
    "text", ["", "قطة", "12345678901234567890 123", "<image><image><image>", "https://example.org/abcdefghij"]
)
def test_short_text_is_unknown(text: str) -> None:
    assert judge(text, "ar", PARAMS) == language_id.Verdict()


def test_variants_count_as_their_language() -> None:
    assert judge("Um gato preto está sentado no tapete vermelho.", "pt-BR", PARAMS).match is True
    assert judge("Црна мачка седи на црвеном тепиху у соби.", "sr", PARAMS).match is True
    assert judge("Crna mačka sjedi na crvenom tepihu u sobi.", "sr", PARAMS).match is False


def test_a_doubtful_disagreement_is_unknown() -> None:
    text = "Svart katt sitter på mattan"
    assert judge(text, "da", LanguageIdParams(min_confidence=0.4)).match is False
    verdict = judge(text, "da", LanguageIdParams(min_confidence=0.9))
    assert (verdict.detected, verdict.match) == ("sv", None)


def test_the_labels_are_the_models() -> None:
    found = {row["lang"] for row in identify._model().detect("hello world", model="lite", k=400)}
    assert len(found) > 150
    assert found <= MODEL_LABELS
    assert len(MODEL_LABELS) == 176


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    identify._model.cache_clear()
    assert language_id.detect(TEXTS["ar"])[0] == "ar"
