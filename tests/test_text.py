"""Text by a model with a tokenizer: samples, continuations of prompts, and what is saved."""

import keras
import numpy as np
import pytest

import keras_bfn
from keras_bfn import BayesianFlowNetwork
from keras_bfn.datasets import Bytes, Letters
from keras_bfn.flows import DiscreteFlow
from tests.models import parts
from tests.models.small import make_text_model

OPTIONS = {"num_steps": 3, "seed": 5, "verbose": 0}
FLOW, SHAPES = (
    {"tag": DiscreteFlow(3, 1.0), "text": DiscreteFlow(27, 1.0)},
    {"tag": (), "text": (5,)},
)


@pytest.fixture(scope="module")
def model():
    return make_text_model()


@pytest.fixture(scope="module")
def parts_model():
    return parts.make_model(FLOW, SHAPES, tokenizer={"text": Letters()})


def test_texts_are_the_samples_decoded(model):
    texts = model.generate_text(4, sampler="sde2", **OPTIONS)
    assert texts == Letters().decode(model.generate(4, sampler="sde2", **OPTIONS))
    assert [len(text) for text in texts] == [12] * 4


def test_texts_go_on_from_their_prompts(model):
    texts = model.continue_text(["call me", "a"], num_samples=3, num_particles=2, **OPTIONS)
    assert [text[:7] for text in texts[:3]] == ["call me"] * 3
    assert [text[:1] for text in texts[3:]] == ["a"] * 3
    assert {len(text) for text in texts} == {12}
    assert len(set(texts)) == 6
    x = np.zeros((6, 12), "int32")
    x[:3, :7], x[3:, :1] = Letters().encode("call me"), Letters().encode("a")
    mask = np.arange(12) < np.array([[7]] * 3 + [[1]] * 3)
    completed = model.inpaint(x, mask, num_particles=2, **OPTIONS)
    assert texts == Letters().decode(completed)


@pytest.mark.once
def test_a_prompt_may_be_all_of_a_text_or_nothing(model):
    assert model.continue_text("call me ishm", **OPTIONS) == ["call me ishm"]
    (text,) = model.continue_text("", **OPTIONS)
    assert len(text) == 12


@pytest.mark.slow_to_compile
@pytest.mark.parametrize("stride", [None, 1, 4, 12])
def test_texts_of_any_length_go_on_window_by_window(model, stride):
    options = {**OPTIONS, "num_steps": 2}
    (text,) = model.continue_text("call me", length=30, stride=stride, **options)
    assert len(text) == 30
    assert text.startswith("call me")
    (again,) = model.continue_text("call me", length=30, stride=stride, **options)
    assert again == text
    # The first window is what the prompt is completed to.
    assert model.continue_text("call me", length=12, **options) == [text[:12]]


@pytest.mark.once
def test_long_texts_are_generated_and_long_prompts_continued(model):
    options = {**OPTIONS, "num_steps": 2}
    texts = model.generate_text(2, length=20, **options)
    assert [len(text) for text in texts] == [20, 20]
    assert texts[0][:12] == model.generate_text(2, **options)[0]
    prompts = ["a prompt that is longer", "short"]
    longer = model.continue_text(prompts, length=30, **options)
    assert [len(text) for text in longer] == [30, 30]
    assert [text.startswith(prompt) for text, prompt in zip(longer, prompts, strict=True)]
    assert [len(text) for text in model.generate_text(2, length=5, **options)] == [5, 5]


@pytest.mark.once
def test_no_window_has_the_noise_of_another(model):
    (text,) = model.generate_text(1, length=36, stride=12, **OPTIONS)
    assert len({text[:12], text[12:24], text[24:]}) == 3


@pytest.mark.once
def test_text_is_one_part_of_several(parts_model):
    texts = parts_model.generate_text(2, part="text", **OPTIONS)
    assert texts == Letters().decode(parts_model.generate(2, **OPTIONS)["text"])
    texts = parts_model.continue_text("ab", 2, part="text", **OPTIONS)
    assert [text[:2] for text in texts] == ["ab", "ab"]
    assert [len(text) for text in texts] == [5, 5]


