"""All services of a recipe, opened when they are first used, shared by every process of a work folder."""

from __future__ import annotations

import atexit
import difflib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from polysee.schema.errors import UserError
from polysee.services.base import Chat, Embedder, QualityEstimator, Translator
from polysee.services.config import (
    ApertiumConfig,
    ChatConfig,
    ChatTranslatorConfig,
    EmbedConfig,
    QualityConfig,
    Role,
    Seq2SeqConfig,
    ServiceConfig,
    service_configs,
)
from polysee.services.configured import Configured

if TYPE_CHECKING:
    from polysee.services.database import Database
    from polysee.services.ledger import Totals

FOLDER = ".services"
"""Beside the runs of a work folder: cache and ledger of them all."""


@dataclass(frozen=True, slots=True)
class ServicesSpec:
    """`Services` as plain data, for other processes. ``configs``: JSON text; ``folder``: a path, or "" for none."""

    configs: str = "[]"
    folder: str = ""

    @classmethod
    def of(cls, configs: Sequence[ServiceConfig], folder: Path | None = None) -> ServicesSpec:
        """The data that `open` makes the same services of."""
        text = service_configs.dump_json(tuple(configs)).decode()
        return cls(text, str(folder.absolute()) if folder is not None else "")

    def open(self) -> Services:
        """The services; within one process always the same object, so that models stay loaded."""
        return _opened(self)


NO_SERVICES = ServicesSpec()


@functools.cache
def _opened(spec: ServicesSpec) -> Services:
    configs = service_configs.validate_json(spec.configs, strict=True)
    services = Services(configs, Path(spec.folder) if spec.folder else None)
    # Connections complain when they are dropped instead of closed.
    atexit.register(services.close)
    return services


class Services:
    """The services of a recipe by their names.

    ``folder``: of the cache and the ledger, such as ``runs/.services``; shared by all processes that name it.
    `None` gives services that can be asked for their name, model and licence only.
    Nothing is imported, opened or connected to before the first question.
    """

    def __init__(self, configs: Sequence[ServiceConfig], folder: Path | None) -> None:
        self._configs = {config.name: config for config in configs}
        self._folder = folder
        self._made: dict[str, Any] = {}
        self._database: Database | None = None

    def config(self, name: str, role: Role | None = None) -> ServiceConfig:
        """What the recipe says of ``name``. Raises `UserError` where there is none, or none for ``role``."""
        fitting = [one.name for one in self._configs.values() if role in (None, one.role)]
        if name in fitting:
            return self._configs[name]
        what = f"service for {role}" if role else "service"
        near = difflib.get_close_matches(name, fitting, n=1)
        known = f"there are {', '.join(fitting)}" if fitting else f"add a {what} to `services:`"
        raise UserError(f"no {what} is called {name!r}", f"did you mean {near[0]!r}?" if near else known)

    def identity(self, name: str) -> dict[str, JsonValue]:
        """What the answers of ``name`` depend on, for fingerprints: no address, no key, no limits."""
        return self.config(name).identity()

    def chat(self, name: str) -> Chat:
        """The chat model called ``name``. Raises `UserError` where there is none."""
        self.config(name, "chat")
        made: Chat = self._get(name)
        return made

    def translator(self, name: str) -> Translator:
        """The translator called ``name``. Raises `UserError` where there is none."""
        self.config(name, "translator")
        made: Translator = self._get(name)
        return made

    def embedder(self, name: str) -> Embedder:
        """The embedder called ``name``. Raises `UserError` where there is none."""
        self.config(name, "embedder")
        made: Embedder = self._get(name)
        return made

    def quality(self, name: str) -> QualityEstimator:
        """The quality estimator called ``name``. Raises `UserError` where there is none."""
        self.config(name, "quality")
        made: QualityEstimator = self._get(name)
        return made

    def probe(self, names: Iterable[str]) -> None:
        """Make sure that these services can be used, before the first row. Raises `UserError` for what is missing."""
        for name in names:
            config = self.config(name)
            if isinstance(config, ChatConfig | ChatTranslatorConfig):
                from polysee.services.chat import ChatService

                service = ChatService(config, self._base(), self._base().folder)
                try:
                    service.probe()
                finally:
                    service.close()
            else:
                self._get(name).probe()

    def totals(self, names: Iterable[str] | None = None) -> list[Totals]:
        """What these services, or all, did so far in this work folder. Empty where nothing was ever asked."""
        from polysee.services.database import FILE
        from polysee.services.ledger import totals

        if self._folder is None or not (self._folder / FILE).is_file():
            return []
        found = [totals(self._base(), name) for name in (self._configs if names is None else names)]
        return [one for one in found if one.attempts or one.hits]

    def close(self) -> None:
        """Give back connections, slots and the database. The next question opens them anew."""
        for made in self._made.values():
            made.close()
        self._made.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _get(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _Late(self.config(name), self._base, self._folder)
        return self._made[name]

    def _base(self) -> Database:
        from polysee.services.database import Database

        if self._folder is None:
            raise RuntimeError("these services have no folder: they can be asked for names and licences only")
        if self._database is None:
            self._database = Database(self._folder)
        return self._database


class _Late(Configured[ServiceConfig]):
    """A service that is made when it is first asked something; name, model and licence are known before."""

    def __init__(self, config: ServiceConfig, database: Callable[[], Database], folder: Path | None) -> None:
        super().__init__(config)
        self._database = database
        self._folder = folder
        self._service: Any = None

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return getattr(self._service_made(), attribute)

    def _service_made(self) -> Any:
        if self._service is None:
            database = self._database()
            self._service = _make(self._config, database, database.folder)
        return self._service

    def probe(self) -> None:
        """Have the service make sure that it can work, if it knows how."""
        check: Callable[[], None] | None = getattr(self._service_made(), "probe", None)
        if check is not None:
            check()

    def close(self) -> None:
        """Close the service, if it was made and has anything to close."""
        if self._service is not None and hasattr(self._service, "close"):
            self._service.close()
        self._service = None


def _make(config: ServiceConfig, database: Database, folder: Path) -> Any:
    match config:
        case ChatConfig():
            from polysee.services.chat import ChatService

            return ChatService(config, database, folder)
        case ChatTranslatorConfig():
            from polysee.services.chat import ChatService
            from polysee.services.translators.chat import ChatTranslator

            return ChatTranslator(config, ChatService(config, database, folder))
        case ApertiumConfig():
            from polysee.services.local import CachedTranslator
            from polysee.services.translators.apertium import ApertiumTranslator

            return CachedTranslator(config, lambda: ApertiumTranslator(config), database)
        case Seq2SeqConfig():
            from polysee.services.local import CachedTranslator
            from polysee.services.translators.seq2seq import Seq2SeqTranslator

            return CachedTranslator(config, lambda: Seq2SeqTranslator(config), database)
        case EmbedConfig():
            from polysee.services.embed import SentenceEmbedder
            from polysee.services.local import CachedEmbedder

            return CachedEmbedder(config, SentenceEmbedder(config), database)
        case QualityConfig():
            from polysee.services.local import CachedQuality
            from polysee.services.quality import CometEstimator

            return CachedQuality(config, CometEstimator(config), database)
