"""Adapters of public annotation formats. ``ADAPTERS``: the name in a recipe's ``use`` -> where its class is."""

from __future__ import annotations

_PLACES = {
    "captions": "coco-captions CocoCaptions, karpathy-captions KarpathyCaptions, textcaps TextCaps, "
    "image-paragraphs ImageParagraphs, caption-lines CaptionLines, coco-itm CocoItm",
    "questions": "vqa-v2 VqaV2, gqa Gqa, a-okvqa AOkVqa, tallyqa TallyQa, fm-iqa FmIqa, vsr Vsr",
    "documents": "docvqa DocVqa, infographicvqa InfographicVqa, textvqa TextVqa, st-vqa StVqa, ocr-vqa OcrVqa, "
    "visualmrc VisualMrc, dvqa Dvqa, chartqa ChartQa, plotqa PlotQa, tabmwp TabMwp, pixmo-docs PixMoDocs",
    "knowledge": "scienceqa ScienceQa, viquae Viquae, ai2d Ai2d, iconqa IconQa",
    "reasoning": "clevr Clevr, shapes-vqa Shapes, nlvr Nlvr, nlvr2 Nlvr2, vcr Vcr, winoground Winoground",
    "classification": "class-folders ClassFolders, image-list ImageList, coco-instances CocoInstances, "
    "coco-text CocoText, snli-ve SnliVe, mocheg Mocheg, image-quality ImageQuality",
    "generation": "vist Vist, visdial VisDial, mmchat MmChat, multi30k Multi30k",
    "video": "msr-vtt MsrVtt, video-qa VideoQa, activitynet-qa ActivityNetQa, ivqa Ivqa, "
    "something-something SomethingSomething",
    "conversations": "conversations Conversations, pixmo PixMo, rlaif-v RlaifV, m3it-translated TranslatedM3it",
}
ADAPTERS: dict[str, str] = {
    name: f"polysee.sources.families.{module}:{kind}"
    for module, pairs in _PLACES.items()
    for name, kind in (pair.split() for pair in pairs.split(", "))
}
