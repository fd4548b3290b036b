"""Saves a model as a plain Hub folder, and proves in a fresh process that it loads with equal logits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from polysee.models.compose import MEAN, STD
from polysee.models.quiet import no_bars
from polysee.models.tiles import MAX_FRAMES, TilePolicy
from polysee.schema.errors import UserError
from polysee.store.folders import publish_folder

PROBE = "reload-probe.safetensors"


def save_hub_folder(model: Any, tokenizer: Any, policy: TilePolicy, folder: Path) -> None:
    """Write model, tokenizer and native processor files; what was in ``folder`` before is replaced.

    Raises `UserError` if a fresh process that loads the folder misses a tensor or computes other logits.
    """

    def save(partial: Path) -> None:
        with no_bars():
            model.save_pretrained(partial, safe_serialization=True)
        _readable(partial)
        tokenizer.save_pretrained(partial)
        _save_processor(policy, int(model.config.image_seq_length), partial)
        _save_probe(model, policy, partial / PROBE)
        verify_reload(partial)
        (partial / PROBE).unlink()

    publish_folder(folder, save)


def _readable(folder: Path) -> None:
    """safetensors keeps its files to their owner; a server that runs as somebody else could not load them."""
    mode = (folder / "config.json").stat().st_mode
    for path in folder.glob("*.safetensors"):
        path.chmod(mode)


def verify_reload(folder: Path) -> None:
    """Load ``folder`` in a fresh process and compare with its probe. Raises `UserError` with what was wrong."""
    command = [sys.executable, "-m", "polysee.models.verify", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise UserError(
            f"the saved checkpoint does not load as it was: {reason[-1] if reason else 'no message'}",
            "choose a combination of encoder and language model that its native class can rebuild",
            place=str(folder),
        )


def probe_inputs(config: Any, tile: int) -> tuple[Any, Any]:
    """Token ids (1, n) with one tile's image tokens in them, and that tile's pixels (1, 3, tile, tile)."""
    import torch

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, min(256, config.text_config.vocab_size), (1, 12), generator=generator)
    ids[ids == config.image_token_id] = 0
    image = torch.full((1, config.image_seq_length), config.image_token_id)
    pixels = torch.randn((1, 3, tile, tile), generator=generator)
    return torch.cat([ids[:, :4], image, ids[:, 4:]], dim=1), pixels


def probe_logits(model: Any, tile: int) -> Any:
    """float32 logits of the probe, on the CPU."""
    import torch

    ids, pixels = probe_inputs(model.config, tile)
    with torch.inference_mode():
        out = model(input_ids=ids.to(model.device), pixel_values=pixels.to(model.device), use_cache=False)
    return out.logits.float().cpu()


def _save_probe(model: Any, policy: TilePolicy, path: Path) -> None:
    from safetensors.torch import save_file

    model.eval()
    save_file({"logits": probe_logits(model, policy.tile).contiguous()}, path)


def _save_processor(policy: TilePolicy, tokens_per_tile: int, folder: Path) -> None:
    """The files of transformers' `InternVLProcessor`: image processor, video processor and how they are joined."""
    size = {"height": policy.tile, "width": policy.tile}
    common = {"size": size, "image_mean": list(MEAN), "image_std": list(STD), "rescale_factor": 1 / 255, "resample": 3}
    switches = {"do_resize": True, "do_rescale": True, "do_normalize": True, "do_convert_rgb": True}
    image = {
        **common,
        **switches,
        "image_processor_type": "GotOcr2ImageProcessor",
        "processor_class": "InternVLProcessor",
        "crop_to_patches": True,
        "min_patches": 1,
        "max_patches": policy.image_tiles,
    }
    video = {
        **common,
        **switches,
        "video_processor_type": "InternVLVideoProcessor",
        "processor_class": "InternVLProcessor",
        "num_frames": MAX_FRAMES,
        "do_sample_frames": True,
    }
    joined = {"processor_class": "InternVLProcessor", "image_seq_length": tokens_per_tile}
    files = {"preprocessor_config": image, "video_preprocessor_config": video, "processor_config": joined}
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