@pytest.mark.once
@pytest.mark.parametrize("make", [make_text_model, lambda: make_text_model(Bytes(), 3)])
def test_the_tokenizer_is_saved_with_the_model(make, tmp_path):
    model = make()
    model.save(tmp_path / "model.keras")
    model.save_to_preset(tmp_path / "preset")
    for loaded in (
        keras.saving.load_model(tmp_path / "model.keras"),
        BayesianFlowNetwork.from_preset(tmp_path / "preset"),
    ):
        assert loaded.tokenizer == model.tokenizer
        assert loaded.generate_text(3, **OPTIONS) == model.generate_text(3, **OPTIONS)


@pytest.mark.once
def test_the_tokenizers_of_parts_are_saved(parts_model, tmp_path):
    parts_model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").tokenizer == {"text": Letters()}


@pytest.mark.once
def test_an_own_tokenizer_needs_no_base_class(tmp_path):
    @keras.saving.register_keras_serializable("keras_bfn_tests")
    class Vowels:
        num_classes = 5

        def encode(self, text):
            return np.array(["aeiou".index(letter) for letter in text], "int32")

        def decode(self, tokens):
            return ["".join("aeiou"[token] for token in row) for row in tokens]

        def get_config(self):
            return {}

        @classmethod
        def from_config(cls, config):
            return cls()

    model = make_text_model(Vowels())
    model.save(tmp_path / "model.keras")
    (text,) = keras.saving.load_model(tmp_path / "model.keras").continue_text("eau", **OPTIONS)
    assert text[:3] == "eau"
    assert set(text) <= set("aeiou")


@pytest.mark.once
def test_the_papers_text_is_of_letters():
    assert BayesianFlowNetwork.presets["bfn_text8"].tokenizer == Letters()


@pytest.mark.once
def test_guidance_holds_in_every_window(model):
    """The letter "e" is unlikely by e^-6 at each position; without guidance it is frequent."""

    def avoid_e(probs):
        return -6.0 * keras.ops.sum(probs[:, :, 5], axis=1)

    options = {**OPTIONS, "num_steps": 10, "length": 36}
    plain = "".join(model.generate_text(16, **options))
    guided = "".join(model.generate_text(16, guidance=avoid_e, num_particles=8, **options))
    later = [text[i] for text in (plain, guided) for i in range(len(text)) if i % 36 >= 12]
    half = len(later) // 2
    assert later[half:].count("e") < 0.4 * later[:half].count("e")


@pytest.mark.once
def test_texts_have_lengths_of_their_own():
    letters = keras_bfn.datasets.Letters()
    flow = keras_bfn.flows.DiscreteFlow(27, beta_1=2.0)
    network = keras_bfn.networks.Transformer(flow, 8, width=8, num_layers=1, masked=True)
    model = keras_bfn.BayesianFlowNetwork(flow, network, tokenizer=letters, seed=0)
    texts = ["ada", "grace", "alan tur"]
    rows = [letters.encode(text) for text in texts]
    rows = keras.utils.pad_sequences(rows, padding="post", value=-1)
    model.compile("adam")
    model.fit(rows, verbose=0)
    made = model.generate_text(3, 3, lengths=[3, 8, 1], verbose=0)
    assert [len(text) for text in made] == [3, 8, 1]
    continued = model.continue_text("ab", 2, 3, lengths=5, verbose=0)
    assert [(text[:2], len(text)) for text in continued] == [("ab", 5)] * 2


@pytest.mark.once
def test_another_tokenizer_is_checked_when_it_is_set(model):
    with pytest.raises(ValueError, match="`tokenizer` must have as many classes"):
        model.tokenizer = Bytes()
    assert model.tokenizer == Letters()
