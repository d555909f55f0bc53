from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import trainctl
from tests.train.tiny import write_config
from trainctl.cli.main import main
from trainctl.data.idx import read_idx
from trainctl.data.mnist import MNIST
from trainctl.jobs import Predictor, run_evaluation


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in it, and the data it was trained on."""
    folder = tmp_path_factory.mktemp("predict")
    write_config(folder)
    words = ["data.transforms=[{Normalize: {mean: 0.3, std: 0.2}}]", "train.epochs=2", "-o", str(folder / "runs/tiny")]
    assert main(["train", str(folder / "tiny.yaml"), *words, "-q"]) == 0
    return folder


@pytest.fixture
def trained(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("data", "runs", "tiny.yaml"):
        (tmp_path / name).symlink_to(place / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


IMAGES, LABELS = "data/t10k-images-idx3-ubyte", "data/t10k-labels-idx1-ubyte"


def pixels() -> np.ndarray:
    """The test images, uint8 [30, 28, 28]."""
    path = next(Path().glob(f"{IMAGES}*"))
    return read_idx(path)


def predicted(capfd, *words: str, code: int = 0) -> list[dict]:
    capfd.readouterr()
    assert main(["predict", "runs/tiny", *words, "-q"]) == code
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_the_answers_are_those_that_eval_counts(trained, capfd):
    answers = [each["class"] for each in predicted(capfd, str(next(Path().glob(f"{IMAGES}*"))))]
    labels = read_idx(next(Path().glob(f"{LABELS}*"))).tolist()
    result = run_evaluation("runs/tiny", overrides=["metrics=[accuracy, confusion_matrix]"])
    assert np.mean(np.array(answers) == labels) == result["metrics"]["accuracy"]
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (labels, answers), 1)
    assert matrix.tolist() == result["tables"]["confusion_matrix"]["values"]


def test_every_format_gives_the_same_answers(trained, capfd):
    images = pixels()
    flat = images.reshape(30, -1)
    np.save("a.npy", images)
    np.savez("a.npz", images)
    np.savetxt("a.csv", flat, fmt="%d", delimiter=",")
    np.savetxt("a.tsv", flat, fmt="%d", delimiter="\t", header="\t".join(f"p{n}" for n in range(784)), comments="")
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in flat.tolist()))
    expected = predicted(capfd, str(next(Path().glob(f"{IMAGES}*"))), "--proba")
    assert [each["row"] for each in expected] == list(range(30))
    for name in ("a.npy", "a.npz"):
        assert predicted(capfd, name, "--proba") == expected
    for name in ("a.csv", "a.tsv", "a.jsonl"):
        answers = predicted(capfd, name, "--proba", "--scale", "255")
        assert [each["class"] for each in answers] == [each["class"] for each in expected]
        np.testing.assert_allclose(
            [each["probabilities"] for each in answers], [each["probabilities"] for each in expected], atol=1e-6
        )


def test_images_of_a_folder_say_their_file(trained, capfd):
    from PIL import Image

    Path("images").mkdir()
    for number, image in enumerate(pixels()[:3]):
        Image.fromarray(image).save(f"images/{number}.png")
    expected = predicted(capfd, str(next(Path().glob(f"{IMAGES}*"))))[:3]
    answers = predicted(capfd, "images")
    assert [each["file"] for each in answers] == [f"images/{number}.png" for number in range(3)]
    assert [each["class"] for each in answers] == [each["class"] for each in expected]


def test_photographs_are_turned_and_scaled_as_an_image_folder_does_it(tmp_path, monkeypatch, capfd):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    draw, turned = np.random.default_rng(0), Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    for number, name in enumerate(["train/cat", "train/dog", "test/cat", "test/dog"] * 2):
        Path("pets", name).mkdir(parents=True, exist_ok=True)
        pixels = draw.integers(0, 256, (20, 12, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"pets/{name}/{number}.webp", lossless=True, exif=turned)
    data = "{dataset: {ImageFolder: {root: pets, classes: [cat, dog], size: [8, 6]}}, batch_size: 2}"
    rest = "model: [Flatten, {Linear: {out_features: 2}}]\nloss: CrossEntropyLoss\noptimizer: {SGD: {lr: 0.1}}\n"
    Path("pets.yaml").write_text(f"data: {data}\n{rest}metrics: [confusion_matrix]\ntrain: {{epochs: 1}}\n")
    assert main(["train", "pets.yaml", "-q"]) == 0
    losses = []
    for right, name in enumerate(["cat", "dog"]):
        capfd.readouterr()
        assert main(["predict", "runs/pets", f"pets/test/{name}", "-q", "--proba"]) == 0
        answers = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
        losses += [-np.log(answer["probabilities"][right]) for answer in answers]
    assert len(losses) == 4
    assert np.mean(losses) == pytest.approx(run_evaluation("runs/pets")["loss"], rel=1e-6)


def test_probabilities_and_the_most_probable_classes(trained, capfd):
    np.save("a.npy", pixels()[:2])
    for answer in predicted(capfd, "a.npy", "--top", "3", "--proba"):
        shares = answer["probabilities"]
        assert sum(shares) == pytest.approx(1, abs=1e-8)
        assert answer["class"] == int(np.argmax(shares))
        assert answer["probability"] == shares[answer["class"]]
        ranked = sorted(range(10), key=lambda number: -shares[number])[:3]
        assert answer["top"] == [{"class": number, "probability": shares[number]} for number in ranked]
    assert len(predicted(capfd, "a.npy", "--top", "99")[0]["top"]) == 10


def test_csv_out_has_a_header_and_the_rows_ids(trained, capfd):
    lines = ["name," + ",".join(f"p{n}" for n in range(784))]
    lines += [f'"row, {number}",' + ",".join(map(str, row)) for number, row in enumerate(pixels()[:3].reshape(3, -1))]
    Path("a.csv").write_text("\n".join(lines))
    words = ["predict", "runs/tiny", "a.csv", "--id", "name", "--scale", "255", "--top", "2", "-o", "out/b.csv"]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.endswith("3 samples -> out/b.csv\n")
    rows = list(csv.DictReader(io.StringIO(Path("out/b.csv").read_text())))
    assert [row["id"] for row in rows] == ["row, 0", "row, 1", "row, 2"]
    assert [row["row"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["class"] == rows[0]["top_0_class"]
    assert rows[0]["error"] == ""
    assert sorted(Path("out").iterdir()) == [Path("out/b.csv")]


def test_rows_from_a_pipe_are_known_by_their_first_byte(trained, capfd, monkeypatch):
    row = pixels()[0].reshape(-1) / 255
    as_csv = ",".join(map(str, row)).encode()
    as_json = b'\n {"id": "x", "input": ' + json.dumps(row.tolist()).encode() + b"}"
    for data, extra in ((as_csv, {}), (as_json, {"id": "x"})):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        [answer] = predicted(capfd, "-")
        assert answer.keys() == {"row", "class", "probability", *extra}


def test_numbers_that_look_like_pixels_are_pointed_out(trained, capfd):
    np.savetxt("a.csv", pixels()[:2].reshape(2, -1), fmt="%d", delimiter=",")
    assert main(["predict", "runs/tiny", "a.csv"]) == 0
    assert "note: a.csv: whole numbers up to" in capfd.readouterr().err
    assert main(["predict", "runs/tiny", "a.csv", "--scale", "255"]) == 0
    assert "note" not in capfd.readouterr().err


def test_no_data_set_is_needed(trained, place, capfd):
    np.save("a.npy", pixels()[:2])
    (place / "data").rename(place / "gone")
    try:
        assert len(predicted(capfd, "a.npy")) == 2
    finally:
        (place / "gone").rename(place / "data")


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_answers_that_are_not_finite_are_flagged(trained, capfd, format):
    rows = np.zeros((3, 784))
    rows[0] = 1e38  # overflows where it is normalized
    np.save("a.npy", rows)
    assert main(["predict", "runs/tiny", "a.npy", "--format", format, "--proba", "--top", "1"]) == 5
    out, err = capfd.readouterr()
    assert "1 answer of 3 not finite" in err
    if format == "csv":
        first, second, _ = csv.DictReader(io.StringIO(out))
        assert (first["class"], first["probabilities_3"], first["error"]) == ("", "", "not finite")
        assert (second["error"], second["class"] != "") == ("", True)
    else:
        first, second, _ = map(json.loads, out.splitlines())
        assert (first["class"], first["error"]) == (None, "not finite")
        assert "error" not in second


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (["runs/tinny", "a.npy"], 4, "runs/tinny: no such run or checkpoint"),
        (["runs/tiny", "b.npy"], 4, "b.npy: no such file"),
        (["runs/tiny", "tiny.yaml"], 2, "its name does not say what it holds"),
        (["runs/tiny", "bad.csv"], 4, "bad.csv:2: expected 784 numbers, for [1, 28, 28], got 3"),
        (["runs/tiny", "a.npy", "--scale", "0"], 2, "--scale: expected a finite number other than 0"),
        (["runs/tiny", "a.npy", "-o", "data"], 2, "--output data: expected a file or -, got a directory"),
        (["runs/tiny", "a.npy", "--device", "cuda:99"], 2, "device"),
        (["runs/tiny"], 2, "missing argument 'INPUT...'"),
    ],
)
def test_what_cannot_be_predicted_is_explained(words, code, shown, trained, capfd):
    np.save("a.npy", pixels()[:2])
    Path("bad.csv").write_text(",".join("0" * 784) + "\n1,2,3\n")
    assert main(["predict", *words]) == code
    err = capfd.readouterr().err
    assert shown in err
    assert "Traceback" not in err


def test_a_row_that_is_no_sample_leaves_no_file(trained):
    Path("bad.csv").write_text(",".join("0" * 784) + "\n1,2,3\n")
    Path("old.jsonl").write_text("old\n")
    for name in ("new.jsonl", "old.jsonl"):
        assert main(["predict", "runs/tiny", "bad.csv", "--batch-size", "1", "-o", name, "-q"]) == 4
    assert not Path("new.jsonl").exists()
    assert Path("old.jsonl").read_text() == "old\n"
    assert not list(Path().glob(".tmp-*"))


def test_through_the_real_command_line(trained):
    rows = "\n".join(",".join(["0"] * 784) for _ in range(2))
    run = trainctl("predict", "runs/tiny/last", "-", input=rows.encode())
    assert run.returncode == 0
    assert len(run.stdout.splitlines()) == 2
    assert run.stderr.decode().rstrip().endswith("2 samples")


def test_class_names_are_shown_where_the_data_set_has_them(trained, capfd, monkeypatch):
    np.save("a.npy", pixels()[:2])
    monkeypatch.setattr(MNIST, "classes", [f"digit {number}" for number in range(10)], raising=False)
    for answer in predicted(capfd, "a.npy", "--top", "1"):
        assert answer["label"] == answer["top"][0]["label"] == f"digit {answer['class']}"
    table = run_evaluation("runs/tiny", per_class=True)["tables"]["per_class"]
    assert table["labels"][3] == "digit 3"


def test_answers_are_kept_when_the_next_batch_comes(trained):
    predictor = Predictor("runs/tiny", batch_size=7)
    alone = [predictor.answer(image[None])[0] for image in pixels()]
    answers = [each for start in range(0, 28, 7) for each in predictor.answer(pixels()[start : start + 7])]
    for one, other in zip(alone, answers, strict=False):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
