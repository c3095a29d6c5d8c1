"""What an instance is: the validated, immutable form of its data, as templates see it.

Made by `postolka.instance.parse` only, so each text holds nothing but the characters of its
grammar: a template may write any field below into a daemon's configuration as it stands.
Pure: no I/O.
"""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from postolka.instance import keys
from postolka.instance.authority import Acme
from postolka.instance.bans import Bans
from postolka.instance.exceptions import Exceptions
from postolka.instance.filters import Filters
from postolka.instance.resolver import Dns, of_version
from postolka.instance.secret import Secret
from postolka.instance.transport import ZEN, Dnsbl, Postscreen, Relay

if TYPE_CHECKING:
    from postolka.instance.backup import Backup

#: Version of the document's form.
FORMAT = 1

#: Local parts that every domain must answer for (RFC 2142; root: what cron and daemons write to).
ROLES = ("abuse", "hostmaster", "postmaster", "root", "webmaster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """The person who runs the server."""

    address: str
    """Where mail to the roles of every domain goes; also the name of PostfixAdmin's superadmin."""
    password_hash: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimKey:
    """One signing key of a domain."""

    selector: str
    algorithm: Literal["rsa", "ed25519"]
    private_key: Secret
    """Base64 of the PKCS#8 DER document, one line."""
    role: Literal["active", "next", "retired"] = "active"
    """active: signs; next: published, signs later; retired: published, signs no more."""

    @property
    def pem(self) -> Secret:
        """The private key as a PEM document."""
        return Secret(keys.pem(self.private_key))

    @property
    def record(self) -> str:
        """The TXT record to publish, unsplit."""
        return keys.dkim_record(self.private_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain whose mail this server takes and signs."""

    name: str
    dkim: tuple[DkimKey, ...]

    @property
    def signing_keys(self) -> tuple[DkimKey, ...]:
        """The keys that sign outgoing mail now."""
        return tuple(key for key in self.dkim if key.role == "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The server's TLS key and its successor; both stand in the TLSA records (RFC 7671, 8.1)."""

    key: Secret
    next_key: Secret
    certificate: tuple[str, ...] = ()
    """Base64 of DER: the server's own certificate for `key`, then those that lead to an authority;
    empty: one is ordered, or the key signs its own."""

    @property
    def chain_pem(self) -> str:
        """The own certificates as one PEM document; empty: none."""
        return "".join(keys.pem(item, "CERTIFICATE") for item in self.certificate)

    @property
    def key_pem(self) -> Secret:
        """The key in use as a PEM document."""
        return Secret(keys.pem(self.key))

    @property
    def spki_sha256(self) -> tuple[str, str]:
        """Hex digests for TLSA `3 1 1`, the key in use first."""
        return keys.spki_sha256(self.key), keys.spki_sha256(self.next_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where the database is, and the passwords of its accounts under the accounts' names."""

    postfix: Secret
    """Reads domains, mailboxes and aliases."""
    dovecot: Secret
    """Reads mailboxes."""
    dovecot_quota: Secret
    """Writes `quota2` only."""
    postfixadmin: Secret
    """Owns the tables' rows."""
    amavis: Secret
    """Reads which domains there are."""
    roundcube: Secret
    """Owns the rows of Roundcube's tables, and writes mailboxes' passwords."""
    host: str = ""
    """Another machine's MariaDB, a name or an address; empty: this machine's own, by its socket."""
    port: int = 3306
    ca_certificate: str = ""
    """Base64 of the DER certificate that vouches for `host`; it is reached by TLS only."""

    @property
    def ca_pem(self) -> str:
        """The certificate as a PEM document."""
        return keys.pem(self.ca_certificate, "CERTIFICATE")

    @property
    def address(self) -> str:
        """Host and port as daemons write them together."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def clients(self) -> str:
        """From which hosts the accounts may come, as SQL has it after the @."""
        return "%" if self.host else "localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A mailbox to create where it was never created before; afterwards SQL owns it."""

    address: str
    password_hash: Secret
    quota_mib: int = 1024

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An alias to create where it was never created before; afterwards SQL owns it."""

    address: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dmarc:
    """What the DMARC check has to know of others."""

    trusted_forwarders: tuple[str, ...] = ()
    """Addresses and networks of hosts whose mail isn't judged: they pass on that of others and
    break its signatures (a mailing list's host, a forwarder)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One mail server's identity."""

    serial: int = 0
    """The higher, the newer; data without one are older than any with one."""
    hostname: str
    """Fully qualified, lower case, at most 64 characters."""
    addresses: tuple[str, ...]
    """Public addresses as the DNS shows them, canonical form; may be empty (DHCP)."""
    admin: Admin
    domains: tuple[Domain, ...]
    """At least one; the first is the primary domain."""
    tls: Tls
    database: Database | None = None
    """None: there are no mailboxes, and each domain's mail goes on to one of `relays`."""
    clients: tuple[str, ...] = ()
    """Networks of the servers that send by this one, where there are no mailboxes."""
    accounts: tuple[Account, ...] = ()
    aliases: tuple[Alias, ...] = ()
    acme: Acme = field(default_factory=Acme)
    dns: Dns = field(default_factory=Dns)
    dmarc: Dmarc = Dmarc()
    authorities: tuple[str, ...] = ()
    """More certification authorities that vouch for others' servers: base64 of DER."""
    ntp: tuple[str, ...] = ()
    """Time servers, names or addresses; empty: the image's own choice."""
    postscreen: Postscreen = field(default_factory=Postscreen)
    relays: tuple[Relay, ...] = ()
    """At most one for each destination and sender."""
    dqs_key: Secret | None = None
    """Spamhaus's key for its Data Query Service; None: its public lists are asked."""
    filters: Filters = field(default_factory=Filters)
    bans: Bans = field(default_factory=Bans)
    exceptions: Exceptions = field(default_factory=Exceptions)
    """In templates only those that hold today."""
    backup: Backup | None = None
    """Where backups go; None: there are none."""

    @property
    def domain(self) -> str:
        """The primary domain's name."""
        return self.domains[0].name

    @property
    def has_mailboxes(self) -> bool:
        """Whether mail is delivered here; else it goes on to other servers."""
        return self.database is not None

    @property
    def relayed(self) -> frozenset[str]:
        """The domains whose mail is given to a relay host."""
        return frozenset(name for relay in self.relays for name in relay.destinations)

    @property
    def database_elsewhere(self) -> Database | None:
        """The database, where it is another machine's."""
        return self.database if self.database and self.database.host else None

    @property
    def ipv4(self) -> tuple[str, ...]:
        """Public IPv4 addresses."""
        return of_version(self.addresses, 4)

    @property
    def ipv6(self) -> tuple[str, ...]:
        """Public IPv6 addresses."""
        return of_version(self.addresses, 6)

    @property
    def authorities_pem(self) -> tuple[str, ...]:
        """The further authorities' certificates as PEM documents."""
        return tuple(ssl.DER_cert_to_PEM_cert(base64.b64decode(item)) for item in self.authorities)

    @property
    def dnsbl_sites(self) -> tuple[Dnsbl, ...]:
        """The lists that postscreen asks: with a key, Spamhaus's by the key's own name."""
        own = f"{self.dqs_key}.zen.dq.spamhaus.net"
        return tuple(
            replace(item, site=own) if self.dqs_key and item.site == ZEN else item
            for item in self.postscreen.dnsbl
        )

    @property
    def ntp_names(self) -> tuple[str, ...]:
        """The time servers that have to be looked up in the DNS first."""
        return tuple(
            item for item in self.ntp if ":" not in item and not item.rpartition(".")[2].isdigit()
        )

    @property
    def roles(self) -> tuple[str, ...]:
        """Local parts that every domain answers for."""
        return ROLES

    @property
    def mailboxes(self) -> tuple[Account, ...]:
        """The seed accounts, and the admin's own where its address is in a domain of this server.

        An account of the data that has the admin's address stands for both.
        """
        names = {domain.name for domain in self.domains}
        own = Account(address=self.admin.address, password_hash=self.admin.password_hash)
        if own.domain not in names or any(own.address == item.address for item in self.accounts):
            return self.accounts
        return (*self.accounts, own)

    @property
    def all_aliases(self) -> tuple[Alias, ...]:
        """The aliases of the data, then each domain's roles that nothing else answers for."""
        taken = {item.address for item in self.aliases} | {item.address for item in self.mailboxes}
        roles = (f"{role}@{domain.name}" for domain in self.domains for role in ROLES)
        return (
            *self.aliases,
            *(
                Alias(address=address, targets=(self.admin.address,))
                for address in roles
                if address not in taken
            ),
        )
