"""A small survey in many scripts, a server that runs it, and a respondent who speaks HTTP."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image

from polysee.survey.build import Choice, build
from polysee.survey.questionnaire import Questionnaire

MODELS = ("alpha", "beta", "gamma")
ADMIN = "an admin token that is long enough"

# id, language, domain, question, reference, answers of the three models
QUESTIONS = (
    ("q-ar", "ar", "signs", "كم عدد اللافتات في الصورة؟", "ثلاث لافتات", ("ثلاث لافتات", "لافتتان", "أرى شارعًا")),
    ("q-he", "he", "food", "מה יש על הצלחת?", "לחם ושני זיתים", ("לחם", "לחם ושני זיתים", "כוס")),
    ("q-hi", "hi", "signs", "बोर्ड पर क्या लिखा है?", "धीरे चलें", ("धीरे चलें", "रुकें", "आगे स्कूल है")),
    ("q-zh", "zh", "food", "桌上有几个苹果？", "四个", ("四个", "４个", "没有苹果")),
    ("q-th", "th", "food", "ในภาพมีผลไม้กี่ผล", "ห้าผล", ("ห้าผล", "สองผล", "ห้าผล")),
    ("q-am", "am", "signs", "ምልክቱ ምን ይላል?", "ቁም", ("ቁም", "ሂድ", "አላውቅም")),
    ("q-same", "ja", "food", "これは何ですか？", "りんご", ("りんご", "りんご。", "りんご")),
)


def png(colour: tuple[int, int, int], size: tuple[int, int] = (320, 200)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def write_answers(folder: Path) -> dict[str, Path]:
    """A JSONL file for each model; the first says what the questions are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, model in enumerate(MODELS):
        lines = []
        for place, (key, language, domain, question, reference, answers) in enumerate(QUESTIONS):
            line: dict[str, object] = {"id": key, "answer": answers[number]}
            if number == 0:
                (folder / f"{key}.png").write_bytes(png((40 * place, 120, 200)))
                line |= {"language": language, "domain": domain, "question": question, "reference": reference}
                line["image"] = f"{key}.png"
            lines.append(json.dumps(line, ensure_ascii=False))
        paths[model] = folder / f"{model}.jsonl"
        paths[model].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def make_survey(folder: Path, **settings: object) -> Questionnaire:
    """A survey in ``folder`` of the six questions that the models answer differently."""
    given = {"languages": ("en", "ar", "he", "hi", "zh"), **settings}
    return build(folder, write_answers(folder.parent / "answers"), given, Choice(count=None)).survey


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(folder: Path, *, admin: str = ADMIN) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """``polysee survey serve`` in a process of its own; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "polysee.cli.main", "survey", "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "POLYSEE_SURVEY_ADMIN": admin}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait(port, process)
        yield port, process
    finally:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError((process.stderr.read() if process.stderr else b"").decode())
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server does not answer")


@dataclass
class Answered:
    status: int
    text: str
    headers: http.client.HTTPMessage

    @property
    def where(self) -> str:
        return self.headers.get("location", "")


@dataclass
class Visitor:
    """A browser without a screen: keeps its cookies and its connection, follows no redirect."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answered:
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()), **(headers or {})}
        if form is not None:
            body = urlencode(form).encode()
            sent = {"Content-Type": "application/x-www-form-urlencoded", **sent}
        self.connection.request("GET" if body is None else "POST", path, body, sent)
        response = self.connection.getresponse()
        data = response.read()
        for cookie in response.headers.get_all("set-cookie", []):
            name, _, value = cookie.split(";")[0].partition("=")
            self.cookies[name] = value
        if response.headers.get("connection", "").lower() == "close":
            self.close()
        return Answered(response.status, data.decode("utf-8", "replace"), response.headers)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def begin(self, token: str, **form: str) -> str:
        """Open the link and agree; where the survey then is."""
        assert self.ask(f"/t/{token}").status == 303
        given = {"language": "en", "country": "EG", "agree": "1", "dialect": "صعيدي"}
        given |= {f"reads-{question[1]}": "1" for question in QUESTIONS}
        assert self.ask("/welcome", {**given, **form}).status == 303
        return self.ask("/").where


def choices_of(page: str) -> list[str]:
    """Texts of the answer cards, in their order."""
    return re.findall(r'<span class="text"[^>]*>([^<]*)</span>', page)
