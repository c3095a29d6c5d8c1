"""Labels by file_contexts: the lines of the policy, in libselinux's order of precedence."""

from __future__ import annotations

import stat

import pytest

from postolka import labels

LINES = [
    "/.*\tsystem_u:object_r:default_t:s0",
    "/etc/.*\tsystem_u:object_r:etc_t:s0",
    "/etc/postfix(/.*)?\tsystem_u:object_r:postfix_etc_t:s0",
    "/etc/postfix/main\\.cf\t--\tsystem_u:object_r:literal_t:s0",
    "/etc/postfix/post.*\t--\tsystem_u:object_r:script_t:s0",
    "/run/.*\t<<none>>",
    "/srv/(a|b)x?\tsystem_u:object_r:srv_t:s0",
    "# a comment",
]
FILE, FOLDER = stat.S_IFREG | 0o644, stat.S_IFDIR | 0o755


@pytest.mark.parametrize(
    ("path", "mode", "kind"),
    [
        ("/x", FILE, "default_t"),
        ("/etc/x", FILE, "etc_t"),
        ("/etc/postfix", FOLDER, "postfix_etc_t"),
        ("/etc/postfix/main.cf", FILE, "literal_t"),
        ("/etc/postfix/main.cf", FOLDER, "postfix_etc_t"),
        ("/etc/postfix/main_cf", FILE, "postfix_etc_t"),
        ("/etc/postfix/post-install", FILE, "script_t"),
        ("/etc/postfix/post-install", FOLDER, "postfix_etc_t"),
        ("/srv/b", FILE, "srv_t"),
        ("/srv/ax", FILE, "srv_t"),
        ("/old/x", FILE, "etc_t"),
    ],
)
def test_the_right_line_wins(path: str, mode: int, kind: str) -> None:
    """Literal before pattern, the last pattern before others, each for its type of file only."""
    found = labels.Labels(LINES, ["# aliases", "/old /etc"])
    assert found.of(path, mode) == f"system_u:object_r:{kind}:s0"


def test_none_is_no_label() -> None:
    """A path that the policy leaves alone."""
    assert labels.Labels(LINES).of("/run/x", FILE) == ""


def test_only_paths_whose_label_differs_are_told() -> None:
    """A new line tells on the paths that it wins, and on no other."""
    old = labels.Labels(LINES)
    new = labels.Labels([*LINES, "/etc/p.*\tsystem_u:object_r:new_t:s0"])
    modes = {"/etc/passwd": FILE, "/etc/postfix/main.cf": FILE, "/etc/x": FILE, "/x": FILE}
    assert labels.differences(old, new, modes) == {
        "/etc/passwd": ("system_u:object_r:etc_t:s0", "system_u:object_r:new_t:s0")
    }
    assert labels.differences(old, old, modes) == {}
