"""Translation models of the MADLAD-400 and NLLB kinds, by transformers or by CTranslate2.

MADLAD is told the target by a token before the text (``<2pt>``); NLLB the source by a token before the text and the
target by the first token of the answer.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from polysee.schema.errors import MissingExtra, UserError
from polysee.services.base import Failure, Segment
from polysee.services.config import Seq2SeqConfig
from polysee.services.configured import Configured
from polysee.text.normalise import nfc
from polysee.text.translation_codes import System, codes

LONGEST = 512
"""The most tokens of a segment, and of a translation: what these models were trained on."""


@dataclass(frozen=True, slots=True)
class Question:
    """One segment as the model takes it. ``first``: the token that the answer must begin with, or ""."""

    tokens: tuple[int, ...]
    first: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``tokens`` without special ones; ``ended``: whether the model came to an end by itself."""

    tokens: tuple[int, ...]
    ended: bool


class Engine(Protocol):
    """Computes the answers to a batch of questions, in order."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]: ...


class Seq2SeqTranslator(Configured[Seq2SeqConfig]):
    """A `Translator`. The model is loaded with the first question; its tokenizer tells which languages it has."""

    version: ClassVar[int] = 1

    def __init__(self, config: Seq2SeqConfig) -> None:
        super().__init__(config)

    def supports(self, source: str, target: str) -> bool:
        """Whether the model has both languages. Raises `UserError` for a model that is of neither kind."""
        return source != target and bool(self._code(source, "source")) and bool(self._code(target, "target"))

    def probe(self) -> None:
        """Load the model. Raises `UserError` where that cannot be done."""
        _ = self._system, self._engine

    def translate(self, segments: Sequence[Segment]) -> list[str | Failure]:
        """One translation a segment, computed in batches of like length.

        Failures: ``unsupported-language``, ``too-long`` (over `LONGEST` tokens), ``cut-off`` (the translation does
        not end), ``empty-translation``. Raises `UserError` where the model cannot be loaded.
        """
        done: dict[int, str | Failure] = {}
        questions: dict[int, Question] = {}
        for index, segment in enumerate(segments):
            if not self.supports(segment.source, segment.target):
                detail = f"{self.model} does not translate from {segment.source} to {segment.target}"
                done[index] = Failure("unsupported-language", detail)
                continue
            question = self._question(segment)
            if len(question.tokens) > LONGEST:
                done[index] = Failure("too-long", f"{len(question.tokens)} tokens, at most {LONGEST}")
            else:
                questions[index] = question
        for batch in _batches(questions, self._config.batch_tokens):
            answers = self._engine.answer([questions[index] for index in batch])
            for index, answer in zip(batch, answers, strict=True):
                done[index] = self._text(answer)
        return [done[index] for index in range(len(segments))]

    def _question(self, segment: Segment) -> Question:
        source, target = self._code(segment.source, "source"), self._code(segment.target, "target")
        if self._system == "madlad":
            return Question(tuple(self._tokenizer(f"<2{target}> {segment.text}")["input_ids"]), "")
        self._tokenizer.src_lang = source
        return Question(tuple(self._tokenizer(segment.text)["input_ids"]), target)

    def _text(self, answer: Answer) -> str | Failure:
        if not answer.ended:
            return Failure("cut-off", f"the translation goes on after {LONGEST} tokens")
        text = nfc(self._tokenizer.decode(list(answer.tokens), skip_special_tokens=True)).strip()
        return text or Failure("empty-translation", "the model gave no text")

    def _code(self, tag: str, side: str) -> str:
        """What the model calls a language, or "" where it does not have it."""
        found = codes(tag, self._system, "source" if side == "source" else "target")
        if self._system == "madlad" and side == "source":
            return next(iter(found), "")  # it is not told the source
        written = {code: f"<2{code}>" if self._system == "madlad" else code for code in found}
        return next((code for code in found if written[code] in self._vocabulary), "")

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(self._tokenizer.get_vocab())

    @cached_property
    def _system(self) -> System:
        if "<2en>" in self._vocabulary:
            return "madlad"
        if "eng_Latn" in self._vocabulary:
            return "nllb"
        raise UserError(f"the model {self.model!r} is neither of the MADLAD-400 nor of the NLLB kind",
                        "take google/madlad400-3b-mt, facebook/nllb-200-distilled-600M or their like")  # fmt: skip

    @cached_property
    def _tokenizer(self) -> Any:
        transformers = _module("transformers", "translate")
        return _loaded(self._config, transformers.AutoTokenizer.from_pretrained)

    @cached_property
    def _engine(self) -> Engine:
        if self._config.engine == "ctranslate2":
            return _CTranslate2(self._config, self._tokenizer)
        return _Transformers(self._config, self._tokenizer)


class _Transformers:
    """The model in PyTorch: on a GPU in the type it was saved in, on a processor in float32."""

    def __init__(self, config: Seq2SeqConfig, tokenizer: Any) -> None:
        transformers = _module("transformers", "translate")
        self._torch = _module("torch", "translate")
        gpu = self._torch.cuda.is_available()
        self._model = _loaded(
            config,
            transformers.AutoModelForSeq2SeqLM.from_pretrained,
            use_safetensors=True,
            dtype="auto" if gpu else self._torch.float32,
        )
        self._model = self._model.to("cuda" if gpu else "cpu").eval()
        self._tokenizer = tokenizer
        self._beam = config.beam

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """The likeliest answer to each question by beam search, of at most `LONGEST` tokens, without special ones.

        Those that begin with the same token of a language are computed together, padded to the longest of them.
        """
        found: dict[int, Answer] = {}
        for first in sorted({question.first for question in questions}):
            mine = [index for index, question in enumerate(questions) if question.first == first]
            rows = self._generate([list(questions[index].tokens) for index in mine], first)
            found |= {index: self._read(row) for index, row in zip(mine, rows, strict=True)}
        return [found[index] for index in range(len(questions))]

    def _generate(self, asked: list[list[int]], first: str) -> list[list[int]]:
        pad, width = self._tokenizer.pad_token_id, max(map(len, asked))
        rows = [[*tokens, *[pad] * (width - len(tokens))] for tokens in asked]
        tokens = self._torch.tensor(rows, device=self._model.device)
        forced = {"forced_bos_token_id": self._tokenizer.convert_tokens_to_ids(first)} if first else {}
        with self._torch.inference_mode():
            out = self._model.generate(
                input_ids=tokens,
                attention_mask=(tokens != pad).long(),
                num_beams=self._beam,
                do_sample=False,
                max_new_tokens=LONGEST,
                **forced,
            )
        return cast("list[list[int]]", out.tolist())

    def _read(self, row: list[int]) -> Answer:
        end = self._tokenizer.eos_token_id
        body = row[1:]  # without the token that starts the decoder, which may be the one that ends it
        return Answer(tuple(body[: body.index(end)] if end in body else body), end in body)


class _CTranslate2:
    """A folder that ``ct2-transformers-converter`` wrote, with the tokenizer's files beside the model."""

    def __init__(self, config: Seq2SeqConfig, tokenizer: Any) -> None:
        ctranslate2 = _module("ctranslate2", "translate")
        if not (Path(config.model) / "model.bin").is_file():
            raise UserError("this folder holds no model for CTranslate2",
                            "ct2-transformers-converter --model ... --output_dir ... --copy_files tokenizer.json "
                            "tokenizer_config.json", place=config.model)  # fmt: skip
        self._translator = ctranslate2.Translator(config.model, device="auto")
        self._tokenizer = tokenizer
        self._config = config

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """The likeliest answer to each question by beam search, of at most `LONGEST` tokens, without special ones.

        CTranslate2 divides the questions into batches of ``batch_tokens`` tokens itself.
        """
        sources = [self._tokenizer.convert_ids_to_tokens(list(question.tokens)) for question in questions]
        prefixes = [[question.first] if question.first else None for question in questions]
        results = self._translator.translate_batch(
            sources,
            target_prefix=prefixes,
            beam_size=self._config.beam,
            max_batch_size=self._config.batch_tokens,
            batch_type="tokens",
            max_decoding_length=LONGEST,
            max_input_length=0,
            return_end_token=True,
        )
        end = self._tokenizer.eos_token
        found = []
        for result in results:
            tokens = result.hypotheses[0]
            ended = bool(tokens) and tokens[-1] == end
            body = tokens[:-1] if ended else tokens
            found.append(Answer(tuple(self._tokenizer.convert_tokens_to_ids(body)), ended))
        return found


def _batches(questions: dict[int, Question], budget: int) -> Iterator[list[int]]:
    """Keys of questions of like length, so that a batch with its padding keeps to the token budget."""
    order = sorted(questions, key=lambda index: (-len(questions[index].tokens), index))
    batch: list[int] = []
    for index in order:
        widest = len(questions[batch[0] if batch else index].tokens)
        if batch and widest * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(name, extra) from error


def _loaded(config: Seq2SeqConfig, load: Any, **more: Any) -> Any:
    logging: Any = _module("transformers", "translate").utils.logging
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return load(config.model, revision=config.revision or "main", trust_remote_code=False, **more)
    except (OSError, ValueError) as error:
        raise UserError(f"the model {config.model!r} cannot be loaded: {str(error).splitlines()[0]}",
                        "name a Hub id or a folder that holds its configuration, tokenizer.json and "
                        "model.safetensors (pickled weights are refused)") from error  # fmt: skip
    finally:
        if bars:
            logging.enable_progress_bar()
