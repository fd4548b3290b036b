"""Samples of every shape, and a run that holds them, for the tests of exports."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from polysee.schema.arrow import MEDIA_SCHEMA, to_table
from polysee.schema.sample import MediaKind, MediaRef, Origin, Sample, Turn, make_sample
from polysee.store import tables
from polysee.store.manifest import FunnelRow, Manifest, ManifestFolder

RECIPE = """\
# `every` value
name: shapes
transforms:
  - {name: into-arabic, use: translate}
  - {name: ask, use: instruct}
"""


@lru_cache(maxsize=64)
def picture(number: int, ending: str = "PNG") -> bytes:
    """A small picture that differs from those of other numbers."""
    target = io.BytesIO()
    Image.new("RGB", (8 + number % 5, 6), (number % 256, 40, 90)).save(target, ending)
    return target.getvalue()


@lru_cache(maxsize=1)
def video() -> bytes:
    from polysee.media.frames import write_video

    return write_video([Image.fromarray(np.full((32, 32, 3), 60 * n, np.uint8)) for n in range(4)], fps=4)


def ref(data: bytes, kind: MediaKind = "image", **more: Any) -> MediaRef:
    width, height = (32, 32) if kind == "video" else Image.open(io.BytesIO(data)).size
    return MediaRef(hashlib.sha256(data).hexdigest(), kind, width, height, 4 if kind == "video" else 1, **more)


def sample(language: str, *turns: tuple[str, str], **more: Any) -> Sample:
    """A sample with an origin of its own; ``origins`` and all that `make_sample` takes may be given."""
    origins = more.pop("origins", (Origin("photos", f"key/{language}", "CC-BY-4.0"),))
    made = make_sample(
        **{
            "task": "vqa",
            "language": language,
            "turns": tuple(Turn(*turn) for turn in turns),
            "origin": origins[0],
            **more,
        }
    )
    return replace(made, origins=tuple(origins))


TRANSLATED = Origin("photos", "7", "CC-BY-NC-4.0", "a" * 32, "into-arabic", "nllb", "nllb-200", "f" * 16)


def shapes() -> tuple[list[Sample], list[bytes]]:
    """One sample of each shape, and the bytes of their media."""
    one, two, page, clip = picture(1), picture(2, "JPEG"), picture(3, "WEBP"), video()
    tagged = {"tags": ("concept:🐈", "pool:naming"), "options": ("猫", "狗"), "references": ("猫", "貓", "猫")}
    found = [
        sample("zh-Hant", ("這是什麼？", "猫"), media=(ref(one),), instruction="看圖回答。", split="scenes", **tagged),
        sample("ar", ("ما هذا؟", "قطة"), media=(ref(one),), origins=(TRANSLATED, Origin("نص", "٧", "CC0-1.0"))),
        sample("hi", ("", "बिल्ली"), media=(ref(two),), instruction="इस चित्र में क्या है?"),
        sample("en", ("Compare <image> with <image>.", "no"), ("And now?", "yes"), media=(ref(one), ref(two))),
        sample("th", ("ภาพนี้คืออะไร", "แมว"), media=(ref(page, "page"),), split="con"),
        sample("ja", ("どこ？\n教えて", "ここ"), media=(ref(two, box=(1.0, 0.5, 4.25, 5.0)),)),
        sample("am", ("ይህ ምንድን ነው?", "ድመት"), media=(ref(clip, "video"),)),
        sample("ur", ("کب؟", "اب"), media=(ref(clip, "video", span=(0.25, 0.75)),)),
        sample("he", ("מה <image> ומה <image>?", "חתול"), media=(ref(clip, "video"), ref(one)), instruction="ענה"),
        sample("nb", ("Hva er 2+2?", '4 "fire"\\\t|'), task="reading"),
        sample("pt-BR", ("", "sim"), instruction="Responda: sim ou não?", origins=(Origin("x|y", "<b>", "unknown"),)),
    ]
    return found, [one, two, page, clip]


def make_run(path: Path, samples: Sequence[Sample], blobs: Sequence[bytes], *, dropped: int = 0) -> Path:
    """A run with these samples, the last ``dropped`` of them dropped by a select, and a score."""
    (path / "steps").mkdir(parents=True)
    (path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    table = to_table(samples)
    table = table.append_column("quality", pa.array([0.5 + 0.25 * (n % 2) for n in range(len(samples))], pa.float32()))
    table = table.append_column("keep_clean", pa.array([n < len(samples) - dropped for n in range(len(samples))]))
    data = tables.lance().write_dataset(table, str(path / "samples.lance"))
    rows = [_medium(blob) for blob in blobs]
    media = tables.lance().write_dataset(pa.Table.from_pylist(rows, schema=MEDIA_SCHEMA), str(path / "media.lance"))
    funnel = tuple(
        FunnelRow("clean", "select", tag, 3, 1, (("clean", 2),)) for tag in sorted({s.language for s in samples})
    )
    write_manifest(path, funnel, int(data.version), int(media.version))
    return path


def write_manifest(path: Path, funnel: tuple[FunnelRow, ...], samples: int, media: int, mark: str = "a") -> None:
    ManifestFolder(path / "steps", lambda line: None).write(
        Manifest(
            index=0,
            name="clean",
            verb="select",
            version=1,
            fingerprint=mark * 64,
            previous="",
            parameters={},
            inputs=(),
            funnel=funnel,
            summary="clean",
            polysee="0.1.0",
            samples=samples,
            media=media,
        )
    )


def _medium(blob: bytes) -> dict[str, Any]:
    kind = "video" if blob[4:8] == b"ftyp" else "image"
    found = ref(blob, kind)  # type: ignore[arg-type]
    size = {"width": found.width, "height": found.height, "frames": found.frames}
    return {"sha256": found.sha256, "kind": kind, "format": "any", **size, "data": blob}


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
