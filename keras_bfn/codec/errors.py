"""The error that the codec raises."""


class CodecError(Exception):
    """Data cannot be coded, or a file cannot be decoded; the message says why.

    Example:

    ```python
    try:
        images = keras_bfn.codec.Codec(model).decompress(data)
    except keras_bfn.codec.CodecError as error:
        print(error)
    ```
    """
