from __future__ import annotations

from pathlib import Path

import pytest

from polysee.evaluation.lmms.command import Benchmark, command, is_benchmark, parse_benchmark
from polysee.schema.errors import UserError


def test_names() -> None:
    assert is_benchmark("lmms:mtvqa")
    assert not is_benchmark("microworld")
    assert parse_benchmark("lmms:mtvqa") == Benchmark("mtvqa")
    assert parse_benchmark("lmms:xlrs_pt@pt-br") == Benchmark("xlrs_pt", "pt-BR")


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert parse_benchmark(f"lmms:{tmp_path}/toy@am") == Benchmark("toy", "am", tmp_path.resolve())
    with pytest.raises(UserError, match="there is no folder"):
        parse_benchmark(f"lmms:{tmp_path}/absent/toy")


@pytest.mark.parametrize("name", ["lmms:", "lmms:mme,pope", "lmms:mm*", "lmms:@ar", "lmms:folder/"])
def test_what_names_no_benchmark(name: str) -> None:
    with pytest.raises(UserError, match="names no benchmark"):
        parse_benchmark(name)


def test_what_is_no_language() -> None:
    with pytest.raises(UserError, match="no language has the tag 'arabic'"):
        parse_benchmark("lmms:mtvqa@arabic")


def test_command_has_no_path_that_lmms_eval_would_split() -> None:
    words = command(Path("/env/bin/python"), Benchmark("mme"), limit=None, batch=4, weighed=False)
    assert words[:3] == ["/env/bin/python", "-m", "lmms_eval"]
    assert words[words.index("--model_args") + 1] == "pretrained=checkpoint"
    assert words[words.index("--batch_size") + 1] == "4"
    assert not {"--limit", "--include_path", "--force_simple"} & set(words)


def test_command_of_a_weighed_task_of_ones_own() -> None:
    words = command(Path("python"), Benchmark("toy", "ar", Path("/a=b,c")), limit=8, batch=1, weighed=True)
    assert words[words.index("--include_path") + 1] == "/a=b,c"
    assert words[words.index("--limit") + 1] == "8"
    assert words[-1] == "--force_simple"
