from __future__ import annotations

import pytest

from polysee.text.languages import is_known
from polysee.text.translation_codes import (
    M3IT_MISPRINTS,
    codes,
    from_apertium,
    from_flores,
    m3it_languages,
    m3it_printed,
    towervision_languages,
)

# M3IT, Table 9, in the order in which it is printed.
TABLE_9 = """
af am ar as ast be bg bn bs ca ceb cs cy da de el es et fi fr fuv gl gu ha he hi hr hu hy id ig is it ja jv ka kk km kn
ko ky lb lg lij li ln lo lt lv mi mk ml mr mt my nl ny oc pa pl pt ro ru sd sk sn so sr sv ta te tg th tl tr uk ur vi
wo zh
""".split()  # noqa: SIM905


def test_m3its_80_languages_have_nllb_codes() -> None:
    printed = m3it_printed()
    assert len(TABLE_9) == 80
    assert sorted(code for code, _ in printed.values()) == sorted(TABLE_9)
    assert all(is_known(tag) for tag in printed)
    for tag, (_, flores) in printed.items():
        assert codes(tag, "nllb") == (M3IT_MISPRINTS.get(flores, flores),)
        assert from_flores(flores) == tag
    assert m3it_languages()["fil"] == "tgl_Latn"


def test_two_of_m3its_codes_are_none_of_nllbs() -> None:
    wrong = [flores for _, flores in m3it_printed().values() if codes(from_flores(flores) or "", "nllb") != (flores,)]
    assert sorted(wrong) == sorted(M3IT_MISPRINTS) == ["hye_Armen", "lao_Lao"]
    assert (from_flores("hye_Armen"), from_flores("lao_Lao")) == ("hy", "lo")


def test_every_nllb_code_is_one_of_the_models() -> None:
    nllb = pytest.importorskip("transformers.models.nllb.tokenization_nllb")
    ours = {code for tag in _tags() for code in codes(tag, "nllb")}
    # twi_Latn is left out: BCP-47 has one tag, ak, for both.
    assert ours == set(nllb.FAIRSEQ_LANGUAGE_CODES) - {"twi_Latn"}


def test_all_tags_are_known_and_codes_lead_back() -> None:
    for tag in _tags():
        assert is_known(tag)
        for code in codes(tag, "nllb"):
            back = from_flores(code)
            assert back is not None
            assert codes(back, "nllb") == (code,)


def test_towervisions_20_with_their_varieties() -> None:
    assert len(towervision_languages()) == 20
    missing = {
        system: [tag for tag in towervision_languages() if not codes(tag, system)] for system in ("nllb", "madlad")
    }
    assert missing == {"nllb": ["pt-PT"], "madlad": ["es-419", "nn", "pt-BR", "pt-PT", "zh-Hant"]}
    assert codes("zh-Hans", "nllb") == codes("zh", "nllb") == ("zho_Hans",)
    assert (codes("nb", "nllb"), codes("nn", "nllb")) == (("nob_Latn",), ("nno_Latn",))


def test_a_variety_can_be_read_where_it_cannot_be_written() -> None:
    assert codes("pt-PT", "nllb", "source") == ("por_Latn",)
    assert codes("en-US", "nllb", "source") == ("eng_Latn",)
    assert codes("zh-TW", "nllb", "source") == ("zho_Hant",)
    assert codes("zh-Hant", "madlad", "source") == ()  # another script is not a variety
    assert codes("sr-Latn", "nllb", "source") == ()
    assert codes("xx", "nllb", "source") == ()


def test_madlads_hebrew_may_have_its_old_name() -> None:
    assert codes("he", "madlad") == ("he", "iw")
    assert codes("nb", "madlad") == ("no",)
    assert codes("fil", "madlad") == ("fil",)


@pytest.mark.parametrize(
    ("code", "tag"),
    [("eng", "en"), ("en", "en"), ("cat_valencia", "ca-valencia"), ("pt_BR", "pt-BR"), ("nno", "nn"),
     ("oc_aran", None), ("cat_iec2017", None)],
)  # fmt: skip
def test_apertiums_names(code: str, tag: str | None) -> None:
    assert from_apertium(code) == tag


def _tags() -> list[str]:
    from polysee.text import translation_codes

    return list(translation_codes._table())
