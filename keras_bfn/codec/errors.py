"""What can be wrong with a file."""


class CodecError(Exception):
    """Data cannot be coded, or a file cannot be decoded; the message says why."""
