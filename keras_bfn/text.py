"""Text generation: a model with a tokenizer generates strings, or continues a prompt."""

import inspect

import numpy as np

from keras_bfn._parts import (
    check_has_event_shape,
    check_names,
    list_parts,
    map_parts,
    of_any_part,
    pick_part,
)
from keras_bfn._random import seed_of
from keras_bfn._validation import check_int, mismatch, refusal, refuse_details, to_numpy
from keras_bfn.datasets.tokenizers import check_tokenizer


def generate_text(model, num_samples, num_steps, length, stride, part, options):
    """Returns the result of `BayesianFlowNetwork.generate_text` for these arguments."""
    tokenizer, window = text_part(model, part)
    check_options(options, "generate_text", model.generate)
    check_tokens(options.get("given"), part)
    length = check_length(length, window, options)
    stride = check_stride(stride, window)
    samples = model.generate(num_samples, num_steps, **options)
    tokens = samples if part is None else samples[part]
    if length != window:
        first_only = "sampler", "given", "latents", "lengths"
        options = {name: value for name, value in options.items() if name not in first_only}
        if options.get("num_particles") is None:
            options.pop("num_particles", None)
        options["seed"] = seed_of(options.get("seed"), "continuation")
        tokens = _go_on(model, tokens, part, window, length, stride, num_steps, options)
    return decode(tokenizer, tokens)


def continue_text(model, prompt, num_samples, num_steps, length, stride, part, options):
    """Returns the result of `BayesianFlowNetwork.continue_text` for these arguments."""
    tokenizer, window = text_part(model, part)
    check_options(options, "continue_text", model.inpaint)
    length = check_length(length, window, options)
    stride = check_stride(stride, window)
    starts = encode_prompts(tokenizer, prompt, num_samples, length)
    check_lengths(options.get("lengths"), starts, part)
    tokens = _go_on(model, starts, part, window, length, stride, num_steps, options)
    return decode(tokenizer, tokens)


def _go_on(model, starts, part, window, length, stride, num_steps, options):
    """Returns sequences that continue `starts`, of all parts or of one."""

    def complete(x, seed):
        return model.inpaint(x, None, num_steps, **(options | {"seed": seed}))

    starts = starts if part is None else {part: starts}
    found = go_on(complete, starts, window, length, stride, options.get("seed"))
    return found if part is None else found[part]


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


def check_options(options, verb, function):
    """Checks further arguments, which are those of `function`, without details.

    Raises:
        TypeError: if one is not an argument of `function`.
        ValueError: if details are requested beside the sequences.
    """
    taken = {"x", "known", "num_samples", "num_steps"}  # by the caller itself
    accepted = [name for name in inspect.signature(function).parameters if name not in taken]
    for name in options:
        if name not in accepted:
            accepted.remove("return_details")
            raise TypeError(
                f"`{verb}` passes further arguments to `{function.__name__}`, which must be some "
                f"of {accepted}. Received: {name}={options[name]!r}"
            )
    refuse_details(options, function)


def check_length(length, window, options):
    """Returns the number of tokens of texts, by default those of a window.

    Raises:
        ValueError: if it is not an int of at least 1, or if texts of several windows are to end
            within one.
    """
    length = window if length is None else check_int("length", length, 1)
    if length > window and options.get("lengths") is not None:
        expected = f"must be None for a `length` above {window}, the tokens of a window"
        raise refusal("lengths", expected, options["lengths"])
    return length


def check_stride(stride, window):
    """Returns the number of new tokens in each window after the first, by default half a window."""
    return max(1, window // 2) if stride is None else check_int("stride", stride, 1, window)


def go_on(complete, starts, window, length, stride, seed):
    """Extends sequences: each window starts with the end of the sequence so far, and is completed.

    Args:
        complete: function that takes data of whole windows, `(num, window, ...)`, or a dict of the
            parts', with -1 or NaN for unknown values, and a seed; it returns the completed data.
        starts: the start of each sequence, a list of arrays `(steps, ...)`, or a dict of the
            parts'.
        window: int. The number of steps of the model's data.
        length: int. The number of steps of the resulting sequences.
        stride: int. The number of new steps in each window but the first.
        seed: int or None.

    Returns:
        An array, `(num, length, ...)`, or a dict of the parts'.
    """
    found, number = map_parts(list, starts), 0
    while min(map(len, of_any_part(found))) < length:
        # A sequence that fits into a window is given whole, of a longer one the end.
        ends = map_parts(
            lambda part: [x if len(x) < window else x[len(x) - window + stride :] for x in part],
            found,
        )
        own = seed_of(seed, f"window {number}") if number else seed
        completed = complete(map_parts(lambda part: _pad(part, window), ends), own)
        found = map_parts(_append, found, ends, completed)
        number += 1
    return map_parts(lambda part: np.stack([x[:length] for x in part]), found)


def _pad(ends, window):
    nothing = -1 if ends[0].dtype.kind == "i" else np.nan
    x = np.full((len(ends), window, *ends[0].shape[1:]), nothing, ends[0].dtype)
    for row, end in zip(x, ends, strict=True):
        row[: len(end)] = end
    return x


def _append(found, ends, completed):
    parts = zip(found, ends, completed, strict=True)
    return [np.concatenate([x, row[len(end) :]]) for x, end, row in parts]
