"""Text in and out: a model with a tokenizer generates strings, and goes on with a prompt."""

import numpy as np

from keras_bfn._parts import describe, list_parts, part_names, pick_part
from keras_bfn._random import seed_of
from keras_bfn._validation import check_int, refusal
from keras_bfn.datasets.tokenizers import check_tokenizer
from keras_bfn.inputs.arrays import check_has_event_shape


def decode(tokenizer, tokens):
    """The strings that rows of tokens stand for; -1 stands where there is none."""
    if (tokens >= 0).all():
        return tokenizer.decode(tokens)
    return [tokenizer.decode(row[row >= 0]) for row in tokens]


def refuse_details(options, verb):
    """Raises a `ValueError` if more than text is asked for."""
    if options.get("return_details"):
        expected = f"must be False: text alone is returned; use `{verb}`"
        raise refusal("return_details", expected, options["return_details"])


def check_model_tokenizer(flow, tokenizer):
    """Returns a model's tokenizer, or the dict of those of some parts, or None.

    Raises:
        ValueError: if one is no tokenizer, or the flow has other classes than its tokens.
    """
    if tokenizer is None:
        return None
    if isinstance(flow, dict):
        if not isinstance(tokenizer, dict) or not set(tokenizer) <= set(flow):
            raise ValueError(
                f"Argument `tokenizer` must be a dict with some of the parts {list(flow)}. "
                f"Received: {describe(tokenizer)}"
            )
        flow = {name: flow[name] for name in tokenizer}
    names = part_names(flow, "tokenizer")
    for one_flow, one_tokenizer, name in list_parts(flow, tokenizer, names):
        num_classes = check_tokenizer(name, one_tokenizer).num_classes
        if not one_flow.discrete or one_flow.data_range != (0, num_classes - 1):
            raise ValueError(
                f"Argument `{name}` must have as many classes as the flow {one_flow!r}. "
                f"Received: {one_tokenizer!r}, which has num_classes={num_classes}"
            )
    return tokenizer


def text_part(model, part):
    """The tuple of the tokenizer and the length in tokens of a model's texts.

    Raises:
        ValueError: if there is no such part, it has no tokenizer, or its variables are no sequence.
    """
    pick_part(part, model.flow)
    check_has_event_shape(model)
    tokenizer, event_shape = model.tokenizer, model.event_shape
    if part is not None:
        tokenizer, event_shape = (tokenizer or {}).get(part), event_shape[part]
    if tokenizer is None:
        raise ValueError(
            "The model has no `tokenizer` for text: give its constructor one, such as "
            f"`datasets.Letters()`. Received: tokenizer={model.tokenizer!r}"
            + ("" if part is None else f", part={part!r}")
        )
    if len(event_shape) != 1:
        raise ValueError(
            "The model's `event_shape` must be (length,) for text. "
            f"Received: event_shape={event_shape}"
        )
    return tokenizer, event_shape[0]


def go_on(complete, starts, window, length, stride, seed):
    """Texts of any length: each window begins with the end of what there is, and is completed.

    Args:
        complete: function of tokens and of which of them are known, both `(num, window)`, and a
            seed, to tokens of whole windows.
        starts: list of integer arrays, how each text begins.
        window: int. How many tokens the model's texts have.
        length: int. How many tokens the texts are to have.
        stride: int. So many tokens are new in each window but the first.
        seed: int or None.

    Returns:
        Tokens, `(num, length)`.
    """
    texts = [np.asarray(start, "int32") for start in starts]
    number = 0
    while min(map(len, texts)) < length:
        x = np.zeros((len(texts), window), "int32")
        mask = np.zeros(x.shape, bool)
        # What fits is seen whole; of a longer text, its end.
        ends = [
            text if len(text) < window else text[len(text) - window + stride :] for text in texts
        ]
        for row, end in enumerate(ends):
            x[row, : len(end)], mask[row, : len(end)] = end, True
        own = seed if number == 0 or seed is None else seed_of(seed, f"window {number}")
        completed = complete(x, mask, own)
        texts = [
            np.concatenate([text, row[len(end) :]])
            for text, row, end in zip(texts, completed, ends, strict=True)
        ]
        number += 1
    return np.stack([text[:length] for text in texts])


def check_length(length, window, stride):
    """The length of texts, and how many tokens are new in each window.

    Raises:
        ValueError: if they are out of their ranges.
    """
    length = window if length is None else check_int("length", length, 1)
    if stride is None:
        return length, max(1, window // 2)
    return length, check_int("stride", stride, 1, window)


def encode_prompts(tokenizer, prompt, num_samples, longest):
    """The tokens of each prompt, `num_samples` times, a list of arrays.

    Raises:
        ValueError: if a prompt is no string, too long, or none of the tokenizer's.
    """
    num_samples = check_int("num_samples", num_samples, 1)
    encoded = _encode_each(tokenizer, prompt, longest)
    return [tokens for tokens in encoded for _ in range(num_samples)]


def _encode_each(tokenizer, prompt, length):
    prompts = [prompt] if isinstance(prompt, str) else prompt
    are_strings = isinstance(prompts, (list, tuple)) and all(isinstance(p, str) for p in prompts)
    if not are_strings or not prompts:
        raise refusal("prompt", "must be a string, or a list of at least one", prompt)
    try:
        encoded = [np.asarray(tokenizer.encode(text)) for text in prompts]
    except ValueError as error:
        raise ValueError(f"Argument `prompt` must suit the model's tokenizer. {error}") from error
    for text, tokens in zip(prompts, encoded, strict=True):
        if len(tokens) > length:
            raise ValueError(
                f"Argument `prompt` must have at most {length} tokens, as the texts will have. "
                f"Received: {len(tokens)} tokens of {text!r}"
            )
    return encoded
