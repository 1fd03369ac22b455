"""What becomes of the levels of images, and data of folders and of scikit-learn."""

import sys

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn.datasets import embedded_digits, embedded_images, image_classes, image_folder
from keras_bfn.datasets.batches import hold_out
from keras_bfn.datasets.images import transform
from keras_bfn.distributions.discrete import bin_centre
from tests.checks import MIN_P_VALUE
from tests.test_docstrings import python_blocks

pytestmark = pytest.mark.once

ALL_LEVELS = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)


def rng():
    return np.random.default_rng(0)


def everything(batches):
    return np.concatenate(list(batches))


def test_a_pixel_is_white_with_its_level_as_the_probability():
    stats = pytest.importorskip("scipy.stats")
    num = 4000
    data = transform(np.repeat(ALL_LEVELS, num, axis=0), rng(), "binary", 256, False)
    assert data.dtype == "int32"
    white = data.sum(axis=0).ravel()
    assert white[0] == 0
    assert white[255] == num
    probs = np.arange(1, 255) / 255
    z = (white[1:255] - num * probs) / np.sqrt(num * probs * (1 - probs))
    assert stats.chi2.sf(np.sum(z**2), df=254) > MIN_P_VALUE
    assert abs(z[127]) < 4  # level 128


@pytest.mark.parametrize("num_bins", [2, 16, 255, 256])
def test_bins_divide_the_levels_evenly_and_suit_the_flow(num_bins):
    data = transform(ALL_LEVELS, rng(), "bins", num_bins, False)
    np.testing.assert_array_equal(data.ravel(), np.floor(np.arange(256) / 256 * num_bins))
    assert data.dtype == "int32"
    assert np.ptp(np.bincount(data.ravel(), minlength=num_bins)) <= 1
    keras_bfn.flows.DiscretizedFlow(num_bins, sigma_1=0.02).check_data(data)


@pytest.mark.parametrize("num_bins", [16, 256])
def test_numbers_are_the_centres_of_the_flows_bins(num_bins):
    numbers = transform(ALL_LEVELS, rng(), "numbers", num_bins, False)
    bins = transform(ALL_LEVELS, rng(), "bins", num_bins, False)
    centres = keras.ops.convert_to_numpy(bin_centre(bins, num_bins))
    np.testing.assert_allclose(numbers, centres, atol=1e-7)
    assert numbers.dtype == "float32"
    keras_bfn.flows.ContinuousFlow(sigma_1=0.02, num_bins=num_bins).check_data(numbers)


