"""A small finished run in the shapes that the other steps write, with real Lance datasets."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw

from polysee.evaluation.predictions import Prediction, PredictionStore, read_predictions
from polysee.evaluation.scores import build_scores, training_exposure, write_scores
from polysee.schema.arrow import MEDIA_SCHEMA, SAMPLE_SCHEMA, to_table
from polysee.schema.sample import MediaRef, Origin, Sample, Turn, make_sample
from polysee.store.atomic import write_json
from polysee.store.fingerprint import fingerprint
from polysee.store.manifest import FunnelRow, Manifest, ManifestFolder

VISION = ("am", "ar", "en", "he", "hi", "ja", "pt-BR", "th", "zh-Hant")
TEXT = ("fr",)
NONE = ("ur",)

WORDS = {
    "am": ("ድመት", "ውሻ", "ዓሣ", "ወፍ", "ይህ ምንድን ነው?"),
    "ar": ("قطة", "كلب", "سمكة", "طائر", "ماذا يظهر في هذه الصورة؟"),
    "en": ("cat", "dog", "fish", "bird", "What does this picture show?"),
    "fr": ("chat", "chien", "poisson", "oiseau", "Que montre cette image ?"),
    "he": ("חתול", "כלב", "דג", "ציפור", "מה רואים בתמונה?"),
    "hi": ("बिल्ली", "कुत्ता", "मछली", "चिड़िया", "इस चित्र में क्या है?"),
    "ja": ("猫", "犬", "魚", "鳥", "この絵に何が写っていますか。"),
    "pt-BR": ("gato", "cachorro", "peixe", "pássaro", "O que esta imagem mostra?"),
    "th": ("แมว", "สุนัข", "ปลา", "นก", "ภาพนี้คืออะไร"),
    "ur": ("بلی", "کتا", "مچھلی", "پرندہ", "اس تصویر میں کیا ہے؟"),
    "zh-Hant": ("貓", "狗", "魚", "鳥", "這張圖裡有什麼？"),
}
"""Cat, dog, fish, bird; and the question."""

SCRIPT = "<script>alert('x')</script>"
HOSTILE = f"{SCRIPT}<img src=https://example.org/x.png onerror=alert(1)>"
COLOURS = ((214, 90, 60), (60, 120, 200), (70, 160, 90), (220, 180, 60))

RECIPE = """\
# every value is here
name: small-run
seed: 7
sources:
  - name: world
    use: microworld
transforms:
  - name: sentences
    use: instruct
select:
  - name: clean
    where: quality >= 0.5
stages:
  - name: align
    train: [connector]
  - name: tune
    train: [connector, language]
report:
  gallery: 22
