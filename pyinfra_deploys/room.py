"""The vocabulary in which a room states its facts, and the reader that collects them.

A room is a package `pyinfra_deploys.<service>` whose module constants are data:

    PACKAGES   names of the Debian packages it needs                        tuple[str, ...]
    DEBCONF    answers to their questions, as debconf-set-selections reads  tuple[str, ...]
    USERS      system accounts with pinned ids                              tuple[User, ...]
    PORTS      what it listens on                                           tuple[Port, ...]
    HOSTS      names before each mail domain's that lead to a port          tuple[Host, ...]
    EGRESS     what it may reach outside                                    tuple[Egress, ...]
    UNITS      systemd units to enable                                      tuple[Unit, ...]
    STATE      directories that outlive the image                           tuple[State, ...]
    FILES      owner and mode of files that aren't root's 0644              dict[str, Attributes]
    CHECKS     commands (argv), run in the root at bake, that check its files  tuple[argv, ...]
    READS      files and directories that CHECKS read, of all that rooms install  tuple[str, ...]
    READERS    units that read what is rendered at boot                     tuple[Reader, ...]
    CHECKERS   commands (argv) with something to say about a mistake there  tuple[argv, ...]
    EFFECTIVE  commands (argv) that show the configuration on the machine   tuple[argv, ...]
    MASKED     units of its packages that must never start                  tuple[str, ...]
    PRIVILEGED programs that keep their set-user-ID or set-group-ID bit     tuple[str, ...]
    SANDBOX    the limits of its services                                   tuple[Sandbox, ...]
    SETTING    the boolean setting without which the room isn't there       str

beside `rootfs/` (baked; `.j2` rendered from settings) and `instance/` (rendered at each boot).
Beside its deploy it may have one called `generate`, without parameters, for what takes long and
comes from the packages alone: in an image that is a layer of its own.

A constant that a room doesn't need is left out. Pure: no I/O but the room's own folder, no pyinfra.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from pyinfra_deploys.sandbox import Sandbox
    from pyinfra_deploys.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A system account, made before the first package is unpacked.

    The id is pinned so that a file on the state partition means the same in every generation.
    """

    name: str
    id: int
    """uid, and gid of the group of the same name: 100 to 999, 1000 the operator, 5000 the mail."""
    home: str = "/nonexistent"
    shell: str = "/usr/sbin/nologin"
    comment: str = ""
    groups: tuple[str, ...] = ()
    """Supplementary groups, each some room's user or Debian's static group."""
    is_group_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port that a daemon listens on; the firewall, DNS and the health check read it here."""

    number: int
    protocol: Literal["tcp", "udp"] = "tcp"
    name: str
    """IANA service name."""
    is_public: bool = True
    """False: loopback only, the firewall keeps it shut."""
    tls: Literal["none", "starttls", "implicit"] = "none"
    domain_hosts: tuple[str, ...] = ()
    """Labels of the rooms' HOSTS that lead here; `ports` fills them in."""
    needs_instance: bool = True
    """False: open on a machine that has no instance data yet (SSH)."""
    setting: str = ""
    """Dotted boolean setting that switches it, for example `dovecot.imaps`; empty: always on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A label before each mail domain's name, which leads to what is served for the domain there.

    Such as the MTA-STS policy at `mta-sts`. The DNS gets a name for each.
    """

    label: str
    port: int
    """TCP, some room's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """A flow to the outside that the firewall lets one user open."""

    user: str
    protocol: Literal["tcp", "udp"]
    port: int | str
    """A text names a set of ports that the instance's data fill, at boot: flows.nft of the room
    nftables. Until then it is empty."""
    why: str
    addresses: tuple[str, ...] = ()
    """The only destinations, IPv4 or IPv6 addresses, that no other user reaches; empty: any."""
    setting: str = ""
    """As Port.setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd unit that is enabled in the image."""

    name: str
    needs_instance: bool = True
    """True: starts only once good instance data are rendered."""
    setting: str = ""
    """As Port.setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A unit that is told when what it has read was rendered anew, without a boot."""

    unit: str
    """Reloaded if it can be, else restarted. Empty: what reads them starts afresh each time."""
    files: tuple[str, ...]
    """Paths of files, or of directories with all below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A directory on the state partition."""

    path: str
    kind: Literal["precious", "rebuildable", "cache"]
    """precious: nobody can make it again, so it is backed up; rebuildable: the machine does, in
    time or from elsewhere; cache: nothing is lost without it. Only the first may stop a boot."""
    restore: Literal["replace", "add", "dump", "never"] = "replace"
    """What a restore does with a precious one. replace: of a file that is there already the
    backup's wins. add: what is there stays, what is missing comes back. dump: a copy of files that
    a server writes meanwhile is worth nothing, so the backup has what the server says instead.
    never: it isn't in the backup, for it would do harm when it came back."""
    excludes: tuple[str, ...] = ()
    """Patterns, below `path`, of what is rebuildable in a precious one; ** is any directories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Owner and mode of an installed file or directory; the mode is an octal string."""

    mode: str = "0644"
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The facts of one room."""

    name: str
    folder: Path
    packages: tuple[str, ...] = ()
    debconf: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    ports: tuple[Port, ...] = ()
    hosts: tuple[Host, ...] = ()
    egress: tuple[Egress, ...] = ()
    units: tuple[Unit, ...] = ()
    state: tuple[State, ...] = ()
    files: Mapping[str, Attributes] = field(default_factory=dict)
    checks: tuple[tuple[str, ...], ...] = ()
    reads: tuple[str, ...] = ()
    readers: tuple[Reader, ...] = ()
    checkers: tuple[tuple[str, ...], ...] = ()
    effective: tuple[tuple[str, ...], ...] = ()
    masked: tuple[str, ...] = ()
    privileged: tuple[str, ...] = ()
    sandbox: tuple[Sandbox, ...] = ()
    setting: str = ""
    """As Port.setting."""

    @property
    def rootfs(self) -> Path:
        """Files baked at the same path; may be absent."""
        return self.folder / "rootfs"

    @property
    def instance(self) -> Path:
        """Templates rendered at each boot; may be absent."""
        return self.folder / "instance"


#: Fields of a room that are no constants of its module.
_GIVEN = ("name", "folder")


def read(module: ModuleType) -> Room:
    """Collect the constants of the package `module`."""
    facts: dict[str, Any] = {
        item.name: getattr(module, item.name.upper())
        for item in fields(Room)
        if item.name not in _GIVEN and hasattr(module, item.name.upper())
    }
    assert module.__file__  # noqa: S101 - a package always has one
    return Room(
        name=module.__name__.rpartition(".")[2], folder=Path(module.__file__).parent, **facts
    )


def plain(*paths: str) -> tuple[str, ...]:
    """Return the command that shows files without their comments, for EFFECTIVE."""
    return ("grep", "-hvE", r"^[[:space:]]*([#;]|//|$)", *paths)


def to_database(user: str, setting: str = "base.mailboxes") -> Egress:
    """Return the flow of a user to a database elsewhere, for EGRESS."""
    return Egress(
        user=user, protocol="tcp", port="database", why="a database elsewhere", setting=setting
    )


def complaints(command: str, content: str) -> tuple[str, ...]:
    """Return a command for CHECKERS that says nothing where all is well.

    `content` is how the line begins in which `command` says so; it is a regular expression.
    """
    return ("sh", "-c", f"{command} 2>&1 | grep -v '^{content}' || true")


def is_on(item: Room | Port | Unit | Egress, settings: Settings) -> bool:
    """Whether `settings` switch a room, or a fact of one, on."""
    return not item.setting or settings.is_on(item.setting)


def ports(rooms: Iterable[Room], settings: Settings) -> tuple[Port, ...]:
    """Return the ports that `settings` switch on, by number, with the hosts that lead there."""
    rooms = tuple(rooms)
    hosts = [host for room in rooms for host in room.hosts]
    found = [
        replace(port, domain_hosts=tuple(host.label for host in hosts if host.port == port.number))
        for room in rooms
        for port in room.ports
        if is_on(port, settings)
    ]
    return tuple(sorted(found, key=lambda p: (p.number, p.protocol)))


def units(rooms: Iterable[Room], settings: Settings) -> tuple[Unit, ...]:
    """Return the units that `settings` switch on, in the rooms' order."""
    return tuple(unit for room in rooms for unit in room.units if is_on(unit, settings))


