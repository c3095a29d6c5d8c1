"""The part of an instance that says where its backups go.

Read by `postolka.instance.parse_backup`. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from postolka.instance import keys

if TYPE_CHECKING:
    from postolka.instance.secret import Secret

#: Where a repository on this machine may be: what the backup's sandbox lets it write to.
LOCAL = "/var/backups/postolka"
#: Rendered files of the room backup.
_FOLDER = "/etc/postolka/backup"
#: The SFTP server in ssh_config there.
_ALIAS = "postolka-backup"
_HTTPS = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class Sftp:
    """A repository on another machine, by SSH."""

    host: str
    user: str
    path: str
    """Of a directory there, absolute or below the user's home."""
    host_keys: tuple[str, ...]
    """Its public keys, as ssh-keyscan(1) prints them without the name: no other is trusted."""
    port: int = 22

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """The keys as known_hosts has them, sshd(8)."""
        name = self.host if self.port == 22 else f"[{self.host}]:{self.port}"  # noqa: PLR2004
        return tuple(f"{name} {key}" for key in self.host_keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """A repository in a bucket of an object store that speaks S3."""

    endpoint: str
    """URL of the service, https."""
    bucket: str
    access_key: str
    secret_key: Secret
    prefix: str = ""
    """A directory in the bucket."""
    region: str = ""
    ca_certificate: str = ""
    """Base64 of the DER certificate that vouches for the endpoint; empty: Debian's authorities."""

    @property
    def ca_pem(self) -> str:
        """The certificate as a PEM document."""
        return keys.pem(self.ca_certificate, "CERTIFICATE")

    @property
    def port(self) -> int:
        """The endpoint's."""
        return urlsplit(self.endpoint).port or _HTTPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """Where backups go, and what they are locked with. Without a place there are none."""

    password: Secret
    """The repository's: who loses it has no backup."""
    ssh_key: Secret | None = None
    """Logs in for `sftp`: an Ed25519 key, base64 of the PKCS#8 DER document."""
    path: str = ""
    """A directory on this machine."""
    sftp: Sftp | None = None
    s3: S3 | None = None

    @property
    def port(self) -> int:
        """The port that the firewall has to open; 0: none."""
        place = self.sftp or self.s3
        return place.port if place else 0

    @property
    def repository(self) -> str:
        """The place as restic(1) names it; empty: none."""
        if self.sftp:
            # The host's port and user are in ssh_config; a colon would end an IPv6 address.
            return f"sftp:{_ALIAS}:{self.sftp.path}"
        if self.s3:
            url = self.s3.endpoint.rstrip("/")
            return "/".join(filter(None, (f"s3:{url}", self.s3.bucket, self.s3.prefix)))
        return self.path

    @property
    def environment(self) -> dict[str, str]:
        """What restic has to know, secrets among it."""
        found = {"RESTIC_REPOSITORY": self.repository, "RESTIC_PASSWORD": str(self.password)}
        if self.s3:
            found["AWS_ACCESS_KEY_ID"] = self.s3.access_key
            found["AWS_SECRET_ACCESS_KEY"] = str(self.s3.secret_key)
            if self.s3.region:
                found["AWS_DEFAULT_REGION"] = self.s3.region
            if self.s3.ca_certificate:
                found["RESTIC_CACERT"] = f"{_FOLDER}/authority.pem"
        return found

    @property
    def ssh(self) -> tuple[str, ...]:
        """The command that reaches the SFTP server; empty: there is none."""
        return ("ssh", "-F", f"{_FOLDER}/ssh_config", _ALIAS, "-s", "sftp") if self.sftp else ()

    @property
    def ssh_key_pem(self) -> str:
        """The key that logs in as a PEM document, where it is used."""
        return keys.pem(self.ssh_key) if self.sftp and self.ssh_key else ""
