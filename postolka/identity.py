"""Make the identity of a new instance: keys, passwords, its data as user-data, and its zone.

Everything secret is made here, with the operating system's random numbers, and written nowhere but
into the files that `write` leaves.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bcrypt
import jinja2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from postolka import files
from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.home import CHECKOUT
from postolka.instance import dkim, dns, grammar, keys
from postolka.instance.parse import parse
from postolka.instance.parse_transport import RELAY_PORTS
from postolka.instance.passwords import new_password
from postolka.instance.templates import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyinfra_deploys.room import Port

#: The image's login user, whose keys cloud-init installs.
LOGIN_USER = "admin"
_ADMIN = "admin"
_QUOTA_MIB = 1024
#: A login costs 60 ms at 10. More would buy nothing for passwords of 120 random bits.
_BCRYPT_ROUNDS = 10
_TLS_KEYS = ("key", "next_key")
_DATABASE_ACCOUNTS = ("postfix", "dovecot", "dovecot_quota", "postfixadmin", "amavis", "roundcube")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for; names in lower case, not yet checked."""

    domain: str
    hostname: str
    addresses: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    """Local parts of the mailboxes to create."""
    next_hop: str = ""
    """HOST or HOST:PORT that the domain's mail goes on to; empty: there are mailboxes here."""
    clients: tuple[str, ...] = ()
    """Networks of servers that send by this one, where there are no mailboxes."""
    acme: bool = False
    """Whether to order certificates from the authority that is the default."""

    @property
    def has_mailboxes(self) -> bool:
        """Whether mail is delivered on the server; else it goes on to the next hop."""
        return not self.next_hop


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The files of a new instance."""

    user_data: bytes
    zone: str
    credentials: dict[str, Any]
    """As credentials.json holds it; `ssh.key` is filled in by `write`."""
    ssh_private_key: bytes
    ssh_public_key: str


def check(request: Request) -> None:
    """Raise ProblemsError naming everything that is wrong with `request`."""
    checks = [("DOMAIN", request.domain, grammar.dns_name)]
    if not grammar.dns_name(request.domain) or not request.hostname.endswith(request.domain):
        # Otherwise the name comes from the domain, and one problem would be told twice.
        checks.append(("--hostname", request.hostname, grammar.hostname))
    checks += [("--address", item, grammar.address) for item in request.addresses]
    checks += [("--account", item, grammar.local_part) for item in request.accounts]
    checks += [("--client", item, grammar.client_network) for item in request.clients]
    if not request.has_mailboxes:
        checks.append(("--next-hop", request.next_hop, _next_hop_problem))
    problems = [
        Problem(option, f'"{value}" {problem}')
        for option, value, test in checks
        if (problem := test(value))
    ]
    if request.accounts and not request.has_mailboxes:
        problems.append(Problem("--account", "there are no mailboxes with --next-hop"))
    if request.clients and request.has_mailboxes:
        problems.append(Problem("--client", "is for --next-hop; where there are mailboxes, log in"))
    for option, values in (
        ("--address", request.addresses),
        ("--account", request.accounts),
        ("--client", request.clients),
    ):
        problems += [
            Problem(option, f'"{value}" is given more than once')
            for value in sorted(set(values))
            if values.count(value) > 1
        ]
    if problems:
        raise ProblemsError("instance new", problems)


def make(
    request: Request,
    *,
    serial: int,
    ports: Iterable[Port],
    live: Mapping[str, dns.Live] | None = None,
) -> Identity:
    """Make the identity that `request` asks for. Raises ProblemsError for a bad request.

    `live` is what the domain has published, where the zone is to be built upon that.
    """
    check(request)
    admin = _account(_ADMIN, request.domain)
    accounts = [
        admin if name == _ADMIN else _account(name, request.domain) for name in request.accounts
    ]
    ssh = _new_ed25519()
    public = ssh.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    ssh_public_key = f"{public.decode('ascii')} {LOGIN_USER}@{request.hostname}"
    backup = {"password": new_password(), "ssh_key": keys.encode(_new_ed25519())}
    data = _render(
        "instance.yaml.j2",
        serial=serial,
        hostname=request.hostname,
        addresses=request.addresses,
        domain=request.domain,
        admin=admin,
        accounts=accounts,
        dkim=dkim.new_keys(),
        tls={name: keys.encode(ec.generate_private_key(ec.SECP256R1())) for name in _TLS_KEYS},
        database={name: new_password() for name in _DATABASE_ACCOUNTS},
        next_hop=None if request.has_mailboxes else _host_and_port(request.next_hop),
        clients=request.clients,
        acme=request.acme,
        backup=backup,
    )
    boundary = f"postolka-{hashlib.sha256(data.encode()).hexdigest()[:32]}"
    user_data = _render("user-data.j2", boundary=boundary, ssh_key=ssh_public_key, instance=data)
    instance = parse(user_data.encode("ascii"))
    return Identity(
        user_data=user_data.encode("ascii"),
        zone=dns.zone(instance, ports, live),
        credentials={
            "hostname": request.hostname,
            "accounts": _logins(accounts or [admin]) if request.has_mailboxes else [],
            "admin": _logins([admin])[0],
            "ssh": {"user": LOGIN_USER, "key": ""},
            "backup": {"password": backup["password"]},
        },
        ssh_private_key=ssh.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ),
        ssh_public_key=f"{ssh_public_key}\n",
    )


def write(identity: Identity, directory: Path) -> None:
    """Write the files of `identity` to `directory`, which must be absent or empty: all or nothing.

    Raises PostolkaError where the directory holds something or can't be written.
    """
    where = str(directory)
    directory = directory.absolute()
    try:
        refuse_used(directory)
        directory.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        try:
            _fill(work, identity, directory)
            work.rename(directory)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        problem = f"can't be written: {error.strerror or error}"
        raise PostolkaError(where, problem, hint="choose another -o DIR") from error


def replace_file(path: Path, content: bytes, *, mode: int) -> None:
    """Put a file in its place, wholly or not at all. Raises PostolkaError where that can't be."""
    try:
        files.replace(path, content, mode=mode, is_durable=True)
    except OSError as error:
        raise PostolkaError(str(path), f"can't be written: {error.strerror or error}") from error


