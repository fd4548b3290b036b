"""One question about one picture, to the final checkpoint of a run."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from polysee.inference.checkpoint import Checkpoint, final_checkpoint, load_checkpoint
from polysee.inference.encoder import encode_prompt, media_key
from polysee.inference.features import image_features
from polysee.inference.generate import greedy
from polysee.media.decode import probe, verify
from polysee.schema.errors import BadRecord, UserError
from polysee.schema.sample import IMAGE_MARK, MediaRef, Origin, Turn, make_sample

MAX_NEW_TOKENS = 64


def answer(
    run_path: Path | str,
    image_path: Path | str | None,
    question: str,
    *,
    about: str = "",
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> str:
    """What the run's final model answers to ``question`` about the picture (None: about no picture).

    ``about``: the thing that is asked about, if the question does not name it; the prompt is then that of training,
    instruction, line break, thing. The model stays loaded for further questions. Raises `UserError` for an empty
    question, for a run without a checkpoint, for an unreadable picture and for more `<image>` marks than pictures.
    """
    if not f"{question}{about}".strip():
        raise UserError("the question is empty", "ask something, in any language the run has learned")
    folder = final_checkpoint(Path(run_path))
    stamp = max(path.stat().st_mtime_ns for path in folder.iterdir())
    image = _read(image_path)
    pictures = int(image is not None)
    marks = f"{question}{about}".count(IMAGE_MARK)
    if marks > pictures:
        raise UserError(
            f"the question has {marks} {IMAGE_MARK} for {pictures} picture{'' if pictures == 1 else 's'}",
            f"leave {IMAGE_MARK} out: a picture stands before the question by itself",
        )
    return ask(_loaded(folder.resolve(), stamp), image, question, about=about, max_new_tokens=max_new_tokens)


def ask(
    checkpoint: Checkpoint,
    image: bytes | None,
    question: str,
    *,
    about: str = "",
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> str:
    """As `answer`, with a loaded checkpoint and the picture's bytes. Raises `BadRecord` for bytes that are no image."""
    media: tuple[MediaRef, ...] = ()
    tiles = {}
    if image is not None:
        info = probe(image)
        media = (MediaRef(hashlib.sha256(image).hexdigest(), "image", info.width, info.height),)
        tiles[media_key(media[0])] = checkpoint.tiling.cut(image)
    sample = make_sample(
        task="chat",
        language="und",
        turns=(Turn(about, ""),),
        origin=Origin("chat", "", ""),
        media=media,
        instruction=question,
    )
    encoder = checkpoint.encoder
    ids = greedy(
        checkpoint.model,
        [encode_prompt(encoder, sample, tiles)],
        image_features(checkpoint.model, tiles, checkpoint.normalisation),
        image_token_id=encoder.image_token_id,
        end_id=encoder.end_id,
        max_new_tokens=max_new_tokens,
        batch=1,
    )[0]
    return str(encoder.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


@lru_cache(maxsize=1)
def _loaded(folder: Path, stamp: int) -> Checkpoint:
    """``stamp`` makes a checkpoint that was written anew another one."""
    return load_checkpoint(folder)


def _read(image_path: Path | str | None) -> bytes | None:
    if image_path is None:
        return None
    path = Path(image_path)
    try:
        data = path.read_bytes()
        verify(data)
    except OSError as error:
        raise UserError(
            f"cannot read the picture: {(error.strerror or str(error)).lower()}", "check its path", place=str(path)
        ) from error
    except BadRecord as error:
        cause = f"this is no picture that can be read ({error})"
        raise UserError(cause, "use a PNG, JPEG or WebP file", place=str(path)) from error
    return data
