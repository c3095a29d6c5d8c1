"""The firewall: the whole map of ports from outside, and who gets out from inside."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from postolka import namespace
from postolka.lab import segment, world
from postolka.run import run
from pyinfra_deploys import room as rooms
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from tests.container import packets
from tests.container.conftest import counters, ssh, tcp_ports
from tests.container.inner import init
from tests.container.packets import Seen

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine

_ALL_PORTS = range(1, 1 << 16)
#: What servers, and those who look for holes, use most, beside what the rooms name.
_KNOWN_TCP = [
    *(21, 22, 23, 80, 110, 179, 389, 443, 445, 465, 587, 853, 2525, 3306, 4444, 5432, 6379, 6667),
    *(8080, 8443, 9001, 11211, 24441),
]
_KNOWN_UDP = [
    *(53, 67, 68, 69, 111, 123, 137, 161, 323, 389, 443, 500, 514, 546, 547, 853, 1194, 1900),
    *(2703, 4500, 5353, 5355, 11211, 51820),
]
#: Accounts that no room has, and that a web server or a script may run as.
_STRANGERS = ("nobody", "www-data", "_apt", "daemon")
_METADATA = ("169.254.169.254", "fd00:ec2::254")
_FAST_SECONDS = 3
#: One DNS question and one of NTP: whoever listens there answers.
_QUESTIONS = (
    bytes.fromhex("123401000001000000000000076578616d706c650000060001"),
    bytes.fromhex("23" + 47 * "00"),
)
#: Its argument: a list of [user, addresses, TCP ports, UDP ports]. Each tries them all.
_TRIES = """
import json, os, pwd, socket, subprocess, sys
children = []
for user, addresses, tcp, udp in json.loads(sys.argv[1]):
    child = os.fork()
    if child:
        children.append(child)
        continue
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind, ports in ((socket.SOCK_STREAM, tcp), (socket.SOCK_DGRAM, udp)):
            for port in range(1, 65536) if ports == "all" else ports:
                with socket.socket(family, kind) as tried:
                    tried.setblocking(False)
                    if tried.connect_ex((address, port)) == 0:
                        try:
                            tried.send(b"out")
                        except OSError:
                            pass
        ping = ["ping", "-c", "1", "-W", "1", "-n", address]
        subprocess.run(ping, capture_output=True, stdin=subprocess.DEVNULL)
    os._exit(0)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


def _addresses(machine: Machine) -> list[str]:
    """Return the machine's own, IPv4 first."""
    links = json.loads(ssh(machine, "ip -json address show scope global"))
    found = [item["local"] for link in links for item in link.get("addr_info", []) if item]
    return sorted(found, key=lambda address: ":" in address)


def _neighbour(address: str) -> str:
    """Return the address on the machine's own wire from which it is looked at."""
    return str(segment.router_for(address).ip)


def test_open_ports_are_the_rooms_public_ones(machine: Machine, lab: Lab) -> None:
    """All 65,535 TCP ports, from the machine's own wire, by IPv4 and by IPv6."""
    addresses = _addresses(machine)
    assert [":" in address for address in addresses] == [False, True]
    for address in addresses:
        tries = ((40000, port) for port in _ALL_PORTS)
        found = packets.answered(lab.router, _neighbour(address), address, tries)
        assert sorted(port for _, port in found) == tcp_ports(), address


def test_the_scan_would_see_a_shut_port(lab: Lab) -> None:
    """Where no firewall stands each port answers, be it by a refusal."""
    for source, target in zip(world.ROUTER.addresses, world.SINK.addresses, strict=True):
        tries = {(40000, port) for port in range(1, 1000)}
        assert packets.answered(lab.router, source, target, tries) == tries


def test_no_udp_port_answers(machine: Machine, lab: Lab) -> None:
    """Neither the resolver nor the clock nor any other, not even to say that nobody is there."""
    assert not [
        port for port in server.ports(Settings()) if port.is_public and port.protocol == "udp"
    ]
    for address in _addresses(machine):
        assert _udp_answers(lab.router, address) == []
    # Where no firewall stands it is said.
    assert _udp_answers(lab.router, world.SINK.ipv4)


def _udp_answers(where: int, address: str) -> list[int]:
    ports = sorted({*_KNOWN_UDP, *(p.number for p in server.ports(Settings()))})
    tried = [(port, namespace.new_socket(where, address, namespace.DATAGRAM)) for port in ports]
    for port, client in tried:
        client.settimeout(0)
        client.connect((address, port))
    refused = {port for port, client in tried if not _asks(client)}
    time.sleep(1)
    return sorted(refused | {port for port, client in tried if _has_answer(client)})


def _asks(client: socket.socket) -> bool:
    """Send both questions; return whether nobody has said that nobody is there."""
    try:
        for question in _QUESTIONS:
            client.send(question)
    except ConnectionRefusedError:
        return False
    return True


def _has_answer(client: socket.socket) -> bool:
    with client:
        try:
            client.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


@pytest.fixture
def wire(lab: Lab) -> Iterator[packets.Sniffer]:
    """Listen on the wire that the machine is on."""
    with packets.sniffing(lab.router, segment.BRIDGE) as sniffer:
        yield sniffer


