"""Every adapter on a small file in the very format that its dataset is published in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polysee.schema.sample import Turn
from polysee.sources.base import Reject, SourceRecord
from polysee.sources.families import ADAPTERS

DATA = Path(__file__).parents[1] / "data"
Read = Callable[..., list[SourceRecord | Reject]]


def one(found: list[SourceRecord | Reject]) -> SourceRecord:
    (record,) = found
    assert isinstance(record, SourceRecord), record
    return record


def good(found: list[SourceRecord | Reject]) -> list[SourceRecord]:
    return [record for record in found if isinstance(record, SourceRecord)]


def reasons(found: list[SourceRecord | Reject]) -> list[str]:
    return [record.reason for record in found if isinstance(record, Reject)]


def said(record: SourceRecord) -> tuple[str, str]:
    (turn,) = record.turns
    return turn.input, turn.output


COCO = ("COCO_val2014_000000000042.jpg", "COCO_val2014_000000000073.jpg")


def test_coco_captions(read: Read) -> None:
    found = read("coco-captions", "captions/captions_val2014.json", COCO)
    assert [(r.key, said(r)) for r in good(found)] == [
        ("641613", ("", "A pair of shoes with a dog.")),
        ("593422", ("", "A motorcycle on a lawn.")),
        ("645936", ("", "A small dog asleep.")),
    ]
    assert reasons(found) == ["missing-image", "empty-field"]
    assert {(r.task, r.language, r.licence, r.split) for r in good(found)} == {("caption", "en", "", "train")}
    images = read("coco-captions", "captions/captions_val2014.json", COCO, per="image")
    assert sorted(good(images)[0].references) == ["A pair of shoes with a dog.", "A small dog asleep."]
    assert [r.key for r in good(images)] == ["42"]


def test_karpathy_captions(read: Read) -> None:
    media = ("val2014/COCO_val2014_000000391895.jpg", "val2014/COCO_val2014_000000522418.jpg")
    found = read("karpathy-captions", "captions/dataset_coco.json", media, file_split="test")
    assert [(r.key, said(r)[1]) for r in good(found)] == [("0#0", "A man on a moped."), ("0#1", "Man riding a bike.")]
    spare = one(read("karpathy-captions", "captions/dataset_coco.json", media, file_split="train", per="image"))
    assert spare.key == "1"


def test_textcaps_and_paragraphs(read: Read) -> None:
    caption = one(read("textcaps", "captions/TextCaps_0.1_train.json", ["0000599864fd15b3.jpg"]))
    assert (caption.key, said(caption)) == ("0", ("", "A sign says STOP."))
    media = ["2356347.jpg", "2317429.jpg"]
    assert len(good(read("image-paragraphs", "captions/paragraphs_v1.json", media))) == 2
    some = one(read("image-paragraphs", "captions/paragraphs_v1.json", media, ids="captions/train_split.json"))
    assert said(some) == ("", "A white round plate.")


def test_chinese_caption_lines(read: Read) -> None:
    media = ["2428275562_4bde2bc5ea.jpg"]
    found = read("caption-lines", "captions/flickr8kzhc.caption.txt", media, split="evaluation")
    assert [said(r)[1] for r in good(found)] == ["一个孩子在爬山。", "小女孩爬山"]
    assert reasons(found) == ["bad-line"]
    coco = {"dataset": "coco-cn", "split": "evaluation"}
    record = one(read("caption-lines", "captions/imageid.human-written-caption.txt", COCO, **coco))
    assert (record.language, said(record)[1], len(record.media)) == ("zh", "鞋架上的一只小狗", 1)


def test_coco_itm(read: Read) -> None:
    found = good(read("coco-itm", "captions/captions_val2014.json", COCO))
    assert {r.options for r in found} == {("yes", "no")}
    own = {
        "641613": "A pair of shoes with a dog.",
        "593422": "A motorcycle on a lawn.",
        "645936": "A small dog asleep.",
    }
    for record in found:
        shown, answer = said(record)
        assert (shown == own[record.key]) == (answer == "yes")


def test_vqa_v2(read: Read) -> None:
    questions = "questions/v2_OpenEnded_mscoco_val2014_questions.json"
    media = ["val2014/COCO_val2014_000000262148.jpg", "val2014/COCO_val2014_000000393225.jpg"]
    found = read("vqa-v2", "questions/v2_mscoco_val2014_annotations.json", media, questions=questions)
    first, second = good(found)
    assert (first.key, said(first)) == ("262148000", ("Where is he looking?", "down"))
    assert sorted(first.references) == ["at table", *["down"] * 7, "skateboard", "table"]
    assert said(second) == ("What are the people doing?", "watching")
    assert reasons(found) == ["missing-answer"]
    other = read("vqa-v2", "questions/v2_mscoco_val2014_annotations.json", media, questions=questions, dataset="ok-vqa")
    assert good(other)[0].task == "knowledge-vqa"


def test_gqa(read: Read) -> None:
    short = one(read("gqa", "questions/val_balanced_questions.json", ["2382986.jpg"]))
    assert (short.key, said(short)) == ("05451384", ("Are there any fences made of wood?", "yes"))
    full = one(read("gqa", "questions/val_balanced_questions.json", ["2382986.jpg"], answers="full"))
    assert said(full)[1] == "Yes, there is a fence that is made of wood."


def test_a_okvqa(read: Read) -> None:
    record = one(read("a-okvqa", "questions/aokvqa_v1p0_val.json", ["val2017/000000461751.jpg"]))
    assert said(record) == ("What is in the motorcyclist's mouth?", "cigarette")
    assert record.options == ("toothpick", "food", "popsicle stick", "cigarette")
    assert sorted(record.references) == ["a cigarette", "cigarette", "cigarette"]


def test_tallyqa(read: Read) -> None:
    record = one(read("tallyqa", "questions/tallyqa_test.json", ["VG_100K_2/2410408.jpg"]))
    assert said(record) == ("How many people have on ties?", "3")


def test_fm_iqa(read: Read) -> None:
    media = ["val2014/COCO_val2014_000000000042.jpg"]
    record = one(read("fm-iqa", "questions/FM-IQA.json", media, file_split="val", split="evaluation"))
    assert (record.language, said(record)) == ("zh", ("图中有几只猫？", "两只。"))


def test_vsr(read: Read) -> None:
    found = read("vsr", "questions/vsr_dev.jsonl", ["000000085637.jpg"])
    assert [said(r)[1] for r in good(found)] == ["true", "false"]
    assert reasons(found) == ["bad-option"]


def test_documents(read: Read) -> None:
    record = one(read("docvqa", "documents/val_v1.0.json", ["documents/pybv0228_81.png"]))
    assert said(record)[1] == "0.28"
    assert sorted(record.references) == [".28", "0.28"]
    record = one(read("infographicvqa", "documents/infographicsVQA_val_v1.0.json", ["37313.jpeg"]))
    assert (record.key, said(record)[1]) == ("98313", "pinterest")
    record = one(read("textvqa", "documents/TextVQA_0.5.1_val.json", ["003a8ae2ef43b901.jpg"]))
    assert said(record)[1] == "dakota"
    assert len(record.references) == 10
    record = one(read("st-vqa", "documents/train_task_3.json", ["coco-text/COCO_train2014_000000460253.jpg"]))
    assert said(record)[1] == "Cyber"
    assert not read("docvqa", "documents/val_v1.0.json", ["documents/pybv0228_81.png"], file_split="train")


def test_ocr_vqa(read: Read) -> None:
    found = read("ocr-vqa", "documents/dataset.json", ["761183272.jpg", "1449458289.gif"])
    assert [(r.key, said(r)[1]) for r in good(found)] == [("761183272#0", "Sandra Boynton"), ("761183272#1", "Yes")]
    assert reasons(found) == ["wrong-type"]


def test_visualmrc(read: Read) -> None:
    found = read("visualmrc", "documents/visualmrc_dev.jsonl", ["data/images/00004.png"])
    assert said(good(found)[0]) == ("What is the page about?", "It is about tea.")
    assert reasons(found) == ["empty-field"]


def test_charts_and_tables(read: Read) -> None:
    assert said(one(read("dvqa", "documents/dvqa_train_qa.json", ["bar_train_00000001.png"])))[1] == "two"
    assert said(one(read("chartqa", "documents/chartqa_train_human.json", ["two_col_103562.png"])))[1] == "15.7"
    plots = good(read("plotqa", "documents/qa_pairs_V2.json", ["10.png", "11.png"]))
    assert [(r.key, said(r)[1]) for r in plots] == [("record-1", "4"), ("record-2", "Yes")]
    chosen, free = good(read("tabmwp", "documents/problems_dev1k.json", ["36008.png", "36009.png"]))
    assert (chosen.options, said(chosen)[1]) == (("Mr. Tan", "Ms. Díaz"), "Ms. Díaz")
    assert (free.options, said(free)) == ((), ("How much? (Unit: $)", "1,250"))


def test_scienceqa(read: Read) -> None:
    found = read("scienceqa", "knowledge/problems.json", ["train/1/image.png"])
    seen, unseen = good(found)
    assert (said(seen)[1], len(seen.media), "subject:social science" in seen.tags) == ("West Virginia", 1, True)
    assert (said(unseen), unseen.media) == (("Read this.\nWhich word fits?", "c"), ())
    assert reasons(found) == ["bad-option"]
    assert one(read("scienceqa", "knowledge/problems.json", file_split="test")).key == "2"


def test_viquae(read: Read) -> None:
    media, split = ["512px-Jackie_Wilson.png"], {"split": "evaluation"}
    record = one(read("viquae", "knowledge/viquae_test.jsonl", media, **split))
    assert said(record)[1] == "Levi's"
    assert "リーバイス" in record.references
    few = one(read("viquae", "knowledge/viquae_test.jsonl", media, aliases=2, **split))
    assert sorted(few.references) == ["Levi Strauss & Co.", "Levi's"]


def test_ai2d(read: Read) -> None:
    media = ["images/0.png", "abc_images/0.png"]
    found = read("ai2d", "knowledge/ai2d_questions", media)
    lettered, plain = good(found)
    assert (said(lettered), lettered.options) == (("What does B label?", "root"), ("leaf", "root"))
    assert [one.media[0].place for one in (lettered, plain)] == ["abc_images/0.png", "images/0.png"]
    assert reasons(found) == ["bad-option"]
    # Letters that the picture does not show cannot be asked for.
    without = read("ai2d", "knowledge/ai2d_questions", ["elsewhere.png"], image_name="elsewhere.png")
    assert len(good(without)) == 2


def test_ai2d_without_lettered_pictures(read: Read) -> None:
    found = read("ai2d", "knowledge/ai2d_questions", ["0.png"])
    assert [said(one)[0] for one in good(found)] == ["Is it a plant?"]
    assert reasons(found) == ["missing-image", "bad-option"]


def test_iconqa(read: Read) -> None:
    media = [f"{n}/image.png" for n in ("choose_txt/11", "choose_img/12", "fill_in_blank/13")]
    media += ["choose_img/12/choice_0.png", "choose_img/12/choice_1.png"]
    found = {r.key: r for r in good(read("iconqa", "knowledge/iconqa", media))}
    assert said(found["choose_txt/11"]) == ("What is the shape?", "square")
    assert said(found["fill_in_blank/13"]) == ("How many dots?", "7")
    pictures = found["choose_img/12"]
    assert (len(pictures.media), pictures.options, said(pictures)[1]) == (3, ("1", "2"), "1")
    # The first mark stands before all text, so only the choices keep theirs.
    assert said(pictures)[0].count("<image>") == 3


def test_clevr(read: Read) -> None:
    record = one(read("clevr", "reasoning/CLEVR_val_questions.json", ["val/CLEVR_val_000000.png"]))
    assert (record.key, said(record)[1]) == ("0", "no")


@pytest.mark.parametrize("shape", [(3, 30, 30, 3), (3, 2700)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_shapes(read: Read, tmp_path: Path, shape: tuple[int, ...], kind: Any) -> None:
    pixels = np.zeros(shape, kind)
    pixels.reshape(3, -1)[1] = 255 if kind is np.uint8 else 1.0
    np.save(tmp_path / "train.input.npy", pixels)
    files = {"outputs": "reasoning/train.tiny.output", "arrays": str(tmp_path / "train.input.npy")}
    found = read("shapes-vqa", "reasoning/train.tiny.query_str.txt", **files)
    assert [said(r) for r in good(found)] == [
        ("is a red shape blue", "false"),
        ("is a square left of a circle", "true"),
    ]
    assert reasons(found) == ["missing-answer"]
    import io

    from PIL import Image

    white = Image.open(io.BytesIO(good(found)[1].media[0].data))
    assert (white.size, white.getpixel((0, 0))) == ((30, 30), (255, 255, 255))


def test_nlvr(read: Read) -> None:
    media = [f"67/train-3128-0-{n}.png" for n in range(6)]
    record = one(read("nlvr", "reasoning/nlvr_train.json", media))
    assert (said(record)[1], record.options) == ("true", ("true", "false"))
    six = good(read("nlvr", "reasoning/nlvr_train.json", media, permutations=6))
    assert [r.key for r in six] == [f"3128-0-{n}" for n in range(6)]
    assert len({r.media[0].data for r in six}) == 6


def test_nlvr2(read: Read) -> None:
    media = ["57/train-10171-0-img0.png", "57/train-10171-0-img1.png"]
    found = read("nlvr2", "reasoning/nlvr2_train.json", media)
    (record,) = good(found)
    assert [blob.place for blob in record.media] == media
    assert said(record)[1] == "false"
    assert reasons(found) == ["bad-option"]


def test_nlvr2_without_folders(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "dev.json"
    path.write_text('{"sentence": "Two dogs.", "label": "True", "identifier": "dev-850-0-0"}')
    record = one(read("nlvr2", str(path), ["dev-850-0-img0.png", "dev-850-0-img1.png"]))
    assert (said(record), len(record.media)) == (("Two dogs.", "true"), 2)


def test_vcr(read: Read, tmp_path: Path) -> None:
    (tmp_path / "media" / "lsmdc").mkdir(parents=True)
    shutil.copy(DATA / "reasoning" / "a@0.json", tmp_path / "media" / "lsmdc")
    media = ["lsmdc/a@0.jpg"]
    record = one(read("vcr", "reasoning/vcr_val.jsonl", media))
    assert record.options == (
        "person1 is sad.",
        "person1 and bottle3 are here.",
        "He doesn't know.",
        "person2's angry.",
    )
    assert said(record) == (
        "How is person1 feeling?\nperson1: [25, 100, 250, 1000]\nperson2: [500, 0, 1000, 500]\n"
        "bottle3: [0, 0, 100, 250]",
        "person1 and bottle3 are here.",
    )
    why = one(read("vcr", "reasoning/vcr_val.jsonl", media, ask="rationale", boxes=False))
    assert said(why) == ("How is person1 feeling?\nperson1 and bottle3 are here.", "bottle3 shines.")
    (tmp_path / "media" / "lsmdc" / "a@0.json").write_text('{"boxes": []}')
    assert reasons(read("vcr", "reasoning/vcr_val.jsonl", media)) == ["bad-metadata"]


def test_winoground(read: Read) -> None:
    media, split = ["ex_0_img_0.png", "ex_0_img_1.png"], {"split": "evaluation"}
    zero, first = good(read("winoground", "reasoning/winoground_examples.jsonl", media, **split))
    assert (said(zero)[1], said(first)[1]) == zero.options
    assert [len(r.media) for r in (zero, first)] == [1, 1]
    images = good(read("winoground", "reasoning/winoground_examples.jsonl", media, pick="image", **split))
    assert [(said(r)[1], len(r.media)) for r in images] == [("1", 2), ("2", 2)]
    assert images[0].key == "0#0"


def test_imagenet(read: Read) -> None:
    media = ["n01440764/a.JPEG", "n02121808/b.JPEG", "n99999999/c.JPEG"]
    found = read("class-folders", "classification/LOC_synset_mapping.txt", media, choices=3)
    assert [said(r)[1] for r in good(found)] == ["tench", "cat"]
    assert all(len(r.options) == 3 and said(r)[1] in r.options for r in good(found))
    assert sorted(good(found)[0].references) == ["Tinca tinca", "tench"]
    assert reasons(found) == ["unknown-class"]
    keras = read("class-folders", "classification/imagenet_class_index.json", media)
    assert good(keras)[0].options == ("tench", "goldfish", "dog house")


def test_chinese_food(read: Read) -> None:
    media = ["000/000000.jpg", "001/000003.jpg", "002/1.jpg"]
    more = {"names": "classification/food_names.txt", "split": "evaluation", "choices": 2}
    found = read("image-list", "classification/val_list.txt", media, **more)
    assert [said(r)[1] for r in good(found)] == ["白切鸡", "宫保鸡丁"]
    assert all(len(r.options) == 2 for r in good(found))
    assert reasons(found) == ["bad-line", "unknown-class"]


def test_coco_objects(read: Read) -> None:
    found = read("coco-instances", "classification/instances_val2017.json", ["000000289343.jpg"], choices=3)
    (record,) = good(found)
    assert said(record) == ("", "dog")
    assert record.media[0].box == pytest.approx((473.07, 395.93, 511.72, 424.60))
    assert (len(record.options), "dog" in record.options) == (3, True)
    assert reasons(found) == ["bad-box"]


def test_coco_text(read: Read) -> None:
    media = ["COCO_train2014_000000217925.jpg", "COCO_train2014_000000000042.jpg"]
    found = good(read("coco-text", "classification/COCO_Text.json", media, file_split="train"))
    assert [said(r)[1] for r in found] == ["machine printed", "handwritten"]
    assert found[1].media[0].box == (4.0, 2.0, 6.0, 11.0)
    words = one(read("coco-text", "classification/COCO_Text.json", media, file_split="train", ask="text"))
    assert (said(words)[1], words.options) == ("New", ())


def test_snli_ve(read: Read) -> None:
    record = one(read("snli-ve", "classification/snli_ve_dev.jsonl", ["2407214681.jpg"]))
    assert said(record) == ("Nobody is outside.", "contradiction")
    found = read("snli-ve", "classification/esnlive_dev.csv", ["4705552913.jpg"])
    (record,) = good(found)
    assert said(record) == ("The sisters hug", "neutral")
    assert "explanation:Two women are not always sisters, of course." in record.tags
    assert reasons(found) == ["bad-option"]


def test_mocheg(read: Read) -> None:
    more = {"images_of_claims": "classification/img_evidence_qrels.csv"}
    record = one(read("mocheg", "classification/Corpus2.csv", ["9484-9484-proof-00-cat.jpg"], **more))
    assert said(record) == (
        "A cat became mayor.\nThe town of Talkeetna chose a cat.\nStubbs was his name.",
        "supported",
    )
    assert len(record.media) == 1


def test_image_quality(read: Read) -> None:
    media = [f"KonIQ-10k/{n}.jpg" for n in (1, 2, 3)]
    found = read("image-quality", "classification/KonIQ-10k.txt", media)
    assert [said(r)[1] for r in good(found)] == ["bad", "good", "excellent"]
    assert reasons(found) == ["wrong-type"]
    turned = read("image-quality", "classification/KonIQ-10k.txt", media, worst=101.0, best=1.0)
    assert [said(r)[1] for r in good(turned)] == ["excellent", "poor", "bad"]


def test_vist(read: Read) -> None:
    record = one(read("vist", "generation/val.story-in-sequence.json", ["1741642.jpg", "1741680.png"]))
    assert (record.key, said(record)) == ("30355", ("", "We went to the beach. Then we ate!"))
    assert [blob.place for blob in record.media] == ["1741642.jpg", "1741680.png"]


def test_visdial(read: Read) -> None:
    found = read("visdial", "generation/visdial_1.0_test.json", ["VisualDialog_test2018_000000185565.jpg"])
    (record,) = good(found)
    assert record.turns == (Turn("An elephant.\nis it sunny", "yes it is"), Turn("how many", "2"))
    assert reasons(found) == ["bad-id"]


def test_mmchat(read: Read) -> None:
    files = {"image_urls": "generation/img_url_test.jsonl", "posts": "generation/weibo_test.jsonl"}
    media = ["006a.jpg", "006b.jpg", "007.jpg"]
    first, second = good(read("mmchat", "generation/dialog_test.jsonl", media, split="evaluation", **files))
    assert (first.turns, len(first.media)) == ((Turn("出去走走\n今天 天气真好", "是啊"),), 2)
    assert (second.turns, len(second.media)) == ((Turn("新裙子\n好看", "谢谢"),), 1)


def test_multi30k(read: Read) -> None:
    files = {"target": "generation/val.de", "names": "generation/val.txt", "language": "de"}
    first, second = good(read("multi30k", "generation/val.en", ["1018148011.jpg", "1029450589.jpg"], **files))
    assert (first.language, said(first)) == ("de", ("Two young men outside.", "Zwei junge Männer im Freien."))
    assert second.key == "2:de"


def test_msr_vtt(read: Read) -> None:
    more = {"split": "evaluation", "file_split": "train"}
    found = good(read("msr-vtt", "video/train_val_videodatainfo.json", ["video0.mp4"], **more))
    assert [(r.key, said(r)[1], r.media[0].kind) for r in found] == [
        ("0", "a car is shown", "video"),
        ("1", "a black car", "video"),
    ]
    whole = one(read("msr-vtt", "video/train_val_videodatainfo.json", ["video0.mp4"], per="video", **more))
    assert sorted(whole.references) == ["a black car", "a car is shown"]


def test_video_qa(read: Read) -> None:
    split = {"split": "evaluation"}
    media, mapping = ["mv89psg6zh4_33_46.avi"], "video/youtube_mapping.txt"
    record = one(read("video-qa", "video/val_qa.json", media, mapping=mapping, **split))
    assert (said(record)[1], record.media[0].place) == ("someone", media[0])
    plain = one(read("video-qa", "video/val_qa.json", ["video1301.mp4"], dataset="msrvtt-qa", **split))
    assert (plain.task, plain.media[0].kind) == ("video-qa", "video")


def test_activitynet_qa(read: Read) -> None:
    more = {"questions": "video/val_q.json", "split": "evaluation"}
    found = read("activitynet-qa", "video/val_a.json", ["v_1QIUV7WYKXg.mkv"], **more)
    assert said(good(found)[0]) == ("does the car drive in the second half", "yes")
    assert reasons(found) == ["missing-answer"]


def test_ivqa(read: Read) -> None:
    found = read("ivqa", "video/ivqa_val.csv", ["ARTtCqqNMHc.webm"], split="evaluation")
    (record,) = good(found)
    assert (said(record)[1], record.media[0].span) == ("brush", (70.0, 95.0))
    assert len(record.references) == 4
    assert reasons(found) == ["bad-span"]


def test_something_something(read: Read) -> None:
    more = {"split": "evaluation", "choices": 2}
    files = {"labels": "video/labels.json"}
    record = one(read("something-something", "video/something_validation.json", ["74225.webm"], **more, **files))
    assert said(record)[1] == "Spinning something that quickly stops spinning"
    assert len(record.options) == 2
    free = one(read("something-something", "video/something_validation.json", ["74225.webm"], **more))
    assert free.options == ()


def test_conversations(read: Read) -> None:
    video = one(read("conversations", "conversations/llava_video.json", ["liwei/1.mp4"]))
    assert video.turns == (Turn("What happens?", "A dog runs."), Turn("Where?", "In a park."))
    assert video.media[0].kind == "video"
    media, more = (
        ["cultural/sw_7.jpg", "cultural/am_1.jpg"],
        {"dataset": "pangea-cultural", "language_field": "language"},
    )
    found = read("conversations", "conversations/pangea.json", media, **more)
    assert [(r.language, said(r)[1]) for r in good(found)] == [("sw", "Ni harusi."), ("am", "ቡና ነው።")]
    assert reasons(found) == ["no-language"]
    spoken = one(read("conversations", "conversations/euroblocks.jsonl", dataset="euroblocks-sft", language="hi"))
    assert (spoken.turns, spoken.media) == ((Turn("Be brief.\nनमस्ते", "नमस्ते!"),), ())


def _table(path: Path, **columns: Any) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_pixmo(read: Read, tmp_path: Path) -> None:
    import hashlib

    url, digest = "https://a.example/猫.jpg", "ab" * 32
    named = hashlib.sha256(url.encode()).hexdigest()
    captions = _table(tmp_path / "cap.parquet", image_url=[url], caption=["A cat."], transcripts=[["a cat"]])
    assert said(one(read("pixmo", captions, [f"{named}.jpg"]))) == ("", "A cat.")
    asked = _table(
        tmp_path / "ama.parquet", image_url=[url], image_sha256=[digest], question=["Who?"], answer=["A cat."]
    )
    assert said(one(read("pixmo", asked, [digest], dataset="pixmo-ama"))) == ("Who?", "A cat.")
    counts = _table(tmp_path / "n.parquet", image_url=[url], image_sha256=[digest], count=[3], label=["people"])
    assert said(one(read("pixmo", counts, [f"{digest}.jpg"], dataset="pixmo-count"))) == ("people", "3")


def test_tables_with_pictures(read: Read, tmp_path: Path) -> None:
    picture = [{"bytes": b"\x89PNG pixels", "path": None}]
    pairs = [{"question": ["a?", "b?"], "answer": ["1", "2"]}]
    docs = _table(tmp_path / "docs.parquet", image=picture, image_id=["x"], questions=pairs)
    assert [(r.key, said(r)) for r in good(read("pixmo-docs", docs))] == [("x#0", ("a?", "1")), ("x#1", ("b?", "2"))]
    rows = {"image": picture, "question": ["Why?"], "chosen": ["Because."], "rejected": ["No."], "ds_name": ["v"]}
    record = one(read("rlaif-v", _table(tmp_path / "rlaif.parquet", **rows)))
    assert (said(record), record.media[0].data) == (("Why?", "Because."), b"\x89PNG pixels")


def test_translated_m3it(tmp_path: Path) -> None:
    from polysee import sources

    path = tmp_path / "test.jsonl"
    path.write_text('{"instruction": "", "inputs": "Hii ni nini?", "outputs": "paka", "image_base64_str": ["iVBO"]}')
    kind = sources.get("m3it-translated")
    source = kind(kind.Params(path=str(path), dataset="m3it-80-vqa-v2", language="am"))
    record = one(list(source.read(*source.shards())))
    assert (record.language, record.split, record.task, source.licence) == ("am", "evaluation", "vqa", "unknown")
    assert "translated:nllb" in record.tags
    with pytest.raises(ValueError, match="evaluation only"):
        kind.Params(path=str(path), dataset="m3it-80-vqa-v2", language="am", split="train")
    with pytest.raises(ValueError, match="none of the 80"):
        kind.Params(path=str(path), dataset="m3it-80-vqa-v2", language="eo")
    with pytest.raises(ValueError, match="none of M3IT's translated sets"):
        kind.Params(path=str(path), dataset="vqa-v2", language="en")


def test_no_adapter_is_left_out() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in ADAPTERS if f'"{name}"' not in text] == []
