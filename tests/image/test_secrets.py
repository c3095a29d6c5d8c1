"""An image can be published: whatever tells one machine from another is made on the machine."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
import stat
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import home
from pyinfra_deploys import server
from tests.image.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.build import Built

_KEY = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
#: What a generator of passwords, or base64, writes; and digests, which keys may be told by.
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{32,}")
#: Of 20 random letters and digits nearly all are above it, and it takes no word to be one.
_BITS_PER_CHARACTER = 3.7
_WORD = re.compile(r"[a-z]{6}|[A-Z]{6}|[A-Z]?[a-z]{3,}[_/-]|[_/-][A-Z]?[a-z]{3,}")
#: dpkg's and ucf's own records of the packages: digests of what they bring.
_RECORDS = ("var/lib/dpkg/", "var/lib/ucf/hashfile")
#: Made by a package's script, by the first boot, or by whoever logs in: a machine's own.
_ITS_OWN = (
    "etc/bind/rndc.key",
    "etc/roundcube/config.inc.php",
    "etc/ssh/ssh_host_*",
    "etc/ssl/private/*",
    "etc/hostid",
    "root/.*history",
    "var/lib/dbus/machine-id",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
)


@pytest.fixture(name="image", scope="module")
def _image(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Mount the root of the image."""
    with mounted(built.root_layers, tmp_path_factory.mktemp("image")) as path:
        yield path


@pytest.fixture(name="modes", scope="module")
def _modes(image: Path) -> dict[str, int]:
    """Return the mode of each regular file, by its path."""
    paths = ((path, path.lstat().st_mode) for path in image.rglob("*"))
    return {str(path.relative_to(image)): mode for path, mode in paths if stat.S_ISREG(mode)}


@pytest.fixture(name="made", scope="module")
def _made(image: Path, modes: dict[str, int]) -> dict[str, bytes]:
    """Return the content of each file that no package brings as it is, by its path.

    What a package brings is public. So is what Python compiled of it.
    """
    digests = _shipped(image)
    found = {}
    for name in modes:
        if name.startswith(_RECORDS):
            continue
        content = (image / name).read_bytes()
        if hashlib.md5(content, usedforsecurity=False).hexdigest() not in digests:
            found[name] = content
    compiled = [name for name in found if name.endswith(".pyc")]
    for name in compiled:
        source = Path(name).parent.parent / (Path(name).name.partition(".")[0] + ".py")
        if str(source) not in found and (image / source).exists():
            del found[name]
    return found


def _shipped(image: Path) -> set[str]:
    """Return the MD5 of each file of a package, as dpkg has it."""
    records = image / _RECORDS[0]
    lines = [
        line
        for file in (records / "info").glob("*.md5sums")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    digests = {line.split()[0] for line in lines}
    status = (records / "status").read_text(encoding="utf-8")
    return digests | set(re.findall(r"^ /\S+ ([0-9a-f]{32})", status, re.MULTILINE))


def _tokens(text: str) -> set[str]:
    """Return whatever in a text looks as if it had been drawn."""
    text = _CERTIFICATE.sub("", text)
    drawn = {token for token in _TOKEN.findall(text) if _is_drawn(token)}
    return drawn | set(_HEXADECIMAL.findall(text))


def _is_drawn(token: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit)
    if _WORD.search(token) or not all(any(map(kind, token)) for kind in kinds):
        return False
    counts = Counter(token).values()
    bits = -sum(count / len(token) * math.log2(count / len(token)) for count in counts)
    return bits > _BITS_PER_CHARACTER


def test_a_secret_would_be_seen() -> None:
    """Of five that were drawn one may pass for a word, and an image would hold some."""
    drawn = [hashlib.shake_256(bytes([n])).digest(18) for n in range(200)]
    seen = [_tokens(f"password = '{base64.b64encode(secret).decode('ascii')}'") for secret in drawn]
    assert sum(map(bool, seen)) > 160
    assert _tokens(f"key={drawn[0].hex()}")
    assert not _tokens("usr/share/doc/libtasn1-6/README mozilla/IdenTrust_Public_Sector_Root_CA_1")


def test_no_private_key_is_in_it(made: dict[str, bytes]) -> None:
    """Packages show keys of nobody in their documentation; there is no other one."""
    assert [name for name, content in made.items() if _KEY.search(content)] == []


def test_nothing_in_it_was_drawn(made: dict[str, bytes]) -> None:
    """No password, no key of a database, no seed: what looks like one stands in the sources."""
    sources = [home.CHECKOUT / "postolka", home.CHECKOUT / "pyinfra_deploys"]
    public = set()
    for file in (file for source in sources for file in source.rglob("*") if file.is_file()):
        content = file.read_bytes()
        # One of the image's files names the script that made it by its digest.
        public |= _tokens(content.decode("utf-8", errors="ignore"))
        public.add(hashlib.sha256(content).hexdigest())
    found = {}
    for name, content in made.items():
        try:
            tokens = _tokens(content.decode("utf-8")) - public
        except UnicodeDecodeError:
            continue
        if tokens:
            found[name] = sorted(tokens)
    assert found == {}


def test_no_password_logs_in(image: Path) -> None:
    """Nobody has one, root neither."""
    for name in ("etc/shadow", "etc/gshadow"):
        lines = (image / name).read_text(encoding="utf-8").splitlines()
        assert {line.split(":")[1] for line in lines} <= {"*", "!", "!*", "!!"}, name
    asked = (image / "var/cache/debconf/passwords.dat").read_text(encoding="utf-8")
    assert "\nValue:" not in asked


def test_what_is_a_machines_own_is_not_there(image: Path) -> None:
    """Two machines of one image have nothing in common that either should keep for itself."""
    assert [str(path) for name in _ITS_OWN for path in image.glob(name)] == []
    assert (image / "etc/machine-id").read_bytes() == b""


def test_privileged_programs_are_the_rooms(image: Path, modes: dict[str, int]) -> None:
    """No other one gives whoever starts it more rights, and none has a capability of its own."""
    both = stat.S_ISUID | stat.S_ISGID
    assert sorted(f"/{name}" for name, mode in modes.items() if mode & both) == server.privileged(
        server.all_rooms()
    )
    capable = [name for name in modes if "security.capability" in os.listxattr(image / name)]
    assert capable == []
