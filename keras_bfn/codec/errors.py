"""What can be wrong with a file."""


class CodecError(Exception):
    """A file cannot be decoded; the message says why. Nothing is returned in its place."""
