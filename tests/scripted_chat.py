"""A chat model that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from polysee.services.base import ChatReply, ChatRequest, Check, Failure

Answer = Callable[[ChatRequest], "str | ChatReply | Failure"]


class ScriptedChat:
    """Answers each request by a function; remembers what it was asked."""

    name = "writer"
    model = "scripted-1"
    licence = "MIT"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[ChatRequest] = []

    def ask(self, requests: Sequence[ChatRequest], check: Check | None = None) -> list[ChatReply | Failure]:
        self.asked += requests
        replies = [self._answer(request) for request in requests]
        return [ChatReply(reply) if isinstance(reply, str) else reply for reply in replies]


class OneService:
    """The services of a recipe that has this chat model alone."""

    def __init__(self, chat: ScriptedChat) -> None:
        self._chat = chat

    def chat(self, name: str) -> ScriptedChat:
        assert name == self._chat.name
        return self._chat


def services(chat: ScriptedChat) -> Any:
    return OneService(chat)