def refuse_used(directory: Path) -> None:
    """Raise PostolkaError where `directory` is there and holds something, or is a file."""
    hint = "choose another -o DIR, or remove this one: its keys can't be made again"
    if directory.is_dir() and not directory.is_symlink():
        if any(directory.iterdir()):
            raise PostolkaError(str(directory), "is not empty", hint=hint)
    elif directory.exists() or directory.is_symlink():
        raise PostolkaError(str(directory), "is not a directory", hint=hint)


def _fill(work: Path, identity: Identity, home: Path) -> None:
    credentials = {**identity.credentials}
    credentials["ssh"] = {**credentials["ssh"], "key": str(home / "ssh-key")}
    contents: Sequence[tuple[str, int, bytes]] = (
        ("user-data", 0o600, identity.user_data),
        ("zone", 0o644, identity.zone.encode("ascii")),
        ("credentials.json", 0o600, f"{json.dumps(credentials, indent=2)}\n".encode("ascii")),
        ("ssh-key", 0o600, identity.ssh_private_key),
        ("ssh-key.pub", 0o644, identity.ssh_public_key.encode("ascii")),
    )
    for name, mode, content in contents:
        files.write_new(work / name, content, mode=mode, is_durable=True)


def _host_and_port(text: str) -> tuple[str, str]:
    """Take HOST:PORT apart; the port is 25 where there is none, as behind an IPv6 address."""
    host, colon, port = text.rpartition(":")
    return (host, port) if colon and ":" not in host else (text, "25")


def _next_hop_problem(text: str) -> str | None:
    host, port = _host_and_port(text)
    if port not in map(str, RELAY_PORTS):
        return f"has none of the ports {RELAY_PORTS}"
    return grammar.host_or_address(host)


def _render(template: str, **values: object) -> str:
    loader = jinja2.FileSystemLoader(CHECKOUT / "cloud-init")
    return environment(loader).get_template(template).render(**values)


def _new_ed25519() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def _account(local_part: str, domain: str) -> dict[str, Any]:
    password = new_password()
    salt = bcrypt.gensalt(_BCRYPT_ROUNDS)
    return {
        "address": f"{local_part}@{domain}",
        "password": password,
        "password_hash": bcrypt.hashpw(password.encode("ascii"), salt).decode("ascii"),
        "quota_mib": _QUOTA_MIB,
    }


def _logins(accounts: Iterable[dict[str, Any]]) -> list[dict[str, str]]:
    return [{name: account[name] for name in ("address", "password")} for account in accounts]
