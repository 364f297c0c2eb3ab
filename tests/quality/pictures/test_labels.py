"""Labels beside pictures: pairs of picture and mask, YOLO texts, COCO files, class folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.inspect import inspect
from gonogo.verdict import Check, Status, Verdict
from tests.quality.picture_files import crops

COUNT, SIDE = 12, 96
TURNED = 6  # EXIF orientation
LINE = "0 0.5 0.5 0.25 0.25\n"


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures 96 × 80 of a rectangle's shape, so that width and height differ."""
    folder = tmp_path_factory.mktemp("jpegs")
    for n, picture in enumerate(crops(COUNT, SIDE)):
        Image.fromarray(picture[:80, :, ::-1]).save(folder / f"{n:02d}.jpg")
    return folder


def place(jpegs: Path, folder: Path, name: str = "images/{}.jpg") -> Path:
    for picture in sorted(jpegs.iterdir()):
        path = folder / name.format(picture.stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, path)
    return folder


def turn(path: Path) -> None:
    picture = Image.open(path)
    exif = picture.getexif()
    exif[274] = TURNED
    picture.save(path, exif=exif)


def masks(folder: Path, name: str, draw: Callable[[int], np.ndarray], colours: bool = False) -> None:
    for n in range(COUNT):
        path = folder / name.format(f"{n:02d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Image.fromarray(draw(n))
        if colours:
            made = made.convert("P")
            made.putpalette([n * 37 % 256 for n in range(768)])
        made.save(path)


def disc(n: int, value: int = 255, shape: tuple[int, int] = (80, 96), border: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    distance = (rows - 40) ** 2 + (columns - 50) ** 2
    drawn = np.where(distance < (8 + n) ** 2, value, 0)
    edge = (np.abs(distance - (8 + n) ** 2) < 40) & (border > 0)
    return np.where(edge, border, drawn).astype(np.uint8)


def texts(folder: Path, name: str, lines: Callable[[int], str]) -> None:
    for n in range(COUNT):
        path = folder / name.format(f"{n:02d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines(n))


def coco(folder: Path, name: str = "annotations/instances_train.json") -> dict[str, Any]:
    boxes = [
        {"id": n, "image_id": n, "category_id": 1 + 17 * (n % 2), "bbox": [10, 10, 30, 20.5], "iscrowd": 0,
         "segmentation": [[10, 10, 40, 10, 40, 30]]}
        for n in range(COUNT)
    ]  # fmt: skip
    boxes[3] |= {"iscrowd": 1, "segmentation": {"counts": [9, 4, 7], "size": [80, 96]}}
    content = {
        "images": [{"id": n, "file_name": f"{n:02d}.jpg", "width": SIDE, "height": 80} for n in range(COUNT)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": boxes,
    }
    write_coco(folder, content, name)
    return content


def write_coco(folder: Path, content: Any, name: str = "annotations/instances_train.json") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content))


def verdict_of(folder: Path) -> Verdict:
    return inspect(folder, "images", QualityGate()).verdict


def check(verdict: Verdict, id_: str) -> Check:
    return next(one for one in verdict.checks if one.id == id_)


# --- what is good ---


def segmentation(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "JPEGImages/{}.jpg")
    masks(folder, "SegmentationClass/{}.png", lambda n: disc(n, 1 + n % 20, border=255), colours=True)
    texts(folder, "ImageSets/Segmentation/{}_train.txt", lambda n: "00\n01\n")
    return "masks"


def two_splits(jpegs: Path, folder: Path) -> str:
    """The same stems in both, of other pictures and sizes."""
    place(jpegs, folder, "train/images/{}.jpg")
    masks(folder, "train/masks/{}.png", lambda n: disc(n, 1))
    for n, picture in enumerate(crops(COUNT, SIDE, seed=9)):
        (folder / "val/images").mkdir(parents=True, exist_ok=True)
        (folder / "val/masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[..., ::-1]).save(folder / f"val/images/{n:02d}.jpg")
        Image.fromarray(disc(n, 1, (SIDE, SIDE))).save(folder / f"val/masks/{n:02d}.png")
    return "masks"


def ending(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "train/{}.jpg")
    masks(folder, "train_masks/{}_mask.gif", disc)
    return "masks"


def side_by_side(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "{}.jpg")
    masks(folder, "{}_mask.png", disc)
    return "masks"


def defects(jpegs: Path, folder: Path) -> str:
    """Pictures without a defect have no mask, in folders of their own; numbers begin again in each."""
    place(jpegs, folder, "bottle/test/broken/{}.jpg")
    for n, picture in enumerate(crops(COUNT + 30, SIDE, seed=9)):
        (folder / "bottle/train/good").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[..., ::-1]).save(folder / f"bottle/train/good/{n:02d}.jpg")
    masks(folder, "bottle/ground_truth/broken/{}_mask.png", disc)
    return "masks"


def streets(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "leftImg8bit/train/ulm/ulm_{}_leftImg8bit.jpg")
    masks(folder, "gtFine/train/ulm/ulm_{}_gtFine_labelIds.png", lambda n: disc(n, 7))
    return "masks"


def road(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "train/{}.jpg")
    masks(folder, "trainannot/{}.png", lambda n: disc(n, 11))
    return "masks"


def segmenter(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "img_dir/train/{}.jpg")
    masks(folder, "ann_dir/train/{}.png", lambda n: disc(n, 3))
    return "masks"


def supervisely(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "img/{}.jpg")
    masks(folder, "ann/{}.png", lambda n: disc(n, 3))
    return "masks"


def stuff(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "images/val2017/{}.jpg")
    masks(folder, "stuffthingmaps/val2017/{}.png", lambda n: disc(n, 3))
    return "masks"


def yolo(jpegs: Path, folder: Path) -> str:
    """Background pictures without objects, gaps among classes, a coordinate that rounding took beyond 1."""
    place(jpegs, folder, "images/train/{}.jpg")
    texts(folder, "labels/train/{}.txt", lambda n: "" if n < 4 else LINE + f"{2 * (n % 2)} 1.0000001 0.5 0.1 0.1\n\n")
    (folder / "data.yaml").write_text("names: [cat, dog, cow]\ntrain: images/train\n")
    return "yolo_labels"


def outlines(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "rgb/{}.jpg")
    texts(folder, "labels/{}.txt", lambda n: "1 0.1 0.1 0.5 0.1 0.5 0.6 0.2 0.9\n")
    (folder / "classes.txt").write_text("cat\ndog\n")
    return "yolo_labels"


def joints(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder)
    texts(folder, "labels_pose/{}.txt", lambda n: "0 0.5 0.5 0.4 0.4 0.4 0.4 2 0.6 0.6 1 0.0 0.0 0\n")
    return "yolo_labels"


def beside(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "{}.jpg")
    texts(folder, "{}.txt", lambda n: LINE.replace("0 ", "7 ", 1))
    return "yolo_labels"


def darknet(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "obj_train_data/{}.jpg")
    texts(folder, "obj_train_data/{}.txt", lambda n: LINE)
    (folder / "obj.names").write_text("cat\n")
    (folder / "obj.data").write_text("classes = 1\nnames = obj.names\n")
    return "yolo_labels"


def boxes(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "train2017/{}.jpg")
    coco(folder)
    return "coco_labels"


def roboflow(jpegs: Path, folder: Path) -> str:
    place(jpegs, folder, "train/{}.jpg")
    coco(folder, "train/_annotations.coco.json")
    return "coco_labels"


def captions(jpegs: Path, folder: Path) -> str:
    """No labels of boxes: nothing is asked of them."""
    place(jpegs, folder, "{}.jpg")
    texts(folder, "{}.txt", lambda n: "a photograph of a rock, 4 by 3\n")
    (folder / "annotations").mkdir()
    (folder / "annotations/captions.json").write_text(json.dumps({"annotations": [{"image_id": 1, "caption": "bbox"}]}))
    return ""


def other_boxes(jpegs: Path, folder: Path) -> str:
    """As KITTI has them: a word first."""
    place(jpegs, folder)
    texts(
        folder,
        "labels/{}.txt",
        lambda n: "Car 0.00 0 -1.57 599.41 156.40 629.75 189.25 2.85 2.63 12.34 0.47 1.49 69.4\n",
    )
    return ""


GOOD = (segmentation, two_splits, ending, side_by_side, defects, streets, road, segmenter, supervisely, stuff, yolo,
        outlines, joints, beside, darknet, boxes, roboflow, captions, other_boxes)  # fmt: skip
LABELS = ("masks", "yolo_labels", "coco_labels", "classes")


@pytest.mark.parametrize("layout", GOOD, ids=lambda layout: layout.__name__)
def test_good_labels_pass_and_are_counted_as_judged(layout: Any, jpegs: Path, tmp_path: Path) -> None:
    id_ = layout(jpegs, tmp_path / "data")
    inspection = inspect(tmp_path / "data")
    assert [kind.partition(":")[0] for kind in inspection.kinds] == ["images"]
    verdict = inspection.verdict
    assert [
        (one.id, one.why) for one in verdict.checks if one.status is not Status.GO and not one.grey and one.id in LABELS
    ] == []
    assert [one.id for one in verdict.checks if one.id in LABELS[:3]] == ([id_] if id_ else [])
    assert verdict.status is not Status.NO_GO
    assert ("left out" in verdict.summary) == (layout in (segmentation, captions, other_boxes))


def test_values_are_listed(jpegs: Path, tmp_path: Path) -> None:
    segmentation(jpegs, tmp_path / "data")
    assert "values of 12 masks: 0 (in 12), 255 (in 12), 1 (in 1)" in check(verdict_of(tmp_path / "data"), "masks").why


# --- masks ---


def test_masks_of_another_size_stop_the_set(jpegs: Path, tmp_path: Path) -> None:
    place(jpegs, tmp_path / "data", "img/{}.jpg")
    masks(tmp_path / "data", "gt/{}.png", lambda n: disc(n, 1, (80, 96) if n % 2 else (64, 96)))
    found = check(verdict_of(tmp_path / "data"), "masks")
    assert (
        found.status is Status.NO_GO and "6 of 12 masks are of another size" in found.why and "gt/00.png" in found.why
    )


def test_masks_and_pictures_without_a_partner_are_counted_and_named(jpegs: Path, tmp_path: Path) -> None:
    folder = place(jpegs, tmp_path / "data")
    masks(folder, "masks/{}.png", lambda n: disc(n, 1))
    (folder / "masks/05.png").unlink()
    (folder / "masks/06.png").rename(folder / "masks/x6.png")
    found = check(verdict_of(folder), "masks")
    assert found.status is Status.CAUTION
    assert "1 of 11 masks have no picture of their name" in found.why and "masks/x6.png" in found.why
    assert "2 of 12 pictures have no mask of their name" in found.why and "images/05.jpg" in found.why


@pytest.mark.parametrize("shape", [(80, 96), (96, 80)], ids=["stored", "turned"])
def test_a_picture_that_exif_turns_and_its_mask(shape: tuple[int, int], jpegs: Path, tmp_path: Path) -> None:
    folder = place(jpegs, tmp_path / "data")
    turn(folder / "images/03.jpg")
    masks(folder, "masks/{}.png", lambda n: disc(n, 1, shape if n == 3 else (80, 96)))
    found = check(verdict_of(folder), "masks")
    assert found.status is Status.CAUTION and "1 of 12 masks belong to a picture that EXIF turns" in found.why
    assert "another size" not in found.why and "masks/03.png" in found.why


def test_masks_saved_with_loss_and_empty_ones(jpegs: Path, tmp_path: Path) -> None:
    folder = place(jpegs, tmp_path / "data")
    masks(folder, "masks/{}.jpg", disc)
    found = check(verdict_of(folder), "masks")
    assert found.status is Status.CAUTION and "12 of 12 masks are saved with loss (JPEG)" in found.why
    shutil.rmtree(folder / "masks")
    masks(folder, "masks/{}.png", lambda n: disc(n) * (n < 3))
    found = check(verdict_of(folder), "masks")
    assert found.status is Status.CAUTION and "9 of 12 masks have one value throughout" in found.why


# --- YOLO ---

YOLO_FAULTS = {
    "0 1.4 0.5 0.2 0.2\n": "coordinates outside 0-1",
    "0 0.5 -0.2 0.2 0.2\n": "coordinates outside 0-1",
    "7 0.5 0.5 0.2 0.2\n": "classes are not among the 3 names (0 to 2)",
    "-1 0.5 0.5 0.2 0.2\n": "classes are no whole number",
    "0 0.5 0.5 0 0.2\n": "boxes have no width or height",
    "0 0.5 0.5 0.2 -0.2\n": "boxes have no width or height",
    "0 0.5 0.5 0.2\n": "lines are not a class and four or more numbers",
    "0 0.5 nan 0.2 0.2\n": "lines are not a class and four or more numbers",
    "0,0.5,0.5,0.2,0.2\n": "lines are not a class and four or more numbers",
    "0 120 80 40 60\n": "coordinates outside 0-1",
}


@pytest.mark.parametrize("line", YOLO_FAULTS)
def test_faults_of_yolo_labels(line: str, jpegs: Path, tmp_path: Path) -> None:
    yolo(jpegs, tmp_path / "data")
    texts(tmp_path / "data", "labels/train/{}.txt", lambda n: LINE + line if n < 6 else LINE)
    found = check(verdict_of(tmp_path / "data"), "yolo_labels")
    assert found.status is Status.NO_GO and f"6 {found.why.split('; 6 ')[1]}" and YOLO_FAULTS[line] in found.why
    assert "6 of 12 label files with boxes are bad" in found.why and "labels/train/00.txt" in found.why
    texts(tmp_path / "data", "labels/train/{}.txt", lambda n: LINE + line if n < 1 else LINE)
    assert check(verdict_of(tmp_path / "data"), "yolo_labels").status is Status.CAUTION


def test_texts_and_pictures_without_a_partner(jpegs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    yolo(jpegs, folder)
    (folder / "labels/train/05.txt").rename(folder / "labels/train/x5.txt")
    turn(folder / "images/train/07.jpg")
    found = check(verdict_of(folder), "yolo_labels")
    assert found.status is Status.CAUTION
    assert "1 label files have no picture of their name" in found.why and "x5.txt" in found.why
    assert "1 pictures have no label file" in found.why and "images/train/05.jpg" in found.why
    assert "1 labelled pictures are turned by EXIF" in found.why


def test_label_files_that_are_none(jpegs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    yolo(jpegs, folder)
    (folder / "labels/train/05.txt").write_bytes(b"\xff\xfe\x00" * 99)
    (folder / "labels/train/06.txt").write_text(LINE * 60_000)
    (folder / "data.yaml").write_text("names: &a [*a, *a]\n" + "[" * 5000)
    found = check(verdict_of(folder), "yolo_labels")
    assert "1 label files are no text" in found.why and "1 label files are too large" in found.why


# --- COCO ---


def outside(content: dict[str, Any]) -> str:
    for one in content["annotations"]:
        one["bbox"] = [50, 40, 60, 20]
    return "12 boxes reach outside the picture"


def unknown_category(content: dict[str, Any]) -> str:
    content["categories"] = content["categories"][:1]
    return "6 boxes name a category that is not listed"


def unknown_image(content: dict[str, Any]) -> str:
    content["images"] = content["images"][:6]
    return "6 boxes name an image that is not listed"


def flat(content: dict[str, Any]) -> str:
    for one in content["annotations"]:
        one["bbox"] = [50, 40, 0, 20]
    return "12 boxes have no width or height"


def other_size(content: dict[str, Any]) -> str:
    for one in content["images"]:
        one["width"] = 640
    return "12 pictures are of another size than the file of boxes says"


def no_numbers(content: dict[str, Any]) -> str:
    for one, box in zip(content["annotations"], [None, "x", [1, 2], [1, 2, 3, "4"], {}, [None] * 4] * 2, strict=True):
        one["bbox"] = box
    return "12 boxes are not four numbers"


@pytest.mark.parametrize("spoil", [outside, unknown_category, unknown_image, flat, other_size, no_numbers])
def test_faults_of_coco_boxes_stop_the_set(spoil: Callable[[Any], str], jpegs: Path, tmp_path: Path) -> None:
    boxes(jpegs, tmp_path / "data")
    content = coco(tmp_path / "data")
    told = spoil(content)
    write_coco(tmp_path / "data", content)
    found = check(verdict_of(tmp_path / "data"), "coco_labels")
    assert found.status is Status.NO_GO and told in found.why


def test_what_of_coco_only_warns(jpegs: Path, tmp_path: Path) -> None:
    boxes(jpegs, tmp_path / "data")
    content = coco(tmp_path / "data")
    content["annotations"][1]["id"] = 0
    content["images"][2] |= {"file_name": "gone.jpg"}
    turn(tmp_path / "data/train2017/05.jpg")
    write_coco(tmp_path / "data", content)
    found = check(verdict_of(tmp_path / "data"), "coco_labels")
    assert found.status is Status.CAUTION
    for told in (
        "1 annotations have an id that another has", "1 images have no picture file here", "image gone.jpg",
        "1 pictures are turned by EXIF, and their boxes are of the unturned picture",
    ):  # fmt: skip
        assert told in found.why


HOSTILE = [
    b"", b"{", b"[]", b'{"images": 3, "annotations": {}, "bbox": 1}', b"[" * 100_000,
    b'{"annotations": ' + b'{"bbox":' * 50 + b"1" + b"}" * 51, b'\xff\xfe{"annotations": [], "bbox": 0}',
    b'{"images": [1, null, {"id": []}, {"id": 1, "width": 1e999, "file_name": 7}], "categories": [4, {"id": {}}],'
    b' "annotations": [1, null, [], {"id": {}, "image_id": [1], "bbox": 0}, {"image_id": 1, "bbox": [1e999, 1, 1]}]}',
    b'{"images": [{"id": 1, "width": 1' + b"0" * 400 + b'}], "annotations": [{"image_id": 1, "bbox": [0, 0, 9, 9]}]}',
]  # fmt: skip


def test_whatever_is_in_a_file_of_boxes_there_is_a_verdict(jpegs: Path, tmp_path: Path) -> None:
    folder = place(jpegs, tmp_path / "data")
    for n, content in enumerate(HOSTILE):
        (folder / f"instances_{n}.json").write_bytes(content)
    assert check(verdict_of(folder), "coco_labels").status in (Status.CAUTION, Status.NO_GO)


# --- class folders ---


def test_empty_class_folders_are_named(jpegs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for n, picture in enumerate(sorted(jpegs.iterdir())):
        (folder / f"train/{'cat' if n % 2 else 'dog'}").mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / f"train/{'cat' if n % 2 else 'dog'}")
    assert check(verdict_of(folder), "classes").status is Status.GO
    (folder / "train/cow").mkdir()
    (folder / "train/.cache").mkdir()
    found = check(verdict_of(folder), "classes")
    assert found.status is Status.CAUTION and "1 class folders are empty: train/cow" in found.why


def test_a_set_without_labels_gets_no_check_of_them(jpegs: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    place(jpegs, tmp_path / "data", "{}.jpg")
    (tmp_path / "data/logs").mkdir()
    assert not [one.id for one in verdict_of(tmp_path / "data").checks if one.id in LABELS]
