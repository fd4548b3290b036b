"""`polysee judge` against a judge that speaks HTTP, in five scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import polysee as package
from judged_runs import answer_all, in_digits, make_run, shown
from polysee.cli.main import main
from services.server import Server, last_text

Call = Callable[..., str]

PICTURES = 12


def verdict(body: dict[str, Any]) -> str:
    """Right answers are better, but for two faults: in Chinese the first place wins, in Thai some draws say nothing."""
    tag, reference, answers = shown(body)
    if tag == "zh":
        return in_digits(tag, 9, 5)
    if tag == "th" and body.get("seed", 0) == 2:
        return "ทั้งสองคำตอบดี"
    if len(answers) == 1:
        return f"评分：{9 if answers[0] == reference else 1}"
    return in_digits(tag, *(9 if answer == reference else 2 + body.get("seed", 0) for answer in answers))


def draws(server: Server) -> Counter[tuple[str, int]]:
    return Counter((last_text(body), body.get("seed", 0)) for body in server.bodies)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(answer=verdict).running() as running:
        yield running


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Three models: ``ours`` is right but for every fourth picture, ``theirs`` in every third, ``same`` as ours."""
    run = make_run(tmp_path_factory.mktemp("runs") / "run", PICTURES)
    ours = answer_all(run, "ours", lambda n: n % 4 > 0, PICTURES)
    theirs = answer_all(run, "theirs", lambda n: n % 3 == 0, PICTURES)
    return ours, theirs, answer_all(run, "same", lambda n: n % 4 > 0, PICTURES)


