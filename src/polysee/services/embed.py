"""Texts as vectors, by sentence-transformers."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from polysee.schema.errors import MissingExtra, UserError
from polysee.services.config import EmbedConfig
from polysee.services.configured import Configured

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class SentenceEmbedder(Configured[EmbedConfig]):
    """An `Embedder`. The model is loaded from safetensors when the first text comes."""

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__(config)
        self._model: Any = None

    def probe(self) -> None:
        """Raises `MissingExtra` where sentence-transformers is not installed."""
        if importlib.util.find_spec("sentence_transformers") is None:
            raise MissingExtra("sentence-transformers", "embed")

    def close(self) -> None:
        """Let go of the model."""
        self._model = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, shape (len(texts), dimension). Raises `UserError` for a model that cannot be had."""
        if self._model is None:
            self._model = _load(self._config)
        vectors: NDArray[np.float32] = self._model.encode(
            list(texts), batch_size=self._config.batch, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


def _load(config: EmbedConfig) -> Any:
    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        raise MissingExtra("sentence-transformers", "embed") from error
    try:
        return SentenceTransformer(
            config.model,
            revision=config.revision,
            trust_remote_code=False,
            # Weights in any other format would be unpickled.
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        cause = f"the model {config.model!r} cannot be loaded ({str(error).splitlines()[0][:200]})"
        fix = "check its name, the network and the disk; it must have weights in safetensors"
        raise UserError(cause, fix, place=f"service {config.name}") from error
