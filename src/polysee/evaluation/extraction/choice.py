"""Which option an answer names: by letter, in whatever script, or by the option's own text. Nothing is guessed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import regex

from polysee.evaluation.extraction.final import body
from polysee.evaluation.extraction.lexicon import FALLBACK, lexicon, lower, phrases, prepare, table_name, unspaced
from polysee.evaluation.extraction.number import number_words
from polysee.evaluation.numbers import parse_number
from polysee.text.digits import to_ascii
from polysee.text.normalise import key

UNKNOWN_COUNT = 8
"""Letters that are looked for where the number of options is not known: A to H, so that the pronoun I is none."""

_HOMOGLYPHS = {"А": 0, "В": 1, "С": 2, "Е": 4, "Α": 0, "Β": 1, "Ε": 4}
"""Cyrillic and Greek capitals that look like Latin ones, where the language's own letters do not claim them."""

_CLAUSE = regex.compile(r"[,;!?،؛؟。、।።፣!?;|—–\n]|\.(?!\w)")
_STOP = regex.compile(r"[,;!?،؛؟。、।።፣|]|\.(?=\s*\S)")
_WRAPPED = regex.compile(r"[\s\[\](){}<>«»“”\"'‘’「」『』【】〔〕《》*_$`#.,:;!?。、।።፣،؛؟=\-–—\\]+")
_OPENING = "[({<«“\"'「『【〔《*_$`"
_CLOSING = "])}>»”\"'」』】〕》*_$`"
_AFTER_LABEL = regex.compile(r"\s*[.):、:\-–—。]")
_BLANK = regex.compile(r"[\s*_`'\"#:>=()\[\]\-–—]*")
_WORD = regex.compile(r"\S+")
_ORDINAL_AFTER = regex.compile(r"[\s:#№.()\-]{0,4}([0-9]{1,2}|[一二三四五六七八九十])(?![\p{Nd}\p{Han}%])")
_ORDINAL_BEFORE = regex.compile(
    r"(?:(?<![\p{Nd}.,])([0-9]{1,2})|第([0-9]{1,2}|[一二三四五六七八九十])[个個つ]?の?)\s?$"
)
_NEXT_WORD = regex.compile(r"[\s:#№.()\-]{0,4}([\p{L}\p{M}]+)")
_LAST_WORD = regex.compile(r"([\p{L}\p{M}]+)\s+$")
_SOUTH_EAST = regex.compile(r"[\p{Script=Thai}\p{Script=Laoo}\p{Script=Khmr}\p{Script=Mymr}]")
_DIGITS = regex.compile(r"[0-9]+")
_NEAR = 40  # characters between the words that announce a letter and the letter


@dataclass(frozen=True, slots=True)
class _Mention:
    """A place where an option's letter stands. ``level``: 3 announced as the answer, 2 set apart, 1 bare."""

    start: int
    end: int
    index: int
    level: int


@dataclass(frozen=True, slots=True)
class _Reader:
    """All patterns for one language and number of options."""

    tokens: dict[str, int]
    letter: regex.Pattern[str]
    words: frozenset[str]
    answer: regex.Pattern[str]
    option: regex.Pattern[str]
    right: regex.Pattern[str]
    negative: regex.Pattern[str]
    copula: regex.Pattern[str]
    ignore: regex.Pattern[str]
    joins: regex.Pattern[str]
    ending: regex.Pattern[str]
    numbers: dict[str, int]
    ordinals: dict[str, int]
    prefixing: bool
    verb_final: bool


def option_letter(
    text: str, options: Sequence[str] | None = None, *, language: str = "en", count: int | None = None
) -> str | None:
    """The Latin letter (``A`` for the first) of the option that ``text`` names, or None.

    Reads letters of the language and Latin ones, full-width, circled, in any brackets, announced or alone; then the
    options' own texts. Reasoning between think marks is left out; of a box or an answer tag nothing else is read.
    What names several options, none, or one that does not exist is None. ``count``: of the options where their texts
    are not known. At most 26 options.
    """
    number = min(26, len(options) if options else count or UNKNOWN_COUNT)
    index = _find(body(text), tuple(options or ()), language, number)
    return None if index is None else chr(ord("A") + index)


