"""Builds src/polysee/text/data/languages.json from the Unicode CLDR (Debian: unicode-cldr-core).

    python scripts/build_languages.py [/usr/share/unicode/cldr/common]

The table says which language, script, region and variant subtags exist, what languages are called in English and in
themselves, which script each is most likely written in, and which digits it uses. The data are © Unicode, Inc., under
the Unicode licence (Unicode-DFS-2016).
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "src" / "polysee" / "text" / "data" / "languages.json"


def codes(common: Path, kind: str, statuses: set[str]) -> list[str]:
    """All subtags of a kind with one of these statuses; ``aba~d`` stands for aba, abb, abc, abd."""
    found: list[str] = []
    for node in ET.parse(common / "validity" / f"{kind}.xml").iter("id"):
        if node.get("type") != kind or node.get("idStatus") not in statuses:
            continue
        for word in (node.text or "").split():
            start, _, last = word.partition("~")
            stem = start[:-1]
            found += [stem + chr(c) for c in range(ord(start[-1]), ord(last or start[-1]) + 1)]
    return sorted(found)


def own_names(common: Path, locale: str) -> dict[str, str]:
    """Tag -> name in the words of one locale (only the names without an ``alt``)."""
    path = common / "main" / f"{locale}.xml"
    if not path.exists():
        return {}
    nodes = ET.parse(path).iterfind("localeDisplayNames/languages/language")
    return {
        n.get("type", "").replace("_", "-"): n.text
        for n in nodes
        if n.get("alt") is None and n.text and n.text != "↑↑↑"
    }


def numbering(common: Path) -> dict[str, str]:
    """Locale -> its default numbering system, where the CLDR states one."""
    found: dict[str, str] = {}
    for path in sorted((common / "main").glob("*.xml")):
        for node in ET.parse(path).iterfind("numbers/defaultNumberingSystem"):
            if node.get("alt") is None and node.text and node.text != "↑↑↑":
                found[path.stem.replace("_", "-")] = node.text
    del found["root"]
    return found


def digit_sets(common: Path) -> dict[str, str]:
    """Numbering system -> its ten digits, for the positional ones."""
    tree = ET.parse(common / "supplemental" / "numberingSystems.xml")
    return {
        n.get("id", ""): n.get("digits", "")
        for n in tree.iter("numberingSystem")
        if n.get("type") == "numeric" and len(n.get("digits", "")) == 10
    }


def likely_scripts(common: Path) -> dict[str, str]:
    """``pa`` -> ``Guru``, ``pa-PK`` -> ``Arab``: only entries that start from a language, and tell a script."""
    found: dict[str, str] = {}
    for node in ET.parse(common / "supplemental" / "likelySubtags.xml").iter("likelySubtag"):
        parts = node.get("from", "").split("_")
        if parts[0] != "und" and not any(len(p) == 4 for p in parts):
            found["-".join(parts)] = node.get("to", "").split("_")[1]
    for tag in [t for t in found if "-" in t and found[t] == found.get(t.split("-")[0])]:
        del found[tag]
    return found


def aliases(common: Path) -> dict[str, str]:
    """Retired or overlong codes -> the code that is used instead (``iw`` -> ``he``, ``eng`` -> ``en``)."""
    tree = ET.parse(common / "supplemental" / "supplementalMetadata.xml")
    return {
        n.get("type", ""): n.get("replacement", "").split()[0].replace("_", "-")
        for n in tree.iter("languageAlias")
        if re.fullmatch("[a-z]{2,3}", n.get("type", ""))
    }


def rtl_scripts(common: Path) -> list[str]:
    lines = (common / "properties" / "scriptMetadata.txt").read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in line.split("#")[0].split(";")] for line in lines]
    return sorted({row[0] for row in rows if len(row) > 6 and row[6] == "YES"} | {"Aran"})


def main() -> None:
    common = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode/cldr/common")
    english = own_names(common, "en")
    scripts = codes(common, "script", {"regular", "special"})
    regions = codes(common, "region", {"regular", "special", "macroregion"})
    likely = likely_scripts(common)
    autonyms = {}
    for tag in sorted(english):
        for locale in (tag.replace("-", "_"), tag.split("-")[0]):
            name = own_names(common, locale).get(tag)
            if name:
                autonyms[tag] = name
                break
    for path in sorted((common / "main").glob("*_????.xml")):  # sr_Latn.xml calls Serbian "srpski"
        name = own_names(common, path.stem).get(path.stem.split("_")[0])
        if name:
            autonyms.setdefault(path.stem.replace("_", "-"), name)
    names = ET.parse(common / "main" / "en.xml").getroot()
    table = {
        "source": "Unicode CLDR 41, Copyright 1991-2022 Unicode, Inc., Unicode-DFS-2016",
        "languages": " ".join(codes(common, "language", {"regular", "special", "unknown"})),
        "variants": " ".join(codes(common, "variant", {"regular"})),
        "regions": {r: name_of(names, "territories/territory", r) for r in regions},
        "scripts": {s: name_of(names, "scripts/script", s) for s in scripts},
        "rtl": rtl_scripts(common),
        "names": english,
        "autonyms": autonyms,
        "likely": likely,
        "aliases": aliases(common),
        "numbering": numbering(common),
        "digits": digit_sets(common),
    }
    OUTPUT.write_text(json.dumps(table, ensure_ascii=False, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def name_of(root: ET.Element, path: str, code: str) -> str:
    for node in root.iterfind(f"localeDisplayNames/{path}"):
        if node.get("type") == code and node.get("alt") is None and node.text:
            return node.text
    return code


if __name__ == "__main__":
    main()
