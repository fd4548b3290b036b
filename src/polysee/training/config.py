"""The recipe's ``stages`` and ``encoder`` sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from polysee.schema.config import Config

Part = Literal["vision", "connector", "language"]
Precision = Literal["bf16", "fp32"]
Optimizer = Literal["adamw", "muon"]


class StageConfig(Config):
    """One stage of training. Budgets are counted in steps, never in seconds.

    ``train``: what is not frozen. ``repeat``: repeat factors of sources that are other than theirs in this stage; 0
    leaves a source out. ``learning_rate``: peak per part. ``max_tokens`` and ``max_tiles``: the two budgets
    of a pack. ``image_tiles``: most tiles that one image is cut into (the thumbnail comes on top). ``precision``: bf16
    computes matrix products in bfloat16 over float32 weights. ``optimizer``: ``muon`` moves matrices by Muon with the
    scale of AdamW's updates (arXiv:2502.16982, section 2.2) and all else (embeddings, norms, biases) by AdamW; it
    learns rare associations, such as those of names with what they look like, in fewer steps. ``cache_vision``:
    compute a frozen encoder's features of every tile once and keep them on disk while the stage runs.
    ``loss_exponent``: 0 weighs tokens, 1 samples, 0.5 is square averaging (InternVL 2.5, section 3.4).
    ``warmup_steps``: 20 where left out, but at most a tenth of the steps. ``checkpoint_every``: steps between two saved
    states to go on from, of which the newest is there while the stage runs. ``keep_every``: keep the model itself after
    every so many steps, in ``checkpoints/<stage>.kept``, for curves over the training.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    train: tuple[Part, ...] = Field(min_length=1)
    steps: int = Field(ge=1)
    repeat: dict[str, Annotated[float, Field(ge=0.0, le=4.0)]] = Field(default_factory=dict)
    packs_per_step: int = Field(default=4, ge=1)
    max_tokens: int = Field(default=1024, ge=32)
    max_tiles: int = Field(default=16, ge=1)
    image_tiles: int = Field(default=6, ge=1, le=40)
    learning_rate: dict[Part, float]
    warmup_steps: int | None = Field(default=None, ge=0)
    weight_decay: float = Field(default=0.05, ge=0.0)
    clip_norm: float = Field(default=1.0, gt=0.0)
    loss_exponent: float = Field(default=0.5, ge=0.0, le=1.0)
    checkpoint_every: int = Field(default=100, ge=1)
    keep_every: int | None = Field(default=None, ge=1)
    precision: Precision = "bf16"
    optimizer: Optimizer = "adamw"
    cache_vision: bool = False

    @property
    def warmup(self) -> int:
        """Steps in which the rates rise to their peaks."""
        return min(20, self.steps // 10) if self.warmup_steps is None else self.warmup_steps

    @property
    def kept_steps(self) -> range:
        """Finished steps after which the model is kept; the last one is the stage's own checkpoint."""
        return range(self.keep_every, self.steps, self.keep_every) if self.keep_every else range(0)

    @model_validator(mode="after")
    def _peak(self) -> StageConfig:
        if self.warmup > self.steps:
            raise ValueError(f"{self.steps} steps end before {self.warmup} of warm-up do; lower warmup_steps")
        return self

    @model_validator(mode="after")
    def _frozen(self) -> StageConfig:
        if self.cache_vision and "vision" in self.train:
            raise ValueError("cache_vision keeps the features of a frozen encoder, but this stage trains `vision`")
        return self

    @model_validator(mode="after")
    def _rates(self) -> StageConfig:
        missing = [part for part in self.train if part not in self.learning_rate]
        if missing:
            raise ValueError(f"learning_rate has no entry for {', '.join(missing)}")
        return self


class EncoderConfig(Config):
    """Pre-training of a vision encoder by dense naming: each patch says which concept covers it.

    ``warmup_steps``: 100 where left out, but at most a tenth of the steps.
    """

    steps: int = Field(ge=1)
    batch: int = Field(default=128, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0.0)
    weight_decay: float = Field(default=0.05, ge=0.0)
    warmup_steps: int | None = Field(default=None, ge=0)
    checkpoint_every: int = Field(default=200, ge=1)

    @property
    def warmup(self) -> int:
        """Steps in which the rate rises to its peak."""
        return min(100, self.steps // 10) if self.warmup_steps is None else self.warmup_steps

    @model_validator(mode="after")
    def _peak(self) -> EncoderConfig:
        if self.warmup > self.steps:
            raise ValueError(f"{self.steps} steps end before {self.warmup} of warm-up do; lower warmup_steps")
        return self