def _find(text: str, options: tuple[str, ...], language: str, number: int) -> int | None:
    reader = _reader(table_name(language) or "", language, number)
    ready = prepare(text, labels=not any(_has_circled(option) for option in options))
    whole = _WRAPPED.sub(" ", ready).strip()
    if not whole:
        return _by_whole_text(text, options, language)
    index = reader.tokens.get(whole)
    if index is None and len(whole) == 1:
        index = reader.tokens.get(whole.upper())
    if index is None:
        index = _by_whole_text(text, options, language)
    if index is None:
        index = _by_mention(ready, options, language, reader)
    return _by_number(to_ascii(lower(ready, language)), options, reader, number) if index is None else index


def _by_number(small: str, options: Sequence[str], reader: _Reader, number: int) -> int | None:
    """The option that is named by its number, as in "option 2", "option two" or 2번; a number alone names none.

    Nor does a number that is in the text of another option.
    """
    found = set()
    for cue in reader.option.finditer(small):
        after = _ORDINAL_AFTER.match(small, cue.end())
        before = _ORDINAL_BEFORE.search(small, 0, cue.start())
        for match in (after, before):
            if match is not None:
                value = parse_number(next(group for group in match.groups() if group), language="zh")
                found.add(int(value) if value is not None and value.is_integer() else 0)
        following, preceding = _NEXT_WORD.match(small, cue.end()), _LAST_WORD.search(small, 0, cue.start())
        if following is not None and following[1] in reader.numbers:
            found.add(reader.numbers[following[1]])
        for word in (following, preceding):
            if word is not None and word[1] in reader.ordinals:
                found.add(reader.ordinals[word[1]])
    place = found.pop() if len(found) == 1 else 0
    if not 1 <= place <= number:
        return None
    elsewhere = [i for i, option in enumerate(options) if str(place) in _DIGITS.findall(to_ascii(option))]
    return place - 1 if not elsewhere or place - 1 in elsewhere else None


def _has_circled(text: str) -> bool:
    return any("\u2460" <= char <= "\u2473" for char in text)


def _by_whole_text(text: str, options: Sequence[str], language: str) -> int | None:
    wanted = key(to_ascii(text), language)
    found = [i for i, option in enumerate(options) if wanted and wanted == key(to_ascii(option), language)]
    return found[0] if len(found) == 1 else None


def _by_mention(ready: str, options: Sequence[str], language: str, reader: _Reader) -> int | None:
    small = lower(ready, language)
    small = reader.ignore.sub(lambda found: " " * len(found[0]), small)
    mentions = _mentions(ready, small, options, language, reader)
    refused = _refused(mentions, small, reader)
    kept = [m for m, wrong in zip(mentions, refused, strict=True) if m.level and not wrong]
    level = max((m.level for m in kept), default=0)
    if level >= 2:
        return _choose([m for m in kept if m.level == level], kept, small, reader, last=level == 3)
    by_text = _by_option_text(small, options, language, reader)
    if by_text is not None or not kept:
        return by_text if not kept or by_text == kept[0].index or len({m.index for m in kept}) > 1 else kept[0].index
    return _choose(kept, kept, small, reader, last=False)


def _choose(
    best: Sequence[_Mention], kept: Sequence[_Mention], small: str, reader: _Reader, *, last: bool
) -> int | None:
    """The one option of ``best``, or its last one; None where several are meant at once ("A or B")."""
    if len({m.index for m in best}) > 1 and not last:
        return None
    chosen = best[-1]
    place = kept.index(chosen)
    for other in kept[max(0, place - 1) : place + 2]:
        between = small[chosen.end : other.start] if other.start > chosen.start else small[other.end : chosen.start]
        if other.index != chosen.index and reader.joins.fullmatch(_strip(between)):
            return None
    return chosen.index


def _strip(text: str) -> str:
    return text.strip(" \t()[]{}*_'\".")


def _mentions(ready: str, small: str, options: Sequence[str], language: str, reader: _Reader) -> list[_Mention]:
    found: list[_Mention] = []
    for match in reader.letter.finditer(ready):
        start, end = match.span()
        token = match[0]
        apart = _set_apart(ready, start, end)
        lower_case = token.islower()
        level = 2 if apart else 1
        # A letter that is a word of the language counts only where something says that it is a letter.
        wordlike = token.lower() in reader.words or token in reader.words
        if wordlike and not apart and _begins_option(small[end:], options, language):
            continue
        previous = max((m.end for m in found if m.level), default=0)
        if not _article(small, end, wordlike, apart, start) or _is_judged(small, end, reader):
            level = max(level, _announced(small, start, end, previous, reader))
        if lower_case and (level == 1 or (not apart and _flows_on(small, end))):
            continue
        # What a copula is written onto (ウです) is no part of a word.
        onward = wordlike and _flows_on(small, end, direct=not token.isascii())
        if level == 1 and onward and reader.copula.match(small, end) is None:
            level = 1 if _joined(small, end, reader) else 0
        found.append(_Mention(start, end, reader.tokens[token if token in reader.tokens else token.upper()], level))
    return found


