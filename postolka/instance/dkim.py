"""Make the keys by which a domain's mail is signed."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from postolka.instance import keys

_RSA_BITS = 2048


def new_keys(name: str = "") -> list[dict[str, str]]:
    """Make both keys of a domain, as they stand in its data.

    Without a `name` for their selectors each is named by its key, so that it never stands for
    another one.
    """
    made = (
        ("rsa", keys.encode(rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS))),
        ("ed25519", keys.encode(ed25519.Ed25519PrivateKey.generate())),
    )
    return [
        {
            "selector": f"{name}-{algorithm}" if name else f"{algorithm}-{_digest(key)}",
            "algorithm": algorithm,
            "private_key": key,
        }
        for algorithm, key in made
    ]


def _digest(key: str) -> str:
    return keys.spki_sha256(key)[:8]
