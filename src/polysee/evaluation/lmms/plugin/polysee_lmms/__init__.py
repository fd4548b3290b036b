"""Registers a polysee checkpoint with lmms-eval as the model ``polysee``. Installed into lmms-eval's environment."""

from __future__ import annotations

from lmms_eval.models.registry_v2 import ModelManifest  # type: ignore[import-not-found]

MANIFEST = ModelManifest(
    "polysee",
    simple_class_path="polysee_lmms.model.PolyseeSimple",
    chat_class_path="polysee_lmms.model.PolyseeChat",
)
