"""A plain Hub folder as lmms-eval asks it: chat template, pictures, greedy answers, and likelihoods of answers.

lmms-eval puts likelihood tasks to classes that it calls simple, which get a text and a function that gives pictures;
all other tasks to chat classes, which get a function that gives whole messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from lmms_eval.api.instance import GenerationResult  # type: ignore[import-not-found]
from lmms_eval.api.model import lmms  # type: ignore[import-not-found]
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

Messages = list[dict[str, Any]]

MAX_NEW_TOKENS = 1024
"""Where a task says nothing."""


class _Polysee(lmms):  # type: ignore[misc]
    """``pretrained``: a local folder. ``device``: as torch names it; an accelerator if there is one by default."""

    def __init__(self, pretrained: str, device: str | None = None, batch_size: int | str = 1) -> None:
        super().__init__()
        found = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
        self._device = torch.device(device) if device else found
        self._batch = int(batch_size)
        loader: Any = AutoProcessor
        processor = loader.from_pretrained(pretrained, local_files_only=True)
        # Pixels as in training: torchvision would resize a little differently.
        images: Any = AutoImageProcessor
        processor.image_processor = images.from_pretrained(pretrained, local_files_only=True, backend="pil")
        processor.tokenizer.padding_side = "left"
        self._processor = processor
        auto: Any = AutoModelForImageTextToText
        model, report = auto.from_pretrained(pretrained, local_files_only=True, dtype="auto", output_loading_info=True)
        wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in report[kind]]
        if wrong:
            raise ValueError(
                f"{len(wrong)} tensors of the checkpoint do not fit its config, the first being {wrong[0]}"
            )
        self._model = model.to(self._device).eval()

    @property
    def batch_size(self) -> int:
        """Requests at once."""
        return self._batch

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Not offered: raises `NotImplementedError`."""
        raise NotImplementedError("polysee's model answers no tasks of several rounds")

    def _inputs(self, dialogues: Sequence[Messages]) -> Any:
        """Token ids, mask and pixels of prompts, padded on the left."""
        texts = [
            self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            for messages in dialogues
        ]
        pictures = [part["image"] for messages in dialogues for part in _parts(messages) if part["type"] == "image"]
        inputs = self._processor(text=texts, images=pictures or None, padding=True, return_tensors="pt")
        return inputs.to(self._device, self._model.dtype)

    @torch.inference_mode()
    def _write(self, dialogues: Sequence[Messages], options: dict[str, Any]) -> list[str]:
        inputs = self._inputs(dialogues)
        written = self._model.generate(**inputs, **_decoding(options))
        answers = self._processor.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [_cut(answer, options.get("until")) for answer in answers]

    def _write_all(self, requests: Sequence[tuple[Messages, dict[str, Any]]]) -> list[str]:
        """Answers in order; neighbours that want the same decoding share a batch."""
        answers: list[str] = []
        while len(answers) < len(requests):
            start = len(answers)
            options = requests[start][1]
            stop = start + 1
            while stop < min(len(requests), start + self._batch) and requests[stop][1] == options:
                stop += 1
            answers += self._write([messages for messages, _ in requests[start:stop]], options)
        return answers

    @torch.inference_mode()
    def _weigh(self, messages: Messages, answer: str) -> tuple[float, bool]:
        """-log p(answer, end | prompt) in nats, and whether greedy decoding would write it."""
        inputs = self._inputs([messages])
        tokenizer = self._processor.tokenizer
        ids = tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        wanted = torch.tensor([ids], device=self._device)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], wanted], 1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        logits = self._model(**inputs, use_cache=False).logits[:, -len(ids) - 1 : -1].float()
        each = logits.log_softmax(-1).gather(-1, wanted.unsqueeze(-1))
        return -float(each.sum()), bool((logits.argmax(-1) == wanted).all())


class PolyseeChat(_Polysee):
    """For tasks whose answers are written."""

    is_simple = False

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """One answer for each request of (context, messages, decoding, document, task, split)."""
        asked = []
        for request in requests:
            _, messages, options, document, task, split = request.args
            asked.append((_as_templates_want(messages(self.task_dict[task][split][document])), options))
        return self._write_all(asked)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """lmms-eval puts such tasks to simple models only: raises `NotImplementedError`."""
        raise NotImplementedError("run likelihood tasks with --force_simple")


class PolyseeSimple(_Polysee):
    """For tasks whose answers are weighed."""

    is_simple = True

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """One answer for each request of (context, decoding, pictures, document, task, split)."""
        asked = []
        for request in requests:
            context, options, pictures, document, task, split = request.args
            asked.append((_question(context, pictures(self.task_dict[task][split][document])), options))
        return self._write_all(asked)

    def loglikelihood(self, requests: Sequence[Any]) -> list[Any]:
        """A loss for each request, in nats and summed over the answer: lmms-eval 0.7 takes the least as the choice.

        Each pair of loss and greediness comes in a `GenerationResult`: version 0.7.3 would make a text of a bare one.
        """
        found = []
        for request in requests:
            context, target, *rest = request.args
            pictures: Sequence[Any] = ()
            if rest:
                show, document, task, split = rest
                content = self.task_dict[task][split][document]
                pictures = show(content)
                target = target if isinstance(target, str) else _text(target, content)
            # A chat model's answer begins its turn: the space that sets it apart from a context has no place there.
            found.append(GenerationResult(self._weigh(_question(context, pictures), target.removeprefix(" "))))
        return found


def _text(target: Callable[[Any], Any], document: Any) -> str:
    return str(target(document))


def _parts(messages: Messages) -> Iterator[dict[str, Any]]:
    for message in messages:
        yield from message["content"]


def _question(context: str, pictures: Sequence[Any] | None) -> Messages:
    shown = [{"type": "image", "image": _picture(picture)} for picture in pictures or ()]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": context}]}]


def _as_templates_want(messages: Messages) -> Messages:
    """lmms-eval names the key of a picture ``url``, chat templates ``image``."""
    found = []
    for message in messages:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else [_part(part) for part in content]
        found.append({"role": message["role"], "content": parts})
    return found


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "text":
            return {"type": "text", "text": part["text"]}
        case "image":
            return {"type": "image", "image": _picture(part["url"])}
        case other:
            raise ValueError(f"polysee's model is shown pictures and text here, this task has {other}")


def _picture(value: Any) -> Image.Image:
    if isinstance(value, Image.Image):
        return value.convert("RGB")
    if isinstance(value, str):
        with Image.open(value) as opened:
            return opened.convert("RGB")
    raise ValueError(f"polysee's model is shown pictures and text here, this task has {type(value).__name__}")


def _decoding(options: dict[str, Any]) -> dict[str, Any]:
    """What `generate` takes of a task's wishes; greedy unless a temperature is asked for."""
    temperature = float(options.get("temperature") or 0)
    chosen: dict[str, Any] = {
        "max_new_tokens": int(options.get("max_new_tokens") or MAX_NEW_TOKENS),
        "num_beams": int(options.get("num_beams") or 1),
        "do_sample": temperature > 0,
    }
    if temperature > 0:
        chosen |= {"temperature": temperature}
        chosen |= {"top_p": float(options["top_p"])} if options.get("top_p") else {}
    return chosen


def _cut(answer: str, until: str | Sequence[str] | None) -> str:
    """The answer up to the first of the texts that end it."""
    for end in [until] if isinstance(until, str) else until or ():
        answer = answer.split(end, 1)[0] if end else answer
    return answer