def _article(small: str, end: int, wordlike: bool, apart: bool, start: int) -> bool:
    """Whether a word-like letter opens the text and runs on into a word: "A resposta é B"."""
    opens = not small[:start].strip(" \t*_\"'") or small[:start].rstrip()[-1:] in ".!?\n"
    return wordlike and not apart and opens and _flows_on(small, end)


def _is_judged(small: str, end: int, reader: _Reader) -> bool:
    """Whether the text says at once of a letter what it is: "A is correct", but not "A dog is correct"."""
    copula = reader.copula.match(small, end + 1)
    if copula is None:
        return False
    said = " ".join(small[copula.end() : copula.end() + _NEAR].split()[:3])
    return any(pattern.search(said) for pattern in (reader.right, reader.answer, reader.negative))


def _flows_on(small: str, end: int, *, direct: bool = False) -> bool:
    """Whether a word follows, behind a space or (``direct``) at once."""
    return bool(regex.match(r"\s*\p{L}" if direct else r"\s+\p{L}", small[end : end + 3]))


def _joined(small: str, end: int, reader: _Reader) -> bool:
    """Whether "and" or the like and another letter follow."""
    rest = small[end : end + _NEAR].lstrip()
    join = reader.joins.match(rest)
    return join is not None and reader.letter.match(rest[join.end() :].lstrip().upper()) is not None


def _begins_option(rest: str, options: Sequence[str], language: str) -> bool:
    following = rest.strip()
    return (
        bool(following)
        and rest[:1].isspace()
        and any(following.startswith(lower(prepare(option), language)) for option in options if option.strip())
    )


def _set_apart(ready: str, start: int, end: int) -> bool:
    """In brackets or emphasis, or at the beginning of a line with a sign behind it that labels have."""
    before, after = ready[start - 1 : start], ready[end : end + 1]
    if before and after and before in _OPENING and after in _CLOSING:
        return True
    line = ready.rfind("\n", 0, start) + 1
    if ready[line:start].strip(" \t*_#>\"'-•"):
        return False
    rest = ready[end:].split("\n", 1)[0]
    return not rest.strip(" \t*_\"'.。") or bool(_AFTER_LABEL.match(rest))


def _announced(small: str, start: int, end: int, previous: int, reader: _Reader) -> int:
    """3 if the words around a letter say that it is the answer, 2 if they say that it is an option, else 0."""
    lead = small[max(previous, start - _NEAR - 30) : start]
    for pattern, level in ((reader.answer, 3), (reader.option, 2)):
        cues = list(pattern.finditer(lead))
        if cues and _leads(lead[cues[-1].end() :]):
            right = level == 2 and reader.right.search(lead) and not reader.negative.search(lead)
            return 3 if right else level
    tail = _tail(small, end, reader)
    if (reader.right.search(tail) or reader.answer.search(tail)) and not reader.negative.search(tail):
        return 3
    return 2 if reader.option.match(tail.lstrip(" )]}*_'\"")) else 0


def _leads(gap: str) -> bool:
    """Whether nothing but a few words stands between an announcement and its letter."""
    if len(gap) > _NEAR or gap.count(" ") > 7:
        return False
    return _CLAUSE.search(gap) is None or _BLANK.fullmatch(gap) is not None


def _tail(small: str, end: int, reader: _Reader) -> str:
    """The next few words of the same clause, up to the next letter."""
    tail = small[end : end + _NEAR].lstrip(" :=-–—")
    stop = _CLAUSE.search(tail)
    if stop is not None:
        tail = tail[: stop.start()]
    following = reader.letter.search(tail.upper())
    if following is not None and following[0].lower() not in reader.words:
        tail = tail[: following.start()]
    return " ".join(tail.split(" ")[:6])


