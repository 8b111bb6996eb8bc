"""Definition and key of a task, and their one canonical encoding (SPEC section 5)."""

import hashlib


def digest(*parts: str) -> str:
    """20 hex digits over parts in order; no two different sequences encode alike."""
    encoded = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(encoded.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def definition(text: str) -> str:
    """The digest of a task's normalised description and body (see taskfile.definition for the rules)."""
    return digest("definition 1", text)
