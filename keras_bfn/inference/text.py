"""Text generation: a model with a tokenizer generates strings, or continues a prompt."""

import numpy as np

from keras_bfn._parts import check_has_event_shape, check_names, list_parts, pick_part
from keras_bfn._validation import check_int, mismatch, refusal, to_numpy
from keras_bfn.datasets.tokenizers import check_tokenizer


def decode(tokenizer, tokens):
    """Returns the strings of rows of tokens, in which -1 means missing."""
    if (tokens >= 0).all():
        return tokenizer.decode(tokens)
    return [tokenizer.decode(row[row >= 0]) for row in tokens]


def check_model_tokenizer(flow, tokenizer):
    """Returns a model's tokenizer, a dict of the tokenizers of some parts, or None.

    Raises:
        ValueError: if one is not a tokenizer, or its number of tokens differs from the flow's
            classes.
    """
    if tokenizer is None:
        return None
    names = check_names(flow, tokenizer, "tokenizer", some=True)
    for one, own_flow, name in list_parts(tokenizer, flow, names):
        num_classes = check_tokenizer(name, one).num_classes
        if not own_flow.discrete or own_flow.data_range != (0, num_classes - 1):
            expected = f"must have as many classes as the flow {own_flow!r}"
            raise mismatch(name, expected, f"{one!r}, which has num_classes={num_classes}")
    return tokenizer


def text_part(model, part):
    """Returns the tuple of the tokenizer and the length in tokens of a model's texts.

    Raises:
        ValueError: if the part does not exist, has no tokenizer, or is not a sequence.
    """
    pick_part(part, model.flow)
    check_has_event_shape(model)
    tokenizer, event_shape = model.tokenizer, model.event_shape
    if part is not None:
        tokenizer, event_shape = (tokenizer or {}).get(part), event_shape[part]
    if tokenizer is None:
        raise ValueError(
            "The model has no `tokenizer` for text. Pass one to the constructor, such as "
            f"`datasets.Letters()`. Received: tokenizer={model.tokenizer!r}, part={part!r}"
        )
    if len(event_shape) != 1:
        raise ValueError(
            "The model's `event_shape` must be (length,) for text. "
            f"Received: event_shape={event_shape}"
        )
    return tokenizer, event_shape[0]


def check_tokens(given, part):
    """Raises a `ValueError` if strings are given in place of tokens."""
    given = given.get(part) if isinstance(given, dict) else given
    first = given[0] if isinstance(given, (list, tuple)) and given else given
    if isinstance(first, str):
        expected = "must be tokens of `model.tokenizer.encode`, and -1 for those to sample"
        raise refusal("given", expected, given)


def encode_prompts(tokenizer, prompt, num_samples, longest):
    """Returns the tokens of each prompt, `num_samples` times, as a list of int32 arrays.

    Raises:
        ValueError: if a prompt is not a string, is too long, or cannot be encoded.
    """
    num_samples = check_int("num_samples", num_samples, 1)
    prompts = prompt.tolist() if hasattr(prompt, "tolist") else prompt
    prompts = [prompts] if isinstance(prompts, str) else prompts
    are_strings = isinstance(prompts, (list, tuple)) and all(isinstance(p, str) for p in prompts)
    if not are_strings or not prompts:
        raise refusal("prompt", "must be a string, or a non-empty list of strings", prompt)
    try:
        encoded = [np.asarray(tokenizer.encode(text), "int32") for text in prompts]
    except ValueError as error:
        raise ValueError(f"Argument `prompt` must fit the model's tokenizer. {error}") from error
    for text, tokens in zip(prompts, encoded, strict=True):
        if len(tokens) > longest:
            expected = f"must have at most {longest} tokens, the length of the texts"
            raise mismatch("prompt", expected, f"{len(tokens)} tokens of {text!r}")
    return [tokens for tokens in encoded for _ in range(num_samples)]


def check_lengths(lengths, starts, part):
    """Raises a `ValueError` if texts are to end within their prompts."""
    lengths = to_numpy(lengths.get(part) if isinstance(lengths, dict) else lengths, "lengths")
    sizes = np.array([len(start) for start in starts])
    are_lengths = lengths.dtype.kind in "iu" and lengths.shape in ((), sizes.shape)
    if are_lengths and (lengths < sizes).any():
        expected = f"must be at least those of the prompts, {sizes.tolist()} tokens"
        raise refusal("lengths", expected, lengths.tolist())
