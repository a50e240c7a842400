"""Text that every store and file takes: JSON may hold lone surrogates, which UTF-8 cannot."""


def storable(text: str) -> str:
    """`text` with what UTF-8 cannot hold written as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
