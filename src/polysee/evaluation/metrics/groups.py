"""Scores of sets of answers: all of a group right, pairs, votes, yes/no benchmarks, composites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from polysee.evaluation.extraction.choice import option_letter
from polysee.evaluation.extraction.final import final_answer
from polysee.evaluation.extraction.yesno import yes_no
from polysee.evaluation.metrics.base import Call, Metric, mean
from polysee.evaluation.metrics.forms import answer_key, number_of
from polysee.evaluation.metrics.peers import mmmu_choice, pope_answer, vlmeval_choice

Item = Mapping[str, Any]


def all_of_group(right: Sequence[float], groups: Sequence[Hashable]) -> float:
    """Share of the groups all of whose answers are right, 0-1.

    One definition for circular evaluation (a group is a question's rotations), MME's accuracy+ (an image's two
    questions), HallusionBench's figures and questions, ChartBench's Acc+, and the pairs of MMR and MediConfusion.
    ``right``: 1 for a right answer; ``groups``: the group of each. Raises `ValueError` without answers.
    """
    if len(right) != len(groups):
        raise ValueError(f"{len(right)} answers for {len(groups)} group labels")
    state: dict[Hashable, bool] = {}
    for value, group in zip(right, groups, strict=True):
        state[group] = state.get(group, True) and value >= 1
    return mean([float(whole) for whole in state.values()])


def composite(parts: Mapping[str, Sequence[float | None]]) -> float | None:
    """Unweighted mean over parts of each part's mean, 0-1: multiple-choice beside judged answers (ViMUL-Bench).

    ``parts``: scores in 0-1 by the part's name; None marks an answer that the judge could not score, and is left out
    rather than counted as wrong. A part without any score makes the whole unknown: None.
    """
    means = []
    for scores in parts.values():
        known = [score for score in scores if score is not None]
        if not known:
            return None
        means.append(mean(known))
    return mean(means)


def _all_of_group(prediction: Sequence[float], references: Sequence[Hashable], call: Call) -> float:
    return all_of_group(prediction, references)


def _composite(prediction: Mapping[str, Sequence[float | None]], references: object, call: Call) -> float | None:
    return composite(prediction)


def circular_eval(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """1 if the answers to all rotations of a question are right (MMBench). ``call.options``: each rotation's map."""
    maps: Sequence[Mapping[str, str]] = call.options or []
    if not len(prediction) == len(references) == len(maps) or not maps:
        raise ValueError("a circular evaluation needs an answer, a gold letter and options for every rotation")
    right = []
    for answer, gold, options in zip(prediction, references, maps, strict=True):
        if call.official:
            found = vlmeval_choice(str(answer), options)
        else:
            letters = sorted(options)
            place = option_letter(str(answer), [str(options[x]) for x in letters], language=call.language)
            found = None if place is None else letters[ord(place) - ord("A")]
        right.append(float(found == gold))
    return all_of_group(right, [0] * len(right))


def majority_vote(prediction: Sequence[Any], references: Any, call: Call) -> bool:
    """Whether the most frequent of the sampled answers is right. A draw is not right; what is no answer has no vote.

    Official: lmms-eval's, which asks whether more than half of the answers are right.
    """
    golds = [references] if isinstance(references, str) or not isinstance(references, Sequence) else list(references)
    if call.official:
        return sum(answer in golds for answer in prediction) > len(prediction) / 2
    lettered = all(len(str(gold).strip()) == 1 and str(gold).strip().isalpha() for gold in golds)
    votes = Counter(_ballot(str(a), call.language, lettered=lettered) for a in prediction if a is not None)
    votes.pop("", None)
    ranking = votes.most_common(2)
    if not ranking or (len(ranking) == 2 and ranking[0][1] == ranking[1][1]):
        return False
    return ranking[0][0] in {_ballot(str(gold), call.language, lettered=lettered) for gold in golds}


def _ballot(answer: str, language: str, *, lettered: bool) -> str:
    """Answers that mean the same vote together: ``B.``, ``(B)`` and "the answer is B"; ``3`` and ``٣``.

    ``lettered``: the golds are letters, so that a letter is looked for in longer answers too.
    """
    letter = option_letter(answer, language=language) if lettered else None
    if letter is not None:
        return letter
    canonical = answer_key(final_answer(answer, language=language), language)
    number = number_of(canonical, language)
    if number is not None:
        return f"{number:.12g}"
    return (option_letter(answer, language=language) if len(canonical) <= 3 else None) or canonical


def expected_accuracy(prediction: Sequence[Sequence[float]], references: object, call: Call) -> float:
    """Mean over all samples of all items, 0-1."""
    return mean([score for scores in prediction for score in scores])


def commute_accuracy(prediction: Sequence[float], references: Sequence[float], call: Call) -> float:
    """Share of correct translations with a lower perplexity than the incorrect one (CoMMuTE); a draw is wrong."""
    return mean([float(ours < theirs) for ours, theirs in zip(prediction, references, strict=True)])


def _counts(prediction: Sequence[str], references: Sequence[str], call: Call) -> tuple[int, int, int, int]:
    """True positives, predicted positives, gold positives and right answers."""
    golds = [gold.strip().lower() for gold in references]
    if call.official:
        answers: list[str | None] = [answer.lower().strip() for answer in prediction]
    else:
        golds = [yes_no(gold, language=call.language) or gold for gold in references]
        answers = [yes_no(answer, language=call.language) for answer in prediction]
    pairs = list(zip(answers, golds, strict=True))
    hits = sum(a == g == "yes" for a, g in pairs)
    missed = sum(g == "yes" and (a == "no" if call.official else a != "yes") for a, g in pairs)
    return hits, sum(a == "yes" for a in answers), hits + missed, sum(a == g for a, g in pairs)


def pope_accuracy(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Share of right answers, 0-1; what says neither yes nor no is wrong."""
    return _ratio(_counts(prediction, references, call)[3], len(prediction))


def pope_precision(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Share of the yes answers that are right; 0 where there are none."""
    hits, predicted, _, _ = _counts(prediction, references, call)
    return _ratio(hits, predicted)


def pope_recall(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Share of the yes questions answered yes. Official: questions with an answer that cannot be read do not count."""
    hits, _, wanted, _ = _counts(prediction, references, call)
    return _ratio(hits, wanted)


def pope_f1(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Harmonic mean of precision and recall."""
    precision, recall = pope_precision(prediction, references, call), pope_recall(prediction, references, call)
    return _ratio(2 * precision * recall, precision + recall)


def pope_yes_ratio(prediction: Sequence[str], references: Sequence[str], call: Call) -> float:
    """Share of yes among the predictions (not among the golds, which lmms-eval counts)."""
    return _ratio(_counts(prediction, references, call)[1], len(prediction))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def mme_subtask(prediction: Sequence[Sequence[float]], references: object, call: Call) -> float:
    """Accuracy plus accuracy+ in per cent, 0-200 (MME). ``prediction``: right or not, by image."""
    right = [float(value) for pair in prediction for value in pair]
    images = [image for image, pair in enumerate(prediction) for _ in pair]
    return 100.0 * (mean(right) + all_of_group(right, images))


def mme_sum(prediction: Mapping[str, Sequence[Sequence[float]]], references: object, call: Call) -> float:
    """Sum over subtasks: perception has 10 (2000), cognition 4 (800)."""
    return sum(mme_subtask(pairs, references, call) for pairs in prediction.values())


def _hallusion_right(item: Item) -> float:
    uncertain_will_do = item["category"] == "VS" and str(item["figure"]) == "0"
    return float(str(item["judge"]) == "1" or (uncertain_will_do and str(item["judge"]) == "2"))


def _hallusion(items: Sequence[Item], part: str) -> float:
    keys = [(str(i["category"]), str(i["subcategory"]), str(i["set"]), str(i[part])) for i in items]
    return 100.0 * all_of_group([_hallusion_right(item) for item in items], keys)


def hallusion_all(prediction: Sequence[Item], references: object, call: Call) -> float:
    """Accuracy over questions in per cent. A doubt (judge 2) is right where a question comes without its figure."""
    return 100.0 * mean([_hallusion_right(item) for item in prediction])


def hallusion_figures(prediction: Sequence[Item], references: object, call: Call) -> float:
    """Per cent of the figures all of whose questions are right; VS questions without a figure do not count."""
    shown = [item for item in prediction if not (item["category"] == "VS" and str(item["figure"]) == "0")]
    return _hallusion(shown, "figure")


def hallusion_questions(prediction: Sequence[Item], references: object, call: Call) -> float:
    """Per cent of the questions that are right with every figure."""
    return _hallusion(prediction, "question")


def mcq_extract(prediction: str, references: object, call: Call) -> str | None:
    """The letter that an answer names, or None. Official: MMMU's parser, with None for its drawing by chance."""
    options = [str(option) for option in call.options or ()]
    if call.official:
        return mmmu_choice(prediction, options)
    return option_letter(prediction, options or None, language=call.language)


def yes_no_answer(prediction: str, references: object, call: Call) -> str | None:
    """``yes``, ``no`` or None. Official: POPE's parser, which never says None."""
    return pope_answer(prediction) if call.official else yes_no(prediction, language=call.language)


METRICS: dict[str, Metric] = {
    "all_of_group": _all_of_group,
    "circular_eval": circular_eval,
    "commute_accuracy": commute_accuracy,
    "composite": _composite,
    "expected_accuracy": expected_accuracy,
    "hallusion_aAcc": hallusion_all,
    "hallusion_fAcc": hallusion_figures,
    "hallusion_qAcc": hallusion_questions,
    "majority_vote": majority_vote,
    "mcq_extract": mcq_extract,
    "mme_subtask": mme_subtask,
    "mme_sum": mme_sum,
    "pope_accuracy": pope_accuracy,
    "pope_f1": pope_f1,
    "pope_precision": pope_precision,
    "pope_recall": pope_recall,
    "pope_yes_ratio": pope_yes_ratio,
    "yes_no": yes_no_answer,
}
