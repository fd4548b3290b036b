"""A chat model as a translator, told what to do in English, in another language, or in the target's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import ClassVar

from ruamel.yaml import YAML

from polysee.schema.errors import UserError
from polysee.services.base import Chat, ChatMessage, ChatReply, ChatRequest, Failure, Segment
from polysee.services.config import ChatTranslatorConfig
from polysee.text.languages import base_language, is_known, language
from polysee.text.normalise import nfc

TARGET = "target"
"""As `ChatTranslatorConfig.prompt_language`: each text's target language."""

_LEAST_TOKENS, _MOST_TOKENS = 256, 8192


class ChatTranslator:
    """A `Translator` that asks a `Chat`. ``prompt_language``: a BCP-47 tag, or `TARGET`.

    Raises `UserError` for a language that there is no prompt in.
    """

    version: ClassVar[int] = 1

    def __init__(self, config: ChatTranslatorConfig, chat: Chat) -> None:
        self._config = config
        self._chat = chat
        if config.prompt_language != TARGET and prompt_in(config.prompt_language) is None:
            raise UserError(
                f"there is no translation prompt in {config.prompt_language!r}",
                f"set `prompt_language` to 'target' or one of {', '.join(sorted(_prompts()))}",
            )

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def model(self) -> str:
        return self._chat.model

    @property
    def licence(self) -> str:
        return self._chat.licence

    def supports(self, source: str, target: str) -> bool:
        """Whether both are known languages, and there is a prompt. What the model can do, only a trial tells."""
        known = is_known(source) and is_known(target) and source != target
        return known and prompt_in(self._prompt_language(target)) is not None

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        """One translation a segment. Failures: ``unsupported-language``, ``cut-off``, and those of the chat model."""
        asked = [index for index, one in enumerate(segments) if self.supports(one.source, one.target)]
        replies = dict(zip(asked, self._chat.ask([self._request(segments[i]) for i in asked], _check), strict=True))
        return [self._text(replies.get(index), segment) for index, segment in enumerate(segments)]

    def probe(self) -> None:
        """Raises `UserError` where the chat model does not answer."""
        probe = getattr(self._chat, "probe", None)
        if probe is not None:
            probe()

    def close(self) -> None:
        """Let go of the chat model."""
        close = getattr(self._chat, "close", None)
        if close is not None:
            close()

    def _prompt_language(self, target: str) -> str:
        return target if self._config.prompt_language == TARGET else self._config.prompt_language

    def _request(self, segment: Segment) -> ChatRequest:
        tag = self._prompt_language(segment.target)
        template = prompt_in(tag)
        assert template is not None
        source, target = language(segment.source), language(segment.target)
        english = base_language(tag) == "en"
        prompt = template.format(
            source=source.name if english else source.autonym, target=target.name if english else target.autonym
        )
        # No script needs more than three tokens a character, of any vocabulary that knows it.
        most = min(_MOST_TOKENS, _LEAST_TOKENS + 4 * len(segment.text))
        return ChatRequest((ChatMessage("system", prompt), ChatMessage("user", segment.text)), max_tokens=most)

    def _text(self, reply: ChatReply | Failure | None, segment: Segment) -> str | Failure:
        if reply is None:
            return Failure("unsupported-language", f"no prompt for {segment.source} to {segment.target}")
        if isinstance(reply, Failure):
            return reply
        if reply.finish == "length":
            return Failure("cut-off", "the answer is longer than it may be")
        return nfc(reply.text).strip()


def prompt_in(tag: str) -> str | None:
    """The prompt in a language, with places for ``{source}`` and ``{target}``; ``es-419`` falls back on ``es``, but
    ``sr-Latn`` on nothing written in another script."""
    if tag in _prompts():
        return _prompts()[tag]
    base = base_language(tag)
    same = is_known(tag) and base in _prompts() and language(base).script == language(tag).script
    return _prompts()[base] if same else None


def _check(answer: str) -> str | None:
    return None if answer.strip() else "the answer is empty; write the translation"


@lru_cache(maxsize=1)
def _prompts() -> dict[str, str]:
    text = files("polysee.services.translators").joinpath("prompts.yaml").read_text(encoding="utf-8")
    found: dict[str, str] = YAML(typ="safe", pure=True).load(text)["prompts"]
    return found
