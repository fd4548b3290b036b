"""Builds src/polysee/survey/data/countries.json from the Unicode CLDR (Debian: unicode-cldr-core).

    python scripts/build_countries.py [/usr/share/unicode/cldr/common]

What countries and territories are called in each language that the survey's pages are written in. The data are
© Unicode, Inc., under the Unicode licence (Unicode-DFS-2016).
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

SURVEY = Path(__file__).parents[1] / "src" / "polysee" / "survey"
NO_COUNTRIES = {"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"}


def names(common: Path, locale: str) -> dict[str, str]:
    """Country code -> name in one language."""
    path = common / "main" / f"{locale.replace('-', '_')}.xml"
    nodes = ET.parse(path).iterfind("localeDisplayNames/territories/territory")
    found = {node.get("type", ""): node.text or "" for node in nodes if node.get("alt") is None}
    return {code: text for code, text in sorted(found.items()) if len(code) == 2 and code not in NO_COUNTRIES}


def main() -> None:
    common = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode/cldr/common")
    locales = sorted(path.stem for path in (SURVEY / "data" / "texts").glob("*.json"))
    table = {locale: names(common, locale) for locale in locales}
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (SURVEY / "data" / "countries.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
