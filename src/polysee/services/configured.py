"""What a service says of itself, out of its configuration."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar


class _Config(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def model_name(self) -> str: ...
    @property
    def effective_licence(self) -> str: ...


ConfigT = TypeVar("ConfigT", bound=_Config)


class Configured(Generic[ConfigT]):
    """The part that all backends share: a `services.base.Service` from its section of the recipe."""

    def __init__(self, config: ConfigT) -> None:
        self._config = config

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def model(self) -> str:
        return self._config.model_name

    @property
    def licence(self) -> str:
        return self._config.effective_licence