def _refused(mentions: Sequence[_Mention], small: str, reader: _Reader) -> list[bool]:
    """Which letters the text refuses, alone or together: "A and C are wrong"."""
    refused = [_rejected(place, mentions, small, reader) for place in range(len(mentions))]
    for first, last in _chains(mentions, small, reader):
        if any(refused[first : last + 1]):
            refused[first : last + 1] = [True] * (last + 1 - first)
    return refused


def _chains(mentions: Sequence[_Mention], small: str, reader: _Reader) -> Iterator[tuple[int, int]]:
    """First and last places of letters that are listed together: "A, B or C", but not "not A, B"."""
    first, listed = 0, False
    for place, (one, other) in enumerate(pairwise(mentions)):
        between = _strip(small[one.end : other.start])
        if reader.joins.fullmatch(between) is None:
            if listed:
                yield first, place
            first, listed = place + 1, False
        listed = listed or (between != "," and reader.joins.fullmatch(between) is not None)
    if listed:
        yield first, len(mentions) - 1


def _rejected(place: int, mentions: Sequence[_Mention], small: str, reader: _Reader) -> bool:
    """Whether the text says of a letter that it is not the answer: "not B", "A is wrong"."""
    mention = mentions[place]
    previous = mentions[place - 1].end if place else 0
    lead = small[max(previous, mention.start - _NEAR) : mention.start]
    stops = [stop for stop in _STOP.finditer(lead + "x") if stop.end() <= len(lead)]
    if stops:
        lead = lead[stops[-1].end() :]
    near = _nearest(lead.split(), reader, first=place == 0)
    # Behind another letter, a negation of a language that ends on its verb is about that letter: A가 아니라 B.
    others = reader.verb_final and place > 0 and not stops
    if not others and reader.negative.search(near) and not reader.right.search(near[-3:]):
        return True
    return mention.level < 3 and bool(reader.negative.search(_tail(small, mention.end, reader)))


def _nearest(words: Sequence[str], reader: _Reader, *, first: bool) -> str:
    """The last four words before a letter; in scripts without spaces, where a space parts phrases, the last phrase.

    A mere "option" does not count as a phrase before the ``first`` letter.
    """
    if not words or not unspaced(words[-1]):
        return " ".join(words[-4:])
    announces = reader.option.fullmatch(words[-1]) or reader.answer.fullmatch(words[-1])
    return (words[-2] if announces and first and len(words) > 1 else words[-1])[-7:]


def _by_option_text(small: str, options: Sequence[str], language: str, reader: _Reader) -> int | None:
    """The only option whose text stands in the answer and is not negated."""
    spans = []
    for index, option in enumerate(options):
        spans += [
            (start, end, index) for start, end in _places(small, lower(prepare(option), language).strip(), reader)
        ]
    outer = [s for s in spans if not any(o[0] <= s[0] and s[1] <= o[1] and o[1] - o[0] > s[1] - s[0] for o in spans)]
    mentions = [_Mention(start, end, index, 3) for start, end, index in sorted(outer)]
    kept = []
    for place, mention in enumerate(mentions):
        around, own = (mentions, place) if reader.verb_final else ([mention], 0)
        if not _rejected(own, around, small, reader) and not _denied_behind(mention, small, reader):
            announced = _announced(small, mention.start, mention.end, 0, reader) == 3
            kept.append((mention.index, announced))
    for chosen in ({i for i, announced in kept if announced}, {i for i, _ in kept}):
        if len(chosen) == 1:
            return next(iter(chosen))
    return None


def _denied_behind(mention: _Mention, small: str, reader: _Reader) -> bool:
    """Whether a negation follows at once, in languages that end on the verb: 猫ではなく, 고양이가 아니라."""
    if not reader.verb_final:
        return False
    tail = _CLAUSE.split(small[mention.end : mention.end + _NEAR], maxsplit=1)[0]
    return reader.negative.match(tail) is not None or reader.negative.search(" ".join(tail.split()[:2])) is not None


def _places(small: str, part: str, reader: _Reader) -> Iterator[tuple[int, int]]:
    """Where ``part`` stands in a text: as whole words, unless its script does not part them.

    Languages that write "and" or "the" onto a word may have up to three letters before it; Korean has endings.
    """
    start = small.find(part) if part else -1
    while start >= 0:
        end = start + len(part)
        free = unspaced(part)
        before = not free and part[0].isalnum() and start > 0 and _is_letter(small[start - 1])
        if before and reader.prefixing and len(part) > 2:
            before = all(map(_is_letter, small[max(0, start - 4) : start])) and start >= 4
        after = not free and part[-1].isalnum() and end < len(small) and _is_letter(small[end])
        after = after and reader.ending.match(small, end) is None
        if not before and not after:
            yield start, end
        start = small.find(part, start + 1)


