"""The recipe's ``tokenizer`` and ``model`` sections. No torch here: a plan needs only these numbers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from polysee.schema.config import Config


class TokenizerConfig(Config):
    """A byte-level BPE tokenizer trained on the kept training samples alone."""

    vocabulary: int = Field(default=8192, ge=512, le=262_144)


class VisionConfig(Config):
    """An InternViT. ``tile`` and ``patch`` in pixels. ``weights``: a safetensors file, or ``builtin:NAME``."""

    hidden: int = Field(default=128, ge=16)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    intermediate: int = Field(default=384, ge=16)
    patch: int = Field(default=8, ge=2)
    tile: int = Field(default=64, ge=16)
    weights: str | None = None

    @model_validator(mode="after")
    def _divides(self) -> VisionConfig:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        if self.tile % (2 * self.patch):
            raise ValueError(f"tile ({self.tile}) must be a multiple of twice the patch ({self.patch})")
        return self

    @property
    def parameters(self) -> int:
        """Weights of the native `InternVLVisionModel` of this shape."""
        h, i = self.hidden, self.intermediate
        # Four projections with biases, two of the perceptron, two norms with biases, two layer scales.
        layer = 4 * (h * h + h) + (h * i + i) + (i * h + h) + 4 * h + 2 * h
        patches = (self.tile // self.patch) ** 2
        return self.layers * layer + (3 * self.patch**2 + 1) * h + (patches + 1) * h + h


class LanguageConfig(Config):
    """A Qwen2-shaped decoder. ``initializer_range``: standard deviation of its random weights."""

    hidden: int = Field(default=192, ge=16)
    layers: int = Field(default=4, ge=1)
    heads: int = Field(default=4, ge=1)
    kv_heads: int = Field(default=2, ge=1)
    intermediate: int = Field(default=512, ge=16)
    initializer_range: float = Field(default=0.02, gt=0.0, le=1.0)

    @model_validator(mode="after")
    def _divides(self) -> LanguageConfig:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError("hidden must be a multiple of heads, and heads of kv_heads")
        return self

    def parameters(self, vocabulary: int) -> int:
        """Weights of the native `Qwen2Model` of this shape with an embedding of ``vocabulary`` rows."""
        h, shared = self.hidden, self.hidden // self.heads * self.kv_heads
        attention = (h * h + h) + 2 * (h * shared + shared) + h * h
        return vocabulary * h + self.layers * (attention + 3 * h * self.intermediate + 2 * h) + h


class ModelConfig(Config):
    """A native InternVL: ViT, pixel unshuffle by one half, two-layer MLP connector, decoder."""

    family: Literal["internvl"] = "internvl"
    vision: VisionConfig = VisionConfig()
    language: LanguageConfig = LanguageConfig()

    @property
    def tokens_per_tile(self) -> int:
        """Visual tokens of one tile after the pixel unshuffle (a quarter of the patches)."""
        return (self.vision.tile // self.vision.patch // 2) ** 2

    def parameters(self, vocabulary: int) -> int:
        """Weights of the whole model, the output layer being the embedding's."""
        joined, width = 4 * self.vision.hidden, self.language.hidden
        connector = 2 * joined + (joined * width + width) + (width * width + width)
        return self.vision.parameters + connector + self.language.parameters(vocabulary)
