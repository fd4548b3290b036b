from __future__ import annotations

from polysee.survey.limits import MOST_VISITORS, Limit, Limiter


def test_a_bucket_empties_and_fills_up() -> None:
    now = [0.0]
    limiter = Limiter(Limit(burst=3, rate=2), lambda: now[0])
    assert [limiter.allows("أ") for _ in range(4)] == [True, True, True, False]
    assert limiter.exhausted("أ")
    assert limiter.allows("ב")
    now[0] = 0.5
    assert not limiter.exhausted("أ")
    assert [limiter.allows("أ") for _ in range(2)] == [True, False]
    now[0] = 100
    assert [limiter.allows("أ") for _ in range(4)] == [True, True, True, False]


def test_memory_is_bounded() -> None:
    limiter = Limiter(Limit(1, 0.0), lambda: 0.0)
    assert limiter.allows("first")
    for number in range(MOST_VISITORS):
        limiter.allows(str(number))
    assert limiter.allows("first")