def _is_letter(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char)[0] == "M"


@lru_cache(maxsize=512)
def _reader(_: str, language: str, number: int) -> _Reader:
    own, english = lexicon(language), lexicon(FALLBACK)
    assert english is not None
    tables = [english] if own is None or own is english else [own, english]
    native = _native_tokens(own.letters if own is not None else (), number)
    latin = {chr(ord("A") + i): i for i in range(number)}
    tokens = {**{h: i for h, i in _HOMOGLYPHS.items() if i < number}, **native, **latin}

    def gather(*names: str) -> list[str]:
        return [word for table in tables for name in names for word in getattr(table, name)]

    suffixes = [regex.escape(prepare(s)) for s in (own.suffixes if own is not None else ())]
    ending = rf"(?=(?:{'|'.join(suffixes)})(?![\p{{L}}\p{{M}}]))" if suffixes else r"(?!)"
    negative = gather("wrong", "deny")
    prefixing = own is not None and own.prefixing
    copula = gather("copula")
    cues = [prepare(w) for w in gather("answer", "option", "copula") if _SOUTH_EAST.match(w)]
    return _Reader(
        tokens=tokens,
        letter=_letter_pattern(tokens, ending, cues),
        words=frozenset(prepare(w) for w in gather("words")),
        answer=phrases(gather("answer"), language, start=not prefixing, end=False),
        option=phrases(gather("option"), language, start=not prefixing, end=False),
        right=phrases(gather("right"), language),
        negative=phrases(negative, language),
        copula=phrases(copula, language),
        ignore=phrases(gather("ignore", "unsure"), language),
        joins=phrases([*gather("joins"), "/", "&", ",", "+"], language),
        ending=regex.compile(ending),
        numbers={word: int(value) for word, value in number_words(language).items()},
        ordinals=_ordinals(gather("ordinals"), language),
        prefixing=prefixing,
        verb_final=own is not None and own.verb_final,
    )


def _ordinals(cells: Sequence[str], language: str) -> dict[str, int]:
    places: dict[str, int] = {}
    for number, cell in enumerate(cells):
        for word in cell.split("/"):
            places.setdefault(lower(prepare(word), language), number % 4 + 1)
    return places


def _native_tokens(series: Sequence[str], number: int) -> dict[str, int]:
    tokens: dict[str, int] = {}
    for line in series:
        for index, cell in enumerate(line.split()[:number]):
            for letter in cell.split("/"):
                tokens.setdefault(prepare(letter), index)
    return tokens


Kind = Literal["latin", "spaced", "katakana", "isolated"]


def _letter_pattern(tokens: dict[str, int], ending: str, cues: Sequence[str]) -> regex.Pattern[str]:
    """Letters that stand alone. Latin ones may touch other scripts (选B), others no letter at all, but for an ending
    or, where words are not parted, what announces them (``cues``: คำตอบคือข)."""
    cased = sorted(tokens.keys() | {t.lower() for t in tokens}, key=len, reverse=True)
    latin = [t for t in cased if t.isascii()]
    kana = [t for t in cased if regex.fullmatch(r"\p{Script=Kana}", t)]
    rest = [regex.escape(t) for t in cased if not t.isascii() and t not in kana]
    parts = [
        rf"(?<![\p{{Latin}}\p{{M}}\p{{Nd}}]|\p{{L}}-)(?:{'|'.join(latin)})"
        rf"(?:{ending}|(?![\p{{Latin}}\p{{M}}\p{{Nd}}]|['’-][\p{{L}}\p{{Nd}}]))"
    ]
    if kana:
        parts.append(rf"(?<![\p{{Script=Kana}}ー])(?:{'|'.join(kana)})(?![\p{{Script=Kana}}ー])")
    if rest:
        before = r"(?<![\p{L}\p{M}\p{Nd}])"
        if cues:
            before = rf"(?:{before}|(?<={'|'.join(map(regex.escape, cues))}))"
        parts.append(rf"{before}(?:{'|'.join(rest)})(?:{ending}|(?![\p{{L}}\p{{M}}\p{{Nd}}]))")
    return regex.compile("|".join(parts))