def egress(rooms: Iterable[Room], settings: Settings) -> tuple[Egress, ...]:
    """Return the outgoing flows that `settings` switch on, by user, protocol and port."""
    found = [flow for room in rooms for flow in room.egress if is_on(flow, settings)]
    return tuple(sorted(found, key=lambda flow: (flow.user, flow.protocol, str(flow.port))))


def instance_parts(room: Room) -> tuple[str, ...]:
    """Return the templates that others include, named as they do it: `_NAME.j2`."""
    parts = filter(_is_part, sorted(room.instance.rglob("*.j2")))
    return tuple(part.relative_to(room.instance).as_posix() for part in parts)


def _is_part(template: Path) -> bool:
    return template.name.startswith("_")


def instance_files(room: Room) -> tuple[tuple[str, str, Attributes], ...]:
    """Return (path, template, attributes) of each file that the room renders at boot, by path.

    `path` is absolute, `template` relative to the folder of instance templates. Without an entry
    in FILES such a file is root's and 0600, since it may hold a secret. What others include is no
    file of its own.
    """
    found = []
    for source in sorted(room.instance.rglob("*")):
        if not source.is_file() or _is_part(source):
            continue
        template = source.relative_to(room.instance).as_posix()
        path = f"/{template.removesuffix('.j2')}"
        if source.suffix != ".j2" or not path.startswith("/etc/"):
            raise PostolkaError(str(source), "an instance file is a template (.j2) below etc/")
        found.append((path, template, room.files.get(path, Attributes(mode="0600"))))
    return tuple(found)