@pytest.fixture
def polysee(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    """``polysee judge …`` in this process: what it prints, or says is wrong where another ``code`` is expected."""

    def call(*words: str | Path, code: int = 0, out: str = "out") -> str:
        with pytest.raises(SystemExit) as left:
            main(["judge", *map(str, words), "--out", str(tmp_path / out), "--resamples", "200"])
        said = capsys.readouterr()
        assert left.value.code == code, said.err
        return said.err if code else said.out

    return call


def service(server: Server, *more: str) -> tuple[str, ...]:
    return ("--chat", server.url, "--model", "tiny", *more)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_two_runs_in_five_scripts(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    ours, theirs, _ = folders
    said = polysee(ours, theirs, *service(server, "--price", "1", "2"))
    found = read(tmp_path / "out" / "judge.json")
    rows = {row["language"]: row for row in found["pairs"]}
    wins = sum(n % 4 > 0 and n % 3 > 0 for n in range(PICTURES))
    losses = sum(n % 4 == 0 and n % 3 == 0 for n in range(PICTURES))
    for tag in ("am", "ar", "hi", "th"):
        assert (rows[tag]["wins"], rows[tag]["losses"], rows[tag]["n"]) == (wins, losses, PICTURES)
        assert rows[tag]["rate"] == pytest.approx((wins + (PICTURES - wins - losses) / 2) / PICTURES, abs=1e-6)
        assert rows[tag]["low"] < rows[tag]["rate"] < rows[tag]["high"]
    # The judge that always prefers the first place says nothing at all.
    assert (rows["zh"]["ties"], rows["zh"]["rate"]) == (PICTURES, 0.5)
    assert rows["zh"]["p"] == 1.0
    trust = {row["language"]: row for row in found["trust"]}
    alike = PICTURES - wins - losses
    assert trust["ar"] == trust["ar"] | {"alike": alike, "asked": 6 * (PICTURES - alike), "unparsed": 0, "steady": 1.0}
    assert (trust["zh"]["steady"], trust["zh"]["lean"]) == (0.0, 4.0)
    assert trust["th"]["unparsed"] == 2 * (PICTURES - alike)
    assert found["spent"]["requests"] == server.posts == len(draws(server)) == 5 * 6 * (PICTURES - alike)
    cost = (found["spent"]["tokens_in"] + 2 * found["spent"]["tokens_out"]) / 1e6
    assert found["spent"]["cost"] == pytest.approx(cost, abs=1e-6)
    assert trust["ar"]["cost"] > 0
    assert next(line for line in said.splitlines() if line.startswith("A-B   zh ")).split()[6] == "50.0%"
    assert "orders differ" in said
    lines = (tmp_path / "out" / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    assert len(lines) == 5 * PICTURES
    assert {"sample", "task", "winner", "values", "by_order"} <= first.keys()
    assert any("ทั้งสอง" in line for line in lines)


def test_equal_calls_give_equal_bytes_and_ask_nothing(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    ours, theirs, _ = folders
    options = service(server, "--k", "1", "--language", "ar", "--language", "am", "--limit", "5")
    polysee(ours, theirs, *options)
    before, posts = (tmp_path / "out" / "judge.json").read_bytes(), server.posts
    polysee(ours, theirs, *options)
    assert server.posts == posts
    assert (tmp_path / "out" / "judge.json").read_bytes() == before
    polysee(ours, theirs, *options, out="elsewhere")
    assert server.posts == 2 * posts
    assert (tmp_path / "elsewhere" / "judge.json").read_bytes() == before
    assert {row["language"] for row in json.loads(before)["pairs"]} == {"all", "am", "ar"}
    assert str(tmp_path).encode() not in before


def test_one_run_is_scored(polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    polysee(folders[0], *service(server, "--language", "hi"))
    found = read(tmp_path / "out" / "judge.json")
    [one] = [row for row in found["models"] if row["language"] == "hi"]
    right = sum(n % 4 > 0 for n in range(PICTURES)) / PICTURES
    assert one["points"] == pytest.approx(1 + 8 * right, abs=1e-5)
    assert one["value"] == pytest.approx(8 * right / 9, abs=1e-5)
    assert found["pairs"] == found["standings"] == []
    assert found["config"]["mode"] == "score"


def test_three_runs_have_standings(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    said = polysee(*folders, *service(server, "--k", "1", "--language", "ar", "--language", "hi"))
    found = read(tmp_path / "out" / "judge.json")
    assert found["standings"][-1]["name"] == "theirs"
    same = [row for row in found["pairs"] if {row["first"], row["second"]} == {"ours", "same"}]
    assert all(row["ties"] == row["n"] for row in same)
    assert "strength" in said


def test_a_ranking(polysee: Call, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> str:
        _, reference, answers = shown(body)
        right = [str(n + 1) for n, one in enumerate(answers) if one == reference]
        wrong = [str(n + 1) for n, one in enumerate(answers) if one != reference]
        return "الترتيب: " + " > ".join(" = ".join(group) for group in (right, wrong) if group)

    with Server(answer=answer).running() as server:
        polysee(*folders, *service(server, "--mode", "rank", "--k", "1", "--language", "ar"))
    found = read(tmp_path / "out" / "judge.json")
    places = {row["model"]: row["points"] for row in found["models"] if row["language"] == "ar"}
    assert places["ours"] == places["same"] < places["theirs"]
    [pair] = [one for one in found["pairs"] if (one["first"], one["second"], one["language"]) == ("ours", "same", "ar")]
    assert pair["ties"] == PICTURES


def test_pictures_are_shown_where_the_preset_says_so(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path]
) -> None:
    polysee(folders[0], *service(server, "--preset", "picture", "--language", "am", "--limit", "2", "--k", "1"))
    contents = [body["messages"][-1]["content"] for body in server.bodies]
    assert len({content[0]["image_url"]["url"] for content in contents}) == 2
    assert not any("REFERENCE" in last_text(body) for body in server.bodies)


def test_a_killed_judgement_goes_on(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ours, theirs, _ = folders
    with Server(answer=verdict, latency=0.05).running() as server:
        config = tmp_path / "judge.yaml"
        config.write_text(
            f"services:\n- {{kind: chat, name: referee, base_url: '{server.url}', model: tiny, max_concurrency: 4}}\n"
            "judge: {batch: 12, languages: [am, ar]}\n",
            encoding="utf-8",
        )
        words = [sys.executable, "-m", "polysee.cli.main", "judge", str(ours), str(theirs), "--config", str(config)]
        environment = {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [*words, "--out", str(tmp_path / "out")],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env=environment,
            )

        killed = start()
        while server.good < 25 and killed.poll() is None:
            time.sleep(0.005)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert not (tmp_path / "out" / "judge.json").exists()
        last = start()
        said, wrong = last.communicate(timeout=120)
        assert last.returncode == 0, wrong
        assert "A-B" in said
        found = read(tmp_path / "out" / "judge.json")
        # What was under way when it was killed may be asked again, and nothing else.
        assert len(draws(server)) == found["spent"]["requests"]
        assert server.posts - len(draws(server)) <= 4
        assert max(draws(server).values()) <= 2


def test_a_spent_budget_stops_and_goes_on(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    ours, theirs, _ = folders
    options = service(server, "--price", "0", "1000", "--language", "hi", "--k", "1")
    said = polysee(ours, theirs, *options, "--max-cost", "1.25", code=2)
    assert "of its budget of 1.25" in said
    assert "nothing is paid twice" in said
    assert 0 < server.posts < 14
    assert not (tmp_path / "out" / "judge.json").exists()
    polysee(ours, theirs, *options, "--max-cost", "1000")
    assert set(draws(server).values()) == {1}
    assert server.posts == read(tmp_path / "out" / "judge.json")["spent"]["requests"]


def test_failed_requests_are_asked_again(polysee: Call, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    def script(number: int, body: dict[str, Any]) -> str:
        return "400" if shown(body)[0] == "ar" and broken else "ok"

    broken = True
    ours, theirs, _ = folders
    with Server(answer=verdict, script=script).running() as server:
        options = service(server, "--k", "1", "--language", "ar", "--language", "hi")
        assert "requests got no answer" in polysee(ours, theirs, *options, code=1)
        found = read(tmp_path / "out" / "judge.json")
        trust = {row["language"]: row for row in found["trust"]}
        assert trust["ar"]["failed"] == trust["ar"]["asked"] > 0
        assert {row["language"]: row["n"] for row in found["pairs"]}["ar"] == trust["ar"]["alike"]
        broken = False
        posts = server.posts
        polysee(ours, theirs, *options)
        assert server.posts == posts + trust["ar"]["asked"]


def test_beside_people(polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ours, theirs, _ = folders
    polysee(f"لنا={ours}", f"them too={theirs}", *service(server, "--language", "ar"))
    rows = [json.loads(line) for line in (tmp_path / "out" / "verdicts.jsonl").read_text("utf-8").splitlines()]
    names = {"first": "لنا", "second": "them too"}
    votes = []
    for number, row in enumerate(rows):
        # Two of three people always say what the judge says, but for the first question.
        for person in range(3):
            winner = row["winner"] if person and number else "second"
            vote = {"question": row["question"], "aspect": "overall", "shown": "them too لنا"}
            vote |= {"choice": "tie" if winner == "tie" else "answer", "best": names.get(winner, "")}
            votes.append(vote | {"respondent": person})
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(vote, ensure_ascii=False) + "\n" for vote in votes), encoding="utf-8")
    posts = server.posts
    said = polysee(f"لنا={ours}", f"them too={theirs}", *service(server, "--language", "ar"), "--human", path)
    assert server.posts == posts
    [row] = [one for one in read(tmp_path / "out" / "judge.json")["people"]["rows"] if one["language"] == "ar"]
    wrong = rows[0]["winner"] != "second"
    assert row["same"] == pytest.approx((PICTURES - wrong) / PICTURES, abs=1e-6)
    assert row["low"] < row["same"] <= row["high"]
    assert "as people" in said
    assert "none of the models" in polysee(ours, theirs, *service(server), "--human", path, code=2)
    assert "does not compare two" in polysee(ours, *service(server), "--human", path, code=2)
    strange = {"question": "سؤال", "aspect": "overall", "shown": "them too لنا", "choice": "tie", "best": ""}
    path.write_text(json.dumps(strange, ensure_ascii=False) + "\n", encoding="utf-8")
    posts = server.posts
    models = (f"لنا={ours}", f"them too={theirs}", *service(server, "--language", "ar"))
    said = polysee(*models, "--human", path, code=2)
    assert "questions to judge is among the 1 that people voted on, such as 'سؤال'" in said
    assert server.posts == posts


def test_mistakes(polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ours = folders[0]
    config = tmp_path / "judge.yaml"
    assert "who judges is not said" in polysee(ours, code=2)
    assert "add --model" in polysee(ours, "--chat", server.url, code=2)
    assert "two of the models are called" in polysee(ours, ours, *service(server), code=2)
    assert "no such folder" in polysee(tmp_path / "nowhere", *service(server), code=2)
    assert "compares answers" in polysee(ours, *service(server, "--mode", "pair"), code=2)
    assert "no free answer here is within" in polysee(ours, *service(server, "--language", "fr"), code=2)
    config.write_text("services: []\njudge: {modee: pair}\n")
    assert "judge.yaml:2:9: judge.modee" in polysee(ours, "--config", config, code=2)
    config.write_text("services:\n- {kind: chat, name: a, base_url: 'http://x/v1', model: m, api_key_env: NO_KEY}\n")
    assert "NO_KEY is not set" in polysee(ours, "--config", config, "--k", "1", code=2)
    assert "no service for chat is called 'b'" in polysee(ours, "--config", config, "--chat", "b", code=2)
    config.write_text("judge: {api_key: sk-abcdefghijklmnopqrstuvwx1234}\n")
    wrong = polysee(ours, "--config", config, code=2)
    assert "abcdefgh" not in wrong
    assert server.posts == 0


def test_the_file_in_the_documentation(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "judge.md").read_text(encoding="utf-8")
    block = next(text for text in page.split("```text\n")[1:] if text.startswith("services:")).split("```")[0]
    shown = block.replace("http://127.0.0.1:8000/v1", server.url).replace("Qwen/Qwen3-32B", "tiny")
    config = tmp_path / "judge.yaml"
    config.write_text(shown, encoding="utf-8")
    polysee(folders[0], "--config", config, "--limit", "1", "--k", "1")
    found = read(tmp_path / "out" / "judge.json")
    assert [row["language"] for row in found["trust"]] == ["am", "ar", "hi", "th", "zh", "all"]
    assert found["spent"]["requests"] == server.posts == 5


def test_answers_without_their_questions(
    polysee: Call, server: Server, folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    import shutil

    away = shutil.copytree(folders[0], tmp_path / "far" / "away" / "ours")
    assert "nothing here holds the question" in polysee(away, *service(server), code=2)
    polysee(away, *service(server, "--language", "am", "--k", "1"), "--data", folders[0].parents[1])
    assert server.posts == PICTURES