"""


def picture(number: int) -> bytes:
    image = Image.new("RGB", (96, 96), (240, 236, 224))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20 + number % 9, 22, 70, 72 + number % 7), fill=COLOURS[number % 4])
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def make_run(path: Path, *, train: int = 12, test: int = 12) -> Path:
    """All parts; ``train`` and ``test``: pictures."""
    path.mkdir(parents=True)
    (path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    blobs = [picture(i) for i in range(train + test)]
    samples = list(_samples(blobs, train))
    _write_data(path, samples, blobs)
    _write_predictions(path, [s for s in samples if s.split != "train"])
    write_training(path, samples)
    return path


def _samples(blobs: Sequence[bytes], train: int) -> Iterator[Sample]:
    for number, blob in enumerate(blobs):
        ref = MediaRef(hashlib.sha256(blob).hexdigest(), "image", 96, 96)
        for tag in (*VISION, *TEXT, *NONE):
            if number < train and tag not in NONE:
                yield _sample(tag, number, () if tag in TEXT else (ref,), "train")
            elif number >= train:
                yield _sample(tag, number, (ref,), "scenes" if tag in VISION else "languages")
        if number == train:
            yield _hostile(ref)
        if number >= train:
            yield _box(ref, number)


def _sample(tag: str, number: int, media: tuple[MediaRef, ...], split: str) -> Sample:
    *names, question = WORDS[tag]
    return make_sample(
        task="naming",
        language=tag,
        turns=(Turn("" if media else f"{number}", names[number % 4]),),
        origin=Origin("world", f"{split}/{number}/{tag}", "OFL-1.1"),
        media=media,
        instruction=question,
        options=() if split == "train" else tuple(names),
        split=split,
        tags=("concept:🐈",),
    )


def _hostile(ref: MediaRef) -> Sample:
    return make_sample(
        task="naming",
        language="en",
        turns=(Turn(HOSTILE, "cat"),),
        origin=Origin(f"world{SCRIPT}", "hostile", f"none{SCRIPT}"),
        media=(ref,),
        instruction=SCRIPT,
        options=("cat", f"{SCRIPT} dog", "fish", "bird"),
        split="scenes",
        tags=(f"concept:{SCRIPT}",),
    )


def _box(ref: MediaRef, number: int) -> Sample:
    return make_sample(
        task="grounding",
        language="ar",
        turns=(Turn(WORDS["ar"][number % 4], "[200, 220, 740, 760]"),),
        origin=Origin("world", f"box/{number}", "OFL-1.1"),
        media=(ref,),
        instruction="أين هذا؟",
        split="scenes",
    )


def _write_data(path: Path, samples: Sequence[Sample], blobs: Sequence[bytes]) -> None:
    table = to_table(samples).append_column("keep_clean", pa.array([True] * len(samples)))
    assert table.schema.names[:-1] == SAMPLE_SCHEMA.names
    data = lance.write_dataset(table, str(path / "samples.lance"))
    rows = [
        {"sha256": hashlib.sha256(b).hexdigest(), "kind": "image", "format": "PNG", "width": 96, "height": 96}
        | {"frames": 1, "data": b}
        for b in blobs
    ]
    media = lance.write_dataset(pa.Table.from_pylist(rows, schema=MEDIA_SCHEMA), str(path / "media.lance"))
    tags = (*VISION, *TEXT, *NONE)
    read = tuple(FunnelRow("world", "source", tag, 400, 398, failed=2) for tag in tags)
    clean = tuple(
        FunnelRow("clean", "select", tag, 398, 398 - n, (("clean", n),))
        for tag, n in ((tag, 150 if tag == "am" else 12 + i) for i, tag in enumerate(tags))
    )
    folder = ManifestFolder(path / "steps", lambda line: None)
    folder.path.mkdir()
    version = (int(data.version), int(media.version))
    folder.write(manifest(0, "world", "source", read, version))
    folder.write(manifest(1, "clean", "select", clean, version))
    write_json(path / "funnel.json", {"steps": [row.to_json() for row in (*read, *clean)]})


def manifest(
    index: int, name: str, verb: str, funnel: tuple[FunnelRow, ...] = (), version: tuple[int, int] | None = None
) -> Manifest:
    return Manifest(
        index=index,
        name=name,
        verb=verb,
        version=1,
        fingerprint=fingerprint(name, 1, {}, []),
        previous="",
        parameters={},
        inputs=(),
        funnel=funnel,
        summary=f"{name} is done",
        polysee="0.1.0",
        samples=version[0] if version else None,
        media=version[1] if version else None,
    )


def _write_predictions(path: Path, samples: Sequence[Sample]) -> None:
    rng = np.random.default_rng(3)
    store = PredictionStore(path / "predictions.lance", "f" * 64)
    store.begin()
    found = []
    for sample in samples:
        for baseline in (None, "blank") if sample.options else (None,):
            found.append(_prediction(sample, baseline, rng))
    store.add(0, found)
    seen = training_exposure([to_table(_train(path))])
    scores, macro = build_scores(read_predictions(path / "predictions.lance"), seen, resamples=100, seed=1)
    write_scores(path / "scores.json", scores, macro)


def _train(path: Path) -> list[Sample]:
    from polysee.schema.arrow import from_table

    table = lance.dataset(str(path / "samples.lance")).to_table(filter="split = 'train'")
    return list(from_table(table))


def _prediction(sample: Sample, baseline: str | None, rng: np.random.Generator) -> Prediction:
    base = {"sample": sample.id, "task": sample.task, "language": sample.language, "split": sample.split}
    cluster = sample.media[0].sha256
    if not sample.options:
        left = int(rng.integers(150, 320))
        answer, score = f"[{left}, 240, 700, 720]", float(rng.uniform(0.2, 0.9))
        return Prediction(**base, baseline=baseline, metric="iou", cluster=cluster, answer=answer, score=score,
                          parsed=True, wrong_language=False, chance=None)  # fmt: skip
    gold = sample.turns[0].output
    logits = rng.normal(-5, 1.2, 4) + (2.2 if baseline is None else 0.0) * np.array([o == gold for o in sample.options])
    answer = sample.options[int(np.argmax(logits))]
    return Prediction(**base, baseline=baseline, metric="choice", cluster=cluster, answer=answer,
                      score=float(answer == gold), parsed=True, wrong_language=False, chance=0.25,
                      option_scores=tuple(map(float, logits)))  # fmt: skip


def write_training(path: Path, samples: Sequence[Sample], steps: int = 60) -> None:
    rng = np.random.default_rng(5)
    lines = []
    for stage, first, parts in (("align", 0, ("connector",)), ("tune", steps, ("connector", "language"))):
        for step in range(1, steps + 1):
            at = first + step
            losses = {t: 0.6 + 4 * math.exp(-at / 35) * (1 + 0.05 * i) for i, t in enumerate((*VISION, *TEXT))}
            languages = {
                tag: {"loss": loss + float(rng.normal(0, 0.15)), "tokens": 40 + 8 * i}
                for i, (tag, loss) in enumerate(losses.items())
            }
            mean = sum(v["loss"] for v in languages.values()) / len(languages)
            rate = 1e-3 * min(1.0, step / 6) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            line = {
                "stage": stage,
                "step": step,
                "loss": mean,
                "learning_rate": {p: rate / (1 + i) for i, p in enumerate(parts)},
            }
            lines.append(line | {"tokens": 3800, "answer_tokens": 800, "tiles": 60, "languages": languages})
    (path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    (path / "plans").mkdir()
    for stage in ("align", "tune"):
        write_plan(path / "plans" / f"{stage}.arrow", [s for s in samples if s.split == "train"])
    _write_model(path)


def write_plan(path: Path, samples: Sequence[Sample]) -> None:
    rows = [
        {"step": i // 16, "pack": i // 4, "row": i % 4, "sample": s.id, "tokens": 70 + i % 40, "tiles": len(s.media)}
        for i, s in enumerate(samples)
    ]
    fields = [("step", pa.int32()), ("pack", pa.int32()), ("row", pa.int32()), ("sample", pa.string())]
    schema = pa.schema([*fields, ("tokens", pa.int32()), ("tiles", pa.int16())])
    schema = schema.with_metadata({"max_tokens": "512", "max_tiles": "8"})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _write_model(path: Path) -> None:
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    folder = path / "checkpoints" / "tune"
    folder.mkdir(parents=True)
    shapes = {
        "model.vision_tower.a": (40, 30),
        "model.multi_modal_projector.b": (10, 20),
        "model.language_model.c": (50, 60),
    }
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, folder / "model.safetensors")
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    core.train_from_iterator([word for words in WORDS.values() for word in words], trainer)
    (path / "tokenizer").mkdir()
    core.save(str(path / "tokenizer" / "tokenizer.json"))
