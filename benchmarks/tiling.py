"""JPEG bytes to uint8 tiles on one core: polysee's exact and fast modes beside plain Pillow and transformers.

    python benchmarks/tiling.py [--images 4] [--rounds 9] [--out tiling.json]

Contenders take turns on every image and the order rotates, so that a busy machine slows all alike; a speed-up is the
median of the ratios of neighbouring runs. The same run checks that exact mode equals the native processor in every
pixel. Exits with 1 where fast mode is below its floor.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import PIL
import torch
import transformers
from PIL import Image
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

from polysee.media.tiling import closest_grid, tiles

TILE = 448
MAX_TILES = 12
FLOORS = {(1000, 800): 1.3, (3000, 2000): 2.5}
Contender = Callable[[bytes], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One contender at one image size; ``speedup`` is against plain Pillow, ``psnr`` in dB against exact mode."""

    size: str
    contender: str
    images_per_second: float
    speedup: float
    mean_difference: float
    psnr: float | None


def photograph(width: int, height: int, seed: int, quality: int = 90) -> bytes:
    """A JPEG with the detail of a photograph: noise at scales from the whole frame down to a pixel, 1/f strong."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), 128.0, dtype=np.float32)
    for cells, strength in ((3, 50), (9, 30), (27, 20), (81, 14), (243, 9), (729, 6)):
        shape = (max(2, cells * height // width), cells, 3)
        coarse = np.clip(rng.normal(128, 42, shape), 0, 255).astype(np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        picture += strength * (np.asarray(layer, dtype=np.float32) - 128) / 42
    picture += rng.normal(0, 3, picture.shape).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    return file.getvalue()


def plain(data: bytes) -> np.ndarray:
    """What most training code does: full decode, one bicubic resize to the grid, crop, and a thumbnail."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    columns, rows = closest_grid(*image.size, tile=TILE, max_tiles=MAX_TILES)
    grid = image.resize((columns * TILE, rows * TILE), Image.Resampling.BICUBIC)
    boxes = [(x * TILE, y * TILE, (x + 1) * TILE, (y + 1) * TILE) for y in range(rows) for x in range(columns)]
    cut = [grid.crop(box) for box in boxes]
    if len(cut) > 1:
        cut.append(image.resize((TILE, TILE), Image.Resampling.BICUBIC))
    return np.stack([np.asarray(part) for part in cut])


def native() -> tuple[Contender, Contender]:
    """transformers' processor: stopped before it makes floats (the same work as ours), and as it ships."""
    processor = GotOcr2ImageProcessorPil(
        size={"height": TILE, "width": TILE}, crop_to_patches=True, min_patches=1, max_patches=MAX_TILES
    )

    def eight_bit(data: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(data))
        made = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
        return np.ascontiguousarray(made.transpose(0, 2, 3, 1))

    def shipped(data: bytes) -> np.ndarray:
        made: np.ndarray = processor(Image.open(io.BytesIO(data)), return_tensors="np")["pixel_values"]
        return made

    return eight_bit, shipped


def measure(width: int, height: int, images: int, rounds: int) -> list[Row]:
    """The rows of one image size."""
    eight_bit, shipped = native()
    contenders: dict[str, Contender] = {
        "plain Pillow": plain,
        "transformers, uint8": eight_bit,
        "transformers, float32 normalised": shipped,
        "polysee exact": lambda data: tiles(data, tile=TILE, max_tiles=MAX_TILES),
        "polysee fast": lambda data: tiles(data, tile=TILE, max_tiles=MAX_TILES, mode="fast"),
    }
    files = [photograph(width, height, seed) for seed in range(images)]
    for data in files:
        assert np.array_equal(contenders["polysee exact"](data), eight_bit(data)), "exact mode is not the native one"
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds):
        order = names[turn % len(names) :] + names[: turn % len(names)]
        for data in files:
            for name in order:
                start = time.perf_counter()
                contenders[name](data)
                times[name].append(time.perf_counter() - start)
    errors = np.concatenate([_errors(contenders["polysee fast"](d), contenders["polysee exact"](d)) for d in files])
    mean, square = float(np.abs(errors).mean()), float((errors.astype(np.float64) ** 2).mean())
    rows = []
    for name in names:
        speedup = statistics.median(p / t for p, t in zip(times["plain Pillow"], times[name], strict=True))
        fast = name == "polysee fast"
        psnr = 10 * float(np.log10(255**2 / square)) if fast and square > 0 else None
        rate = 1 / statistics.median(times[name])
        rows.append(Row(f"{width}x{height}", name, rate, speedup, mean if fast else 0.0, psnr))
    return rows


def _errors(made: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return (made.astype(np.int16) - reference.astype(np.int16)).ravel()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=4, help="different pictures of each size")
    parser.add_argument("--rounds", type=int, default=9, help="times each contender sees each picture")
    parser.add_argument("--out", type=Path, help="also write the rows as JSON")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    rows: list[Row] = []
    print(
        f"One core; up to {MAX_TILES} tiles of {TILE} and a thumbnail; JPEG quality 90; {arguments.images} pictures.\n"
    )
    print("| image | grid | contender | images/s | speed-up | mean difference | PSNR (dB) |")
    print("|---|---|---|---:|---:|---:|---:|")
    for width, height in FLOORS:
        columns, lines = closest_grid(width, height, tile=TILE, max_tiles=MAX_TILES)
        made = measure(width, height, arguments.images, arguments.rounds)
        rows += made
        for row in made:
            quality = f"{row.mean_difference:.3f} | {row.psnr:.1f}" if row.psnr is not None else "0 | –"
            quality = quality if row.contender.startswith("polysee") else "– | –"
            rate = f"{row.images_per_second:.1f} | {row.speedup:.2f}"
            print(f"| {row.size} | {columns}x{lines} | {row.contender} | {rate} | {quality} |")
    print("\nExact mode equals the native processor in every pixel (checked in this run).")
    if arguments.out is not None:
        versions = {"pillow": PIL.__version__, "torch": torch.__version__, "transformers": transformers.__version__}
        report = {"machine": platform.machine(), "versions": versions, "rows": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    missed = [
        f"{size}: fast mode is {row.speedup:.2f}x plain Pillow; the floor is {floor}x"
        for size, floor in FLOORS.items()
        for row in rows
        if row.contender == "polysee fast" and row.size == f"{size[0]}x{size[1]}" and row.speedup < floor
    ]
    print("\n".join(missed), file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
