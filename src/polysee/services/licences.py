"""Which licences allow commercial use, and under which one well-known models and their output stand."""

from __future__ import annotations

import re

UNKNOWN = "unknown"

KNOWN = {
    r"facebook/nllb-.*": "CC-BY-NC-4.0",
    r"facebook/(seamless|hf-seamless)-.*": "CC-BY-NC-4.0",
    r"unbabel/wmt22-cometkiwi-da": "CC-BY-NC-SA-4.0",
    r"unbabel/wmt23-cometkiwi-da-.*": "CC-BY-NC-SA-4.0",
    r"unbabel/xcomet-.*": "CC-BY-NC-SA-4.0",
    r"unbabel/wmt22-comet-da": "Apache-2.0",
    r"unbabel/tower.*": "CC-BY-NC-4.0",
    r"utter-project/towervision-.*": "CC-BY-NC-SA-4.0",
    r"coherelabs/aya-.*|cohereforai/aya-.*": "CC-BY-NC-4.0",
    r"jinaai/jina-embeddings-v[34].*": "CC-BY-NC-4.0",
    r"haoranxu/x?-?alma-.*": "MIT",
    r"google/madlad400-.*": "Apache-2.0",
    r"helsinki-nlp/opus-mt-.*": "Apache-2.0",
    r"facebook/m2m100_.*": "MIT",
    r"facebook/mbart-large-50.*": "MIT",
    r"sentence-transformers/labse": "Apache-2.0",
    r"sentence-transformers/paraphrase-.*": "Apache-2.0",
    r"baai/bge-m3": "MIT",
    r"intfloat/multilingual-e5-.*": "MIT",
    r"qwen/qwen3(-vl)?-.*": "Apache-2.0",
}
"""Pattern of a Hub id in lower case -> SPDX identifier, as its model card says it."""


def licence_of(model: str) -> str:
    """The licence of a model that is known by its Hub id, else `UNKNOWN`. Case does not matter."""
    return next((licence for pattern, licence in KNOWN.items() if re.fullmatch(pattern, model.lower())), UNKNOWN)