@pytest.fixture
def pingers(machine: Machine) -> Iterator[None]:
    """Let every account have a socket for pings, as some systems do."""
    inside = ["nsenter", f"--target={init(machine)}", "--net", "--"]
    setting = "/proc/sys/net/ipv4/ping_group_range"
    usual = run([*inside, "cat", setting])
    run([*inside, "tee", setting], stdin=b"0 2147483647")
    yield
    run([*inside, "tee", setting], stdin=usual)


def _try(machine: Machine, tries: Iterable[tuple[str, list[str], object, object]]) -> None:
    argument = json.dumps(list(tries))
    command = f"sudo python3 - '{argument}' <<'EOF'\n{_TRIES}\nEOF"
    ssh(machine, command, timeout_seconds=120)


def _flows() -> tuple[rooms.Egress, ...]:
    return rooms.egress(server.all_rooms(), Settings())


def _allowed(user: str) -> set[tuple[str, int]]:
    """Return what a user may open to anybody. No relay host, no database elsewhere here."""
    found = {
        (flow.protocol, flow.port)
        for flow in _flows()
        if flow.user == user and not flow.addresses and isinstance(flow.port, int)
    }
    return found | ({("ping", 0)} if user == "root" else set())


@pytest.mark.usefixtures("pingers")
def test_each_user_gets_out_as_its_room_says(machine: Machine, wire: packets.Sniffer) -> None:
    """What is seen on the wire of every account's tries, by both families: its flows alone."""
    named = {flow.port for flow in _flows() if isinstance(flow.port, int)}
    tcp = sorted({*_KNOWN_TCP, *named, *(port.number for port in server.ports(Settings()))})
    udp = sorted({*_KNOWN_UDP, *named})
    users = [user.name for user in server.users(server.all_rooms()) if not user.is_group_only]
    users += [*_STRANGERS, "root"]
    # An address for each, so that it is seen who it was.
    hosts = {user: world.stranger(40 + number) for number, user in enumerate(users)}
    _try(machine, [(user, list(host.addresses), tcp, udp) for user, host in hosts.items()])
    seen = wire.beginnings()
    for user, host in hosts.items():
        for address in host.addresses:
            found = {(item.kind, item.port) for item in seen if item.to == address}
            assert found == _allowed(user), f"{user} to {address}"


@pytest.mark.usefixtures("pingers")
def test_of_a_web_server_nothing_gets_out(machine: Machine, wire: packets.Sniffer) -> None:
    """www-data tries every port there is."""
    host = world.stranger(39)
    before = counters(machine)["out.refused"]
    _try(machine, [("www-data", list(host.addresses), "all", "all")])
    assert not [item for item in wire.beginnings() if item.to in host.addresses]
    assert counters(machine)["out.refused"] - before > 3 * len(_ALL_PORTS)


def test_metadata_are_for_root_alone(machine: Machine, wire: packets.Sniffer) -> None:
    """Not for a daemon that may use port 80 elsewhere; and for root nothing but HTTP."""
    users = ["clamav", "debian-spamd", "postfix", "bind", "www-data"]
    _try(machine, [(user, list(_METADATA), [25, 53, 80, 443], [53]) for user in users])
    assert not [item for item in wire.beginnings() if item.to in _METADATA]
    _try(machine, [("root", list(_METADATA), [25, 53, 80, 443], [53])])
    found = {item for item in wire.beginnings() if item.to in _METADATA and item.kind != "ping"}
    assert found == {Seen(address, "tcp", 80) for address in _METADATA}


def test_what_is_refused_fails_at_once(machine: Machine) -> None:
    """No daemon hangs on what the firewall doesn't let out."""
    code = "import socket, sys; socket.create_connection((sys.argv[1], 443), timeout=20)"
    for address in world.stranger(39).addresses:
        started = time.monotonic()
        said = ssh(machine, f"sudo -u www-data python3 -c '{code}' {address} 2>&1 || true")
        assert time.monotonic() - started < _FAST_SECONDS
        assert "No route to host" in said or "Permission denied" in said


@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_flood_is_cut_and_neighbours_arent(
    subject: Subject, machine: Machine, lab: Lab, family: int
) -> None:
    """An address has its connections, 60 at the least; the next are served a moment later."""
    target = _addresses(machine)[family]
    limit = Settings().nftables.connections_per_minute
    flooder = world.stranger(38).addresses[family]
    assert subject.server.ports[4190]
    before = counters(machine)["in.limited"]
    tries = [(20000 + number, 4190) for number in range(limit + 300)]
    found = packets.answered(lab.strangers, flooder, target, tries)
    assert limit <= len(found) < limit + 100
    assert counters(machine)["in.limited"] > before
    other = str(segment.router_for(target).ip)
    assert packets.answered(lab.router, other, target, [(20000, 4190)])
    # Its system tries again by itself, and gets in.
    with lab.connect(target, 4190, source=flooder) as client:
        assert client.recv(1)


def test_status_tells_what_each_rule_has_met(machine: Machine) -> None:
    """The same numbers as nft's, by the same names."""
    said = ssh(machine, "sudo postolka-instance status --json || true")
    told: dict[str, int] = json.loads(said)["firewall"]
    now = counters(machine)
    assert told.keys() == now.keys()
    assert all(0 <= packets <= now[name] for name, packets in told.items())
    assert told["in.ssh"]
