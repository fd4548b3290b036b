"""Captions asked for in several languages."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest
from PIL import Image

from polysee.schema.errors import UserError
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.services.base import ChatReply, ChatRequest, Failure
from polysee.transforms import get
from polysee.transforms.base import Failed, Made
from polysee.transforms.caption import Caption, CaptionParams, caption_prompts
from scripted_chat import ScriptedChat, services

TOWER = "en de nl es fr pt pt-BR uk hi zh zh-Hant ru cs ko ja it pl ro nn nb".split()  # noqa: SIM905
BY_LANGUAGE = {
    "German": "Auf dem Bild ist eine rote Fläche ohne weitere Gegenstände zu sehen.",
    "Japanese": "この画像には、ほかに何もない真っ赤な四角形だけが写っています。",
    "Arabic": "تظهر في الصورة مساحة حمراء لا شيء فيها غير اللون.",
}


def _image(form: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(target, form)
    return target.getvalue()


PICTURE, BITMAP = _image("PNG"), _image("BMP")
STORE = {hashlib.sha256(data).hexdigest(): data for data in (PICTURE, BITMAP, b"broken")}


def _sample(data: bytes = PICTURE, **more: Any) -> Sample:
    return make_sample(
        **{
            "task": "vqa",
            "language": "ar",
            "turns": (Turn("ما اللون؟", "أحمر"),),
            "media": (MediaRef(hashlib.sha256(data).hexdigest(), "image", 8, 6),),
            "origin": Origin("photos", "1", "CC0-1.0"),
            **more,
        }
    )


def _speak(request: ChatRequest) -> str:
    return next(text for name, text in BY_LANGUAGE.items() if name in request.messages[0].text)


def _apply(chat: ScriptedChat, *samples: Sample, seed: int = 0, **params: Any) -> list[Made | Failed]:
    step = Caption(CaptionParams(service="writer", **params), seed=seed, services=services(chat))
    return list(step.apply(samples, STORE.__getitem__))


def test_the_registry_knows_it() -> None:
    assert get("caption") is Caption


def test_a_caption_a_language_beside_the_sample() -> None:
    before = _sample(references=("أحمر", "قرمزي"))
    chat = ScriptedChat(_speak)
    kept, german, japanese = _apply(chat, before, languages=("de", "ja"))
    assert kept.sample == before
    assert kept.sample.references == ("أحمر", "قرمزي")
    assert isinstance(german, Made)
    assert german.sample.turns == (Turn("", BY_LANGUAGE["German"]),)
    assert german.sample.references == ()
    assert german.sample.instruction in caption_prompts("de")
    assert (german.sample.task, german.sample.language) == ("captioning", "de")
    assert {"caption:model", "provenance:synthetic"} <= set(german.sample.tags)
    assert (german.sample.origin.parent, german.sample.origin.model) == (before.id, "scripted-1")
    assert japanese.sample.instruction in caption_prompts("ja")
    assert all(request.messages[-1].images == (PICTURE,) for request in chat.asked)
    assert chat.asked[0].messages[-1].text == german.sample.instruction


def test_one_picture_is_asked_about_in_one_way() -> None:
    chat = ScriptedChat(_speak)
    made = _apply(chat, _sample(), _sample(turns=(Turn("ما هذا؟", "لون"),)), keep=False)
    assert len({m.sample.id for m in made}) == 1
    assert len({request.messages for request in chat.asked}) == 1
    prompts = {
        _apply(ScriptedChat(_speak), _sample(), seed=seed, keep=False)[0].sample.instruction for seed in range(20)
    }
    assert len(prompts) > 3


def test_other_formats_are_shown_as_png() -> None:
    chat = ScriptedChat(_speak)
    _apply(chat, _sample(BITMAP))
    assert chat.asked[0].messages[-1].images[0].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("reason", "reply"),
    [
        ("caption-empty", " "),
        ("caption-refusal", "عذرًا، لا أستطيع رؤية الصورة."),
        ("caption-other-language", "A plain red picture with nothing else in it."),
        ("caption-cut-off", ChatReply("مساحة حمراء", finish="length")),
        ("service-timeout", Failure("timeout")),
    ],
)
def test_a_caption_that_will_not_do(reason: str, reply: str | ChatReply | Failure) -> None:
    chat = ScriptedChat(lambda _: reply)
    kept, failed = _apply(chat, _sample(), tries=2)
    assert isinstance(kept, Made)
    assert isinstance(failed, Failed)
    assert failed.reason == reason
    assert len(chat.asked) == (1 if reason == "service-timeout" else 2)


def test_a_broken_picture_and_a_language_without_prompts() -> None:
    (broken,) = _apply(ScriptedChat(_speak), _sample(b"broken"))
    assert isinstance(broken, Failed)
    assert broken.reason == "not-an-image"
    (nowhere,) = _apply(ScriptedChat(_speak), _sample(language="xh"))
    assert isinstance(nowhere, Failed)
    assert nowhere.reason == "no-prompt"
    with pytest.raises(UserError, match="no caption prompts in 'xh'"):
        Caption(CaptionParams(service="writer", languages=("xh",)))


def test_what_is_not_concerned_passes() -> None:
    chat = ScriptedChat(_speak)
    text = _sample(media=())
    assert [made.sample for made in _apply(chat, text, _sample(split="test"), keep=False)] == [
        text,
        _sample(split="test"),
    ]
    assert chat.asked == []


@pytest.mark.parametrize("tag", TOWER)
def test_towervisions_languages_have_ten_prompts(tag: str) -> None:
    prompts = caption_prompts(tag)
    assert len(set(prompts)) == 10
    assert tag in ("pt", "es") or not set(prompts) & set(caption_prompts(tag.split("-")[0] if "-" in tag else "xh"))


def test_languages_of_the_scenes_have_prompts_too() -> None:
    tags = ("ar", "he", "fa", "am", "ka", "sw", "th", "tr", "ur", "vi", "el", "bg")
    assert all(len(caption_prompts(tag)) == 10 for tag in tags)
    assert Caption(CaptionParams(service="writer")).fingerprint_inputs()
