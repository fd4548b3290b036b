"""Answers in many forms, and their way back into turns."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.services.base import ChatRequest, Failure
from polysee.transforms import get
from polysee.transforms.answers import FAMILIES, Answers, AnswersParams, Format, Parsed, formats, parse
from polysee.transforms.base import Failed, Made
from polysee.transforms.caption import caption_prompts
from scripted_chat import ScriptedChat, services

TARGET = io.BytesIO()
Image.new("RGB", (8, 6), "red").save(TARGET, "PNG")
STORE = {hashlib.sha256(TARGET.getvalue()).hexdigest(): TARGET.getvalue()}
SEEN = "गली में एक लाल गाड़ी खड़ी है।"
ANSWER = "गाड़ी लाल है।"
FORMS = {form.name: form for form in formats()}


def _sample(number: int = 0, **more: Any) -> Sample:
    (sha256,) = STORE
    return make_sample(
        **{
            "task": "vqa",
            "language": "hi",
            "turns": (Turn(f"<image>\nगाड़ी {number} का रंग क्या है?", "लाल"),),
            "media": (MediaRef(sha256, "image", 8, 6),),
            "instruction": "प्रश्न का उत्तर दीजिए।",
            "origin": Origin("photos", "1", "CC0-1.0"),
            **more,
        }
    )


def _form(request: ChatRequest) -> Format:
    return next(form for form in formats() if form.ask in request.messages[0].text)


def _obey(request: ChatRequest) -> str:
    form = _form(request)
    if not form.answer:
        return ANSWER
    ends = form.end if len(form.end) == 2 and form.seen.startswith("<") else ("", "")
    arrow = " -> " if "->" in form.end else "\n"
    return f"{form.seen} {SEEN}{ends[0]}{arrow}{form.answer} {ANSWER}{ends[1]}"


def _apply(chat: ScriptedChat, *samples: Sample, seed: int = 0, **params: Any) -> list[Made | Failed]:
    step = Answers(AnswersParams(service="writer", **params), seed=seed, services=services(chat))
    return list(step.apply(samples, STORE.__getitem__))


def _tag(sample: Sample, prefix: str) -> str:
    return next(tag.removeprefix(prefix) for tag in sample.tags if tag.startswith(prefix))


def test_the_registry_knows_it() -> None:
    assert get("answers") is Answers


def test_every_family_has_forms_with_the_marks_that_it_needs() -> None:
    assert {form.family for form in formats()} == set(FAMILIES)
    for form in formats():
        assert bool(form.answer) == (form.family in ("caption", "final", "marked"))
        assert bool(form.seen) == (form.family in ("caption", "marked"))
        assert form.answer.rstrip(":").strip("[]<>") in form.ask
        assert "<image>" not in form.ask


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reply_in_each_form_is_read_back(family: Any) -> None:
    chat = ScriptedChat(_obey)
    samples = [_sample(n) for n in range(30)]
    made = [m.sample for m in _apply(chat, *samples, families=(family,))]
    assert len(made) == 30
    assert {_tag(sample, "format:") for sample in made} == {f.name for f in formats() if f.family == family}
    for before, after in zip(samples, made, strict=True):
        assert "provenance:synthetic" in after.tags
        assert after.origin.parent == before.id
        if family in ("caption", "marked"):
            (seen, answered) = after.turns
            assert seen.input.startswith("<image>\n")
            assert seen.input.removeprefix("<image>\n") in caption_prompts("hi")
            assert seen.output == SEEN
            assert answered.input == f"{before.instruction}\n{before.turns[0].input.removeprefix('<image>').strip()}"
            assert answered.output == ANSWER
            assert after.instruction == ""
        else:
            (answered,) = after.turns
            assert (after.instruction, answered.input) == (before.instruction, before.turns[0].input)
            assert answered.output == (f"{SEEN}\n{ANSWER}" if family == "final" else ANSWER)


def test_the_form_depends_on_the_sample_and_the_seed_alone() -> None:
    samples = [_sample(n) for n in range(60)]
    forwards = [_tag(m.sample, "format:") for m in _apply(ScriptedChat(_obey), *samples)]
    backwards = [_tag(m.sample, "format:") for m in _apply(ScriptedChat(_obey), *samples[::-1], batch=7)]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 12
    assert forwards != [_tag(m.sample, "format:") for m in _apply(ScriptedChat(_obey), *samples, seed=1)]


def test_the_text_as_it_is_asks_for_its_form() -> None:
    (made,) = _apply(ScriptedChat(_obey), _sample(), families=("marked",), make="text")
    form = FORMS[_tag(made.sample, "format:")]
    assert made.sample.instruction == f"प्रश्न का उत्तर दीजिए।\n{form.ask}"
    assert form.answer in made.sample.turns[0].output


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        ("answer-unparsed", "गाड़ी लाल है।"),
        ("answer-differs", f"Final answer: {ANSWER.replace('लाल', 'नीली')}"),
        ("answer-refusal", "Final answer: I'm sorry, I cannot see it."),
        ("answer-other-language", "I look at the street and at the car. Final answer: the car is लाल"),
        ("service-timeout", Failure("timeout")),
    ],
)
def test_a_reply_that_will_not_do(reason: str, reply: str | Failure) -> None:
    forms = [n for n in range(40) if _asked_for(n) == "final-line"]
    (failed,) = _apply(ScriptedChat(lambda _: reply), _sample(forms[0]), families=("final",))
    assert isinstance(failed, Failed)
    assert failed.reason == reason


def _asked_for(number: int) -> str:
    chat = ScriptedChat(_obey)
    _apply(chat, _sample(number), families=("final",))
    return _form(chat.asked[0]).name


def test_a_reference_can_be_ignored_and_the_sample_kept() -> None:
    chat = ScriptedChat(lambda _: "नीली गाड़ी है।")
    kept, made = _apply(chat, _sample(), families=("direct",), reference="ignore", keep=True)
    assert kept.sample == _sample()
    assert isinstance(made, Made)
    assert made.sample.turns[0].output == "नीली गाड़ी है।"


def test_what_is_not_concerned_passes() -> None:
    chat = ScriptedChat(_obey)
    samples = [
        _sample(options=("लाल", "नीला")),
        _sample(media=(), turns=(Turn("रंग?", "लाल"),)),
        _sample(turns=(Turn("रंग?", "लाल"), Turn("क्यों?", "पता नहीं"))),
        _sample(instruction="", turns=(Turn("<image>", "लाल"),)),
        _sample(split="test"),
    ]
    assert [made.sample for made in _apply(chat, *samples)] == samples
    assert chat.asked == []


@pytest.mark.parametrize(
    ("form", "text", "parsed"),
    [
        ("caption-answer", "Caption: 一辆红车。\n\n**Answer:** 红色", Parsed("红色", "一辆红车。")),
        ("caption-answer", "caption： 一辆红车。 answer：红色", Parsed("红色", "一辆红车。")),
        ("caption-answer", "Caption: it says Answer: me\nAnswer: قطة", Parsed("قطة", "it says Answer: me")),
        ("caption-answer", "Answer: 红色", None),
        ("caption-answer", "Caption: 一辆红车。\nAnswer:", None),
        ("caption-arrow", "In the picture: แมวดำ -> In short: แมว", Parsed("แมว", "แมวดำ")),
        ("final-line", "እዚህ ድመት አለ።\nFinal answer: ድመት", Parsed("ድመት", "እዚህ ድመት አለ።")),
        ("final-line", "Final answer: ድመት", Parsed("ድመት")),
        ("final-line", "ድመት", None),
        ("marked-tags", "<seen>黒い猫</seen>\n<answer>猫</answer>", Parsed("猫", "黒い猫")),
        ("marked-brackets", "[SEEN] قطة سوداء [ANSWER] قطة", Parsed("قطة", "قطة سوداء")),
        ("direct-short", "  लाल\nगाड़ी ", Parsed("लाल गाड़ी")),
        ("direct-short", " ", None),
    ],
)
def test_parse(form: str, text: str, parsed: Parsed | None) -> None:
    assert parse(text, FORMS[form]) == parsed


@given(st.text(max_size=60), st.sampled_from(sorted(FORMS)))
def test_parse_never_fails_and_never_gives_an_empty_answer(text: str, name: str) -> None:
    parsed = parse(text, FORMS[name])
    assert parsed is None or parsed.answer.strip() == parsed.answer != ""