def test_about_half_the_images_are_mirrored_left_to_right():
    levels = rng().integers(0, 256, (400, 4, 6, 3)).astype("uint8")
    data = transform(levels, rng(), "bins", 256, True)
    mirrored = (data == levels[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (data == levels).all(axis=(1, 2, 3))).all()
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(400)


def test_only_training_images_are_mirrored():
    pytest.importorskip("sklearn")
    plain, flipped = (embedded_digits(form="bins", flip=flip) for flip in (False, True))
    assert (everything(plain.train) != everything(flipped.train)).any()
    for name in ("validation", "test"):
        splits = [everything(getattr(splits, name)) for splits in (plain, flipped)]
        np.testing.assert_array_equal(*splits)


def test_one_percent_is_held_out():
    kept, held_out = hold_out(60_000)
    assert len(held_out) == 600
    np.testing.assert_array_equal(np.sort([*kept, *held_out]), np.arange(60_000))


def test_the_seed_changes_the_training_data_alone():
    pytest.importorskip("sklearn")
    first, other = (embedded_digits(seed=seed) for seed in (0, 1))
    assert (first.train[0] != other.train[0]).any()
    np.testing.assert_array_equal(everything(first.validation), everything(other.validation))
    np.testing.assert_array_equal(everything(first.test), everything(other.test))


def test_digits_are_white_on_black_and_in_one_part_only():
    pytest.importorskip("sklearn")
    parts = [everything(part) for part in embedded_digits(batch_size=1, form="bins")]
    assert [part.shape for part in parts] == [(num, 28, 28, 1) for num in (1485, 15, 297)]
    together = np.concatenate(parts)
    assert together.max() == 255
    assert (together[:, :2] == 0).all()


def test_digits_come_with_their_labels():
    from sklearn.datasets import load_digits

    digits = load_digits()
    splits = embedded_digits(batch_size=4, form="bins", labels=True)
    ((x, labels),) = splits.test[0]
    for image, label in zip(x, labels, strict=True):
        small = image[2:-2:3, 2:-2:3, 0]
        of_label = digits.images[digits.target == label] * 255 / 16
        assert np.abs(of_label - small).max(axis=(1, 2)).min() < 1


def test_a_limit_uses_the_first_of_each_part():
    pytest.importorskip("sklearn")
    splits = embedded_digits(batch_size=10, form="bins", limit=100)
    assert [len(part.examples) for part in splits] == [99, 1, 100]
    whole = embedded_digits(form="bins").test
    np.testing.assert_array_equal(everything(splits.test), everything(whole)[:100])


def test_test_crops_and_training_crops_share_no_pixel(monkeypatch):
    datasets = pytest.importorskip("sklearn.datasets")
    # Two photographs in which each pixel says where it is.
    place = np.arange(2 * 427 * 640).reshape(2, 427, 640)
    images = np.stack([place >> 16, place >> 8 & 255, place & 255], axis=-1).astype("uint8")
    bunch = type("Bunch", (), {"images": list(images)})
    monkeypatch.setattr(datasets, "load_sample_images", lambda: bunch)
    used = np.zeros((3, place.size), "bool")
    for part, batches in zip(used, embedded_images(batch_size=64), strict=True):
        for batch in batches:
            part[batch @ np.array([1 << 16, 1 << 8, 1])] = True
    train, validation, test = used
    assert not (test & (train | validation)).any()
    assert train.mean() > 0.85
    assert test.mean() > 0.09


@pytest.mark.parametrize("load", [embedded_digits, embedded_images])
def test_without_scikit_learn_the_extra_is_named(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "keras-bfn\[examples\]"'):
        load()


@pytest.fixture
def save(tmp_path):
    image = pytest.importorskip("PIL.Image")

    def save(name, pixels):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.asarray(pixels, "uint8")).save(path)

    return save


def test_every_image_of_a_folder_is_in_one_part(save, tmp_path):
    for i in range(10):
        save(f"{i % 2}/{i}.{('png', 'PNG')[i % 2]}", np.full((8, 8, 3), (i, 2 * i, 3 * i)))
    (tmp_path / "notes.txt").write_text("no image")
    parts = [everything(part) for part in image_folder(tmp_path, (8, 8), batch_size=4)]
    assert [len(part) for part in parts] == [8, 1, 1]
    together = np.concatenate(parts)
    assert together.shape == (10, 8, 8, 3)
    colours = together[np.argsort(together[:, 0, 0, 0]), 0, 0]
    np.testing.assert_array_equal(colours, np.arange(10)[:, None] * [1, 2, 3])


@pytest.fixture
def labelled(save, tmp_path):
    """Images in sub-folders, ten of each of three, whose level is ten times their label."""
    for i in range(30):
        path = f"photographs/{'abc'[i % 3]}/{'deeper/' * (i % 2)}{i}.png"
        save(path, np.full((8, 8, 3), 10 * (i % 3)))
    (tmp_path / "photographs" / "empty").mkdir()
    return tmp_path / "photographs"


def test_a_label_is_the_number_of_the_sub_folder(labelled):
    assert image_classes(labelled) == ["a", "b", "c"]
    splits = image_folder(labelled, (8, 8), batch_size=4, labels=True)
    counts = np.zeros(3, int)
    for part in splits:
        for ((images, labels),) in part:
            np.testing.assert_array_equal(images[:, 0, 0, 0], 10 * labels)
            assert labels.dtype == "int32"
    for part in splits:
        counts += np.bincount(part.labels, minlength=3)
    np.testing.assert_array_equal(counts, 10)


def test_the_docstrings_examples_run(labelled, monkeypatch):
    monkeypatch.chdir(labelled.parent)
    names = {"keras_bfn": keras_bfn, "flow": keras_bfn.flows.DiscretizedFlow(256)}
    for function in (image_folder, image_classes):
        (block,) = python_blocks(function.__doc__)
        exec(block, names)
    assert names["network"].conditions == 3


def test_without_labels_sub_folders_have_no_meaning(labelled):
    assert image_folder(labelled, (8, 8), batch_size=4).train[0].shape == (4, 8, 8, 3)


def test_an_image_in_no_sub_folder_has_no_label(labelled, save):
    save("photographs/alone.png", np.zeros((8, 8, 3)))
    assert image_classes(labelled) == ["a", "b", "c"]


def test_the_share_that_is_held_out_can_be_chosen(labelled):
    sizes = [len(part.examples) for part in image_folder(labelled, (8, 8), held_out=0.2)]
    assert sizes == [19, 5, 6]


def test_images_are_cropped_to_their_middle_and_their_pixels_averaged(save, tmp_path):
    wide = np.zeros((32, 64, 3))
    wide[:, 16:48] = 255 * (np.indices((32, 32)).sum(axis=0) % 2)[..., None]  # a chessboard
    for i in range(3):
        save(f"{i}.png", wide)
    train, _, _ = image_folder(tmp_path, (8, 8), color_mode="grayscale")
    assert train[0].shape == (1, 8, 8, 1)
    assert abs(train[0][0, 1:-1, 1:-1] - 127.5).max() < 8


def make_pictures(folder, num=4):
    image = pytest.importorskip("PIL.Image")
    for i in range(num):
        image.fromarray(np.full((8, 8), i, "uint8")).save(folder / f"{i}.png")
    return image


def test_what_only_looks_like_a_picture_is_left_out(tmp_path):
    make_pictures(tmp_path)
    (tmp_path / "a folder.png").mkdir()
    (tmp_path / "._0.png").write_bytes(b"of a system")
    (tmp_path / ".small").mkdir()
    make_pictures(tmp_path / ".small")
    assert image_classes(tmp_path) == []
    assert sum(len(part.examples) for part in image_folder(tmp_path, (8, 8), 2)) == 4


@pytest.mark.parametrize("color_mode", ["rgb", "grayscale"])
def test_a_file_that_cannot_be_read_is_named(color_mode, tmp_path):
    image = make_pictures(tmp_path)
    (tmp_path / "9.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"9\.png. must be a complete image"):
        image_folder(tmp_path, (8, 8), 2, color_mode=color_mode)
    image.fromarray(np.full((8, 8), 40_000, "uint16")).save(tmp_path / "9.png")
    with pytest.raises(ValueError, match=r"9\.png. must be an image with 8 bits"):
        image_folder(tmp_path, (8, 8), 2, color_mode=color_mode)
