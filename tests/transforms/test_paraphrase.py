"""Short answers as sentences: by the model, at a second try, or by the template, and what is told of it."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from polysee.media.draw import draw_text
from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.services.base import ChatReply, ChatRequest, Failure
from polysee.transforms import get
from polysee.transforms.base import Failed, Made
from polysee.transforms.paraphrase import Paraphrase, ParaphraseParams, sentence_template
from scripted_chat import ScriptedChat, services


def _png(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


PICTURE = _png(Image.new("RGB", (8, 6), "red"))
SIGN = _png(draw_text("OPEN DAILY", size=40, padding=20))
STORE = {hashlib.sha256(data).hexdigest(): data for data in (PICTURE, SIGN)}


def _sample(
    question: str = "ما المدينة في الصورة؟", answer: str = "القاهرة", data: bytes = PICTURE, **more: Any
) -> Sample:
    return make_sample(
        **{
            "task": "vqa",
            "language": "ar",
            "turns": (Turn(f"<image>\n{question}", answer),),
            "media": (MediaRef(hashlib.sha256(data).hexdigest(), "image", 8, 6),),
            "origin": Origin("viquae", "1", "CC-BY-4.0"),
            **more,
        }
    )


GOOD = "المدينة التي تظهر في الصورة هي القاهرة."


def _apply(chat: ScriptedChat, *samples: Sample, **params: Any) -> list[Made | Failed]:
    step = Paraphrase(ParaphraseParams(service="writer", **params), services=services(chat))
    return list(step.apply(samples, STORE.__getitem__))


def _made(chat: ScriptedChat, sample: Sample, **params: Any) -> Sample:
    (made,) = _apply(chat, sample, **params)
    assert isinstance(made, Made), made
    return made.sample


def test_the_registry_knows_it() -> None:
    assert get("paraphrase") is Paraphrase


def test_a_good_sentence_takes_the_answers_place() -> None:
    before = _sample(tags=("concept:city",), references=("القاهرة", "مصر"))
    chat = ScriptedChat(lambda _: f" «{GOOD}» ")
    after = _made(chat, before)
    assert after.turns == (Turn(before.turns[0].input, GOOD),)
    assert after.tags == ("concept:city", "paraphrase:model")
    assert after.right_answers == (GOOD, "القاهرة", "مصر")
    origin = after.origin
    assert (origin.parent, origin.step, origin.service, origin.model) == (
        before.id,
        "paraphrase",
        "writer",
        "scripted-1",
    )
    assert origin.licence == "CC-BY-4.0 AND MIT"
    (request,) = chat.asked
    last = request.messages[-1].text
    assert "Question: ما المدينة في الصورة؟" in last
    assert "Short answer: القاهرة" in last
    assert "<image>" not in last
    assert "Arabic" in request.messages[0].text
    assert request.messages[-1].images == ()


@pytest.mark.parametrize(
    ("slug", "text"),
    [
        ("answer-lost", "المدينة في الصورة هي الإسكندرية."),
        ("refusal", "I'm sorry, but I cannot see the picture."),
        ("other-language", "The city that you can see here in the picture is القاهرة indeed."),
        ("no-sentence", "القاهرة"),
        ("empty", ""),
    ],
)
def test_a_flawed_sentence_is_asked_for_again_and_then_made_by_the_template(slug: str, text: str) -> None:
    chat = ScriptedChat(lambda _: text)
    after = _made(chat, _sample(), tries=3)
    assert after.turns[0].output == "الجواب هو: القاهرة."
    assert after.tags == ("paraphrase:template", f"paraphrase_flaw:{slug}")
    assert (after.origin.step, after.origin.service, after.origin.licence) == ("paraphrase", "", "CC-BY-4.0")
    assert [request.draw for request in chat.asked] == [0, 1, 2]
    assert chat.asked[0].temperature == 0.0 < chat.asked[1].temperature


def test_a_second_try_can_succeed() -> None:
    chat = ScriptedChat(lambda request: GOOD if request.draw == 1 else "لا أدري.")
    after = _made(chat, _sample())
    assert after.turns[0].output == GOOD
    assert after.tags == ("paraphrase:model",)


def test_an_answer_that_was_cut_off_is_flawed() -> None:
    after = _made(ScriptedChat(lambda _: ChatReply(GOOD, finish="length")), _sample())
    assert "paraphrase_flaw:cut-off" in after.tags


def test_a_language_without_a_template_keeps_the_answer() -> None:
    before = _sample("Yintoni le?", "ikati", language="xh")
    after = _made(ScriptedChat(lambda _: ""), before)
    assert after.turns == before.turns
    assert after.tags == ("paraphrase:kept", "paraphrase_flaw:empty")


def test_templates_follow_the_script() -> None:
    assert sentence_template("pt-BR") == sentence_template("pt")
    assert sentence_template("zh-Hant") is not None
    assert sentence_template("sr-Latn") is None
    assert sentence_template("ru-Latn") is None


@pytest.mark.parametrize("tag", ["am", "ar", "hi", "ja", "th", "zh", "he", "ka", "ko", "ta"])
def test_templates_are_in_their_language(tag: str) -> None:
    template = sentence_template(tag)
    assert template is not None
    assert template.format(answer="x").count("x") == 1


def test_what_is_not_concerned_passes_and_is_not_asked_about() -> None:
    chat = ScriptedChat(lambda _: GOOD)
    samples = [
        _sample(options=("القاهرة", "دمشق")),
        _sample(split="test"),
        _sample(answer="هذه إجابة طويلة من ثماني كلمات أو من أكثر منها"),
        make_sample(task="vqa", language="ar", turns=(Turn("", "قطة"),), origin=Origin("a", "1", "")),
    ]
    assert [made.sample for made in _apply(chat, *samples) if isinstance(made, Made)] == samples
    assert _made(chat, _sample(), tasks=("caption",)) == _sample()
    assert chat.asked == []


def test_only_the_short_turns_of_a_dialogue() -> None:
    turns = (Turn("ما المدينة؟", "القاهرة"), Turn("صفها.", "مدينة كبيرة فيها نهر وجسور وأسواق قديمة جدا"))
    after = _made(ScriptedChat(lambda _: GOOD), _sample(turns=turns))
    assert after.turns == (Turn("ما المدينة؟", GOOD), turns[1])


def test_one_failing_call_fails_one_sample() -> None:
    def answer(request: ChatRequest) -> str | Failure:
        return Failure("timeout", "no reply") if "دمشق" in request.messages[-1].text else GOOD

    made = _apply(ScriptedChat(answer), _sample(), _sample(answer="دمشق"))
    assert isinstance(made[0], Made)
    assert isinstance(made[1], Failed)
    assert (made[1].reason, made[1].detail) == ("service-timeout", "no reply")


def test_samples_of_all_batches_come_in_order() -> None:
    samples = [_sample(f"سؤال {n}") for n in range(7)]
    chat = ScriptedChat(lambda _: GOOD)
    made = _apply(chat, *samples, batch=3)
    assert [m.sample.turns[0].input for m in made] == [s.turns[0].input for s in samples]
    assert len(chat.asked) == 7


def test_captions_and_pictures_are_notes(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps({"sha256": hashlib.sha256(PICTURE).hexdigest(), "caption": "نهر  كبير"}), "utf-8")
    chat = ScriptedChat(lambda _: GOOD)
    _made(chat, _sample(), captions=str(path), see=True)
    (request,) = chat.asked
    assert "What the picture shows: نهر كبير" in request.messages[-1].text
    assert request.messages[-1].images == (PICTURE,)


@pytest.mark.parametrize("line", ["no json", '{"sha256": "x"}', "[]"])
def test_faulty_captions(tmp_path: Path, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(UserError, match="no caption") as caught:
        Paraphrase(ParaphraseParams(service="writer", captions=str(path)))
    assert caught.value.place == f"{path}:2"


def test_the_fingerprint_follows_the_captions(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text('{"sha256": "x", "caption": "a"}', "utf-8")
    before = Paraphrase(ParaphraseParams(service="writer", captions=str(path))).fingerprint_inputs()
    path.write_text('{"sha256": "x", "caption": "b"}', "utf-8")
    assert Paraphrase(ParaphraseParams(service="writer", captions=str(path))).fingerprint_inputs() != before


def test_without_services() -> None:
    with pytest.raises(UserError, match="no service is called 'writer'"):
        list(Paraphrase(ParaphraseParams(service="writer")).apply([_sample()], STORE.__getitem__))


def test_text_in_the_picture_is_a_note() -> None:
    chat = ScriptedChat(lambda _: "The shop in the picture is open daily.")
    _made(chat, _sample("When is it open?", "daily", SIGN, language="en"), ocr=True)
    assert "Text in the picture: OPEN | DAILY" in chat.asked[0].messages[-1].text
