"""What a recipe says about its services: one entry each, told apart by ``kind``.

What decides a result is part of `identity`, and with it of every cache key and fingerprint; where a service is, which
key opens it, how fast and how dear it is are not.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, TypeAdapter, field_validator

from polysee.schema.config import Config
from polysee.services.licences import licence_of

Role = Literal["chat", "translator", "embedder", "quality"]
"""What a service can be used as. A step's parameter that names a service wants one of these."""

_OPERATION = frozenset(
    {"name", "base_url", "api_key_env", "max_concurrency", "timeout_s", "retries", "backoff_s", "reasks", "licence"}
    | {"price_in", "price_out", "max_cost", "batch_tokens", "batch", "python"}
)
"""Fields that say where and how a service works, but not what it answers."""


class _Service(Config):
    """``name``: what steps call it by. ``licence``: of what it makes; known models need none."""

    role: ClassVar[Role]

    name: str = Field(pattern=r"^[a-z0-9]+([-_][a-z0-9]+)*$")
    licence: str = ""

    def identity(self) -> dict[str, JsonValue]:
        """What its answers depend on, besides the question. Part of cache keys and of fingerprints."""
        tree: dict[str, JsonValue] = self.model_dump(mode="json", exclude=set(_OPERATION))
        return tree

    @property
    def model_name(self) -> str:
        """The model as an `Origin` names it."""
        return str(getattr(self, "model", getattr(self, "kind", "")))

    @property
    def effective_licence(self) -> str:
        """``licence``, or what is known of the model, or ``unknown``."""
        return self.licence or licence_of(self.model_name)


class _Endpoint(_Service):
    """A model behind an OpenAI-compatible address; `ChatConfig` says what its fields are."""

    base_url: str = Field(pattern=r"^https?://[^\s@]+$")
    model: str = Field(min_length=1)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    max_concurrency: int = Field(default=16, ge=1, le=4096)
    timeout_s: float = Field(default=120.0, gt=0.0, le=3600.0)
    retries: int = Field(default=6, ge=0, le=20)
    backoff_s: float = Field(default=0.5, gt=0.0, le=60.0)
    reasks: int = Field(default=2, ge=0, le=10)
    price_in: float = Field(default=0.0, ge=0.0)
    price_out: float = Field(default=0.0, ge=0.0)
    max_cost: float | None = Field(default=None, ge=0.0)
    json_mode: Literal["schema", "object", "prompt"] = "prompt"
    parameters: dict[str, JsonValue] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _not_ours(cls, parameters: dict[str, JsonValue]) -> dict[str, JsonValue]:
        ours = {"model", "messages", "temperature", "max_tokens", "stream", "n", "seed", "response_format"}
        taken = sorted(ours & parameters.keys())
        if taken:
            raise ValueError(f"{', '.join(taken)} cannot be set here, polysee sets it itself")
        return parameters


class ChatConfig(_Endpoint):
    """A chat model, of text or of text and pictures, behind an OpenAI-compatible address.

    ``base_url``: the address up to ``/v1``. ``api_key_env``: the *name* of the environment variable that holds the
    key; null for servers that want none. ``max_concurrency``: requests under way at once, over all processes of a
    work folder. ``timeout_s``: of one request. ``retries``: further tries of a request that failed for a reason that
    may pass; ``backoff_s``: the wait before the first of them, doubled each time. ``reasks``: how often a wrong answer
    is asked for again. ``price_in``, ``price_out``: of a million tokens. ``max_cost``: the most that all runs of a
    work folder may spend on this service, in the currency of the prices. ``json_mode``: how a JSON answer is asked
    for: by ``schema`` (response_format json_schema), as an ``object`` (json_object), or by the prompt alone.
    ``parameters``: further fields of each request, such as ``top_p``.
    """

    role: ClassVar[Role] = "chat"

    kind: Literal["chat"] = "chat"


class ChatTranslatorConfig(_Endpoint):
    """A chat model that translates; its other keys are those of `ChatConfig`.

    ``prompt_language``: BCP-47 tag of the language that it is told in what to do.
    """

    role: ClassVar[Role] = "translator"

    kind: Literal["chat-translate"] = "chat-translate"
    prompt_language: str = "en"


class ApertiumConfig(_Service):
    """Apertium's rule-based translation, from the machine's Debian packages."""

    role: ClassVar[Role] = "translator"

    kind: Literal["apertium"] = "apertium"

    @property
    def effective_licence(self) -> str:
        """``licence``, or none: what a program under the GPL writes is not under it for that."""
        return self.licence


class Seq2SeqConfig(_Service):
    """A translation model of the NLLB or the MADLAD-400 kind; `polysee run` refuses others.

    ``model``: a Hub id or a folder. ``revision``: a commit of it. ``engine``: what computes it. ``batch_tokens``: the
    most source tokens, padding counted, that are translated at once. ``beam``: width of the search.
    """

    role: ClassVar[Role] = "translator"

    kind: Literal["seq2seq"] = "seq2seq"
    model: str = Field(default="google/madlad400-3b-mt", min_length=1)
    revision: str | None = None
    engine: Literal["transformers", "ctranslate2"] = "transformers"
    batch_tokens: int = Field(default=4096, ge=64)
    beam: int = Field(default=1, ge=1, le=16)


class EmbedConfig(_Service):
    """A sentence-transformers model. ``model``: a Hub id or a folder; ``batch``: texts at once."""

    role: ClassVar[Role] = "embedder"

    kind: Literal["embed"] = "embed"
    model: str = Field(default="sentence-transformers/LaBSE", min_length=1)
    revision: str | None = None
    batch: int = Field(default=64, ge=1, le=4096)


class QualityConfig(_Service):
    """A COMET model in an environment of its own (``polysee doctor --install comet``).

    ``python``: that environment's interpreter, where it is not the one that ``doctor`` made.
    """

    role: ClassVar[Role] = "quality"

    kind: Literal["quality"] = "quality"
    model: str = Field(default="Unbabel/wmt22-cometkiwi-da", min_length=1)
    revision: str | None = None
    batch: int = Field(default=16, ge=1, le=1024)
    python: str | None = None


ServiceConfig = Annotated[
    ChatConfig | ChatTranslatorConfig | ApertiumConfig | Seq2SeqConfig | EmbedConfig | QualityConfig,
    Field(discriminator="kind"),
]

_KINDS = (ChatConfig, ChatTranslatorConfig, ApertiumConfig, Seq2SeqConfig, EmbedConfig, QualityConfig)

ROLES: dict[str, Role] = {str(kind.model_fields["kind"].default): kind.role for kind in _KINDS}
"""``kind`` -> what it can be used as."""

service_configs: TypeAdapter[tuple[ServiceConfig, ...]] = TypeAdapter(tuple[ServiceConfig, ...])
"""Reads and writes the ``services:`` section of a recipe."""
