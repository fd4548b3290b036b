"""A chat model for `recipes/chat-tiny.yaml` behind the scripted server; it writes in the language asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from polysee.transforms.answers import formats
from services.server import last_text

SAYS: Mapping[str, str] = {
    "English": "What can be seen in the picture is {}.",
    "Arabic": "ما يظهر أمامنا في هذه الصورة هو {}.",
    "Hindi": "इस चित्र में जो दिखाई देता है वह {} है।",
    "Thai": "สิ่งที่เห็นในภาพนี้คือ {}",
    "Chinese": "这张图片里能看到的是{}。",
    "Amharic": "በዚህ ሥዕል ላይ የሚታየው ነገር {} ነው።",
}
SWAHILI = "Maneno haya yametafsiriwa kwa Kiswahili na mfasiri wetu: {}."
WRONG = "Questa frase è scritta in italiano, e di certo non nella lingua che le era stata chiesta."
BAD = ("I'm sorry, but I cannot help with that.", WRONG, "�� ]]]] {{{{", "[[9]] <x7/> ((9)) [[9]]")
"""A refusal, another language, broken bytes, and placeholders that nobody gave."""


def answer(body: Mapping[str, Any]) -> str:
    """A good answer to any request that the recipe's steps make; it follows from the request alone."""
    system, asked = body["messages"][0]["content"], last_text(dict(body))
    if system.startswith("You are a translator"):
        return SWAHILI.format(asked)
    say = next(sentence for name, sentence in SAYS.items() if name in system)
    if "Short answer:" in asked:
        return say.format(asked.rpartition("Short answer: ")[2])
    if system.startswith("You describe"):
        return say.format("…")
    form = next(form for form in formats() if form.ask in system)
    parts = [f"{mark} {say.format('…')}" for mark in (form.seen, form.answer) if mark]
    return "\n".join(parts) or say.format("…")


def flawed(body: Mapping[str, Any]) -> str:
    """As `answer`, but a fifth of all questions get what will not do, and half of these do so at every try."""
    stubborn, other = (_draw(part) for part in (body["messages"], body))
    if stubborn < 0.1 or other < 0.1:
        return BAD[int(1000 * (stubborn + other)) % len(BAD)]
    return answer(body)


def _draw(part: object) -> float:
    digest = hashlib.sha256(json.dumps(part, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32
