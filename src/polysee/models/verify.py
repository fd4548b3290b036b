"""``python -m polysee.models.verify FOLDER``: does a saved checkpoint load with no code of ours, and answer alike?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4


def problem(folder: Path) -> str | None:
    """What is wrong with a saved checkpoint that still has its probe, or None."""
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    from polysee.models.quiet import no_bars
    from polysee.models.save import PROBE, probe_logits

    loader: Any = AutoModelForImageTextToText
    with no_bars():
        model, info = loader.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info[kind]:
            return f"{len(info[kind])} {kind.replace('_', ' ')}, such as {sorted(map(str, info[kind]))[0]}"
    if len(AutoTokenizer.from_pretrained(folder, local_files_only=True)) != model.config.text_config.vocab_size:
        return "the tokenizer and the embedding differ in size"
    size = model.config.vision_config.image_size
    logits = probe_logits(model.float().eval(), size[0] if isinstance(size, (list, tuple)) else size)
    difference = (logits - load_file(folder / PROBE)["logits"]).abs().max().item()
    return f"logits differ by {difference:.2g}" if difference > TOLERANCE else None


def main() -> int:
    found = problem(Path(sys.argv[1]))
    if found:
        print(found, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
