"""Every build-time setting: its unit, range, default and the daemon's own name for it.

A section is a dataclass named after its room; a key in group_data is `<section>_<field>`.
Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_deploys.limits import choice as _choice
from pyinfra_deploys.limits import number as _number
from pyinfra_deploys.limits import whole as _whole


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseSettings:
    """What kind of server it is, and limits of the machine itself."""

    mailboxes: bool = True
    """Mailboxes here, and all that belongs to them: Dovecot, the database, webmail. Without them it
    is a relay: the instance's data say where each domain's mail goes on."""
    state_min_mib: int = _whole(2048, 1024, 1 << 24)
    """Smallest state partition that first boot accepts, MiB."""
    journal_max_mib: int = _whole(256, 16, 65536)
    """journald SystemMaxUse, MiB."""
    journal_max_days: int = _whole(30, 1, 3650)
    """journald MaxRetentionSec, days."""
    selinux: str = _choice("enforcing", "permissive")
    """SELINUX of selinux_config(5): what the policy doesn't allow is logged, or refused as well."""
    selinux_dontaudit: bool = True
    """semodule(8) --disable_dontaudit where it is false: what is refused without harm, as the
    policy's authors know, is logged as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSettings:
    """How long backups are kept, and how old the last one may be."""

    keep_daily: int = _whole(7, 1, 3650)
    """restic forget --keep-daily: on so many days the last backup is kept."""
    keep_weekly: int = _whole(5, 0, 520)
    """restic forget --keep-weekly."""
    keep_monthly: int = _whole(12, 0, 1200)
    """restic forget --keep-monthly."""
    problem_days: int = _whole(3, 1, 365)
    """Without a new backup for so long, status has a problem instead of a warning, days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixSettings:
    """Limits of the MTA."""

    message_size_limit_mib: int = _whole(50, 1, 1024)
    """Postfix message_size_limit, MiB of the message as transferred."""
    submissions: bool = True
    """Port 465, submission with implicit TLS (RFC 8314)."""
    connections_per_minute: int = _whole(120, 60, 100000)
    """Postfix smtpd_client_connection_rate_limit, a client address and minute."""
    queue_lifetime_days: int = _whole(5, 1, 100)
    """Postfix maximal_queue_lifetime, days."""
    postscreen: bool = True
    """Postfix postscreen(8) before port 25: who talks before the greeting, or is on the instance's
    lists, is refused. A new client's first mail comes postscreen_greet_wait_seconds later."""
    postscreen_greet_wait_seconds: int = _whole(6, 1, 30)
    """Postfix postscreen_greet_wait, seconds."""
    postscreen_dnsbl_threshold: int = _whole(3, 1, 1000)
    """Postfix postscreen_dnsbl_threshold: the score from which a client is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatelimitSettings:
    """How much a login may send."""

    enabled: bool = True
    """The policy service that Postfix asks on 587 and 465."""
    recipients_per_hour: int = _whole(500, 1, 1 << 20)
    """Recipients of a login's mails in an hour; more is put off (450), and the admin told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DovecotSettings:
    """Limits and features of the IMAP server."""

    imap: bool = True
    """Port 143, IMAP with STARTTLS."""
    imaps: bool = True
    """Port 993, IMAP with implicit TLS (RFC 8314)."""
    managesieve: bool = True
    """Port 4190, ManageSieve with STARTTLS (RFC 5804): mail clients edit filters by it."""
    spam_is_read: bool = True
    """Mail that is filed as spam is marked read (Sieve fileinto :flags): Spam shows nothing new."""
    connections_per_user: int = _whole(50, 1, 10000)
    """Dovecot mail_max_userip_connections, a user and address."""
    deleted_days: int = _whole(30, 1, 3650)
    """How long the mail of a deleted mailbox is kept, days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpendkimSettings:
    """What the signer and verifier asks for."""

    minimum_key_bits: int = _whole(1024, 512, 4096)
    """OpenDKIM MinimumKeyBits: RSA signatures by shorter keys don't count (RFC 8301)."""
    ed25519: bool = True
    """A second signature by the domain's Ed25519 key on each outgoing mail (RFC 8463)."""
    memory_max_mib: int = _whole(128, 32, 65536)
    """systemd MemoryMax of each OpenDKIM process, MiB: it leaks, and is started afresh there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmavisSettings:
    """What the content filter does with spam, and how much it does at a time."""

    max_servers: int = _whole(2, 1, 64)
    """amavisd $max_servers and Postfix's maxproc of smtp-amavis: mails filtered at once."""
    tag2_level: float = _number(7.0, 1, 1000)
    """amavisd $sa_tag2_level_deflt, points: spam, marked by X-Spam-Flag and delivered to Spam."""
    kill_level: float = _number(15.0, 1, 10000)
    """amavisd $sa_kill_level_deflt, points: discarded into the quarantine."""
    quarantine_days: int = _whole(30, 1, 3650)
    """How long a mail in the quarantine is kept, days."""
    banned_files: bool = False
    """amavisd $banned_filename_re in force: mail with programs is quarantined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamassassinSettings:
    """Scores that are tuned, and whether it learns by itself."""

    score_spf_fail: float = _number(3.0, 0, 100)
    """SpamAssassin's score SPF_FAIL, points: the sender's domain denies the client (RFC 7208)."""
    score_spf_softfail: float = _number(1.0, 0, 100)
    """SpamAssassin's score SPF_SOFTFAIL, points: it rather denies it."""
    score_dkim_invalid: float = _number(1.0, 0, 100)
    """SpamAssassin's score DKIM_INVALID, points: a signature that doesn't fit (RFC 6376)."""
    bayes_auto_learn: bool = True
    """SpamAssassin's bayes_auto_learn: learn from mails with clear scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpendmarcSettings:
    """What becomes of mail that its author's domain disowns."""

    dmarc_failure: str = _choice("reject", "spam-folder")
    """What a failed DMARC check with p=reject does: `reject` (as OpenDMARC's RejectFailures) or
    `spam-folder`. p=quarantine always means the folder Spam, and p=none only a mark."""
    memory_max_mib: int = _whole(128, 32, 65536)
    """systemd MemoryMax of OpenDMARC and of the milter that acts on its verdicts, MiB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorSettings:
    """Whether others' reports count."""

    enabled: bool = True
    """SpamAssassin's use_razor2: signatures of each mail go to Razor's servers."""
    timeout_seconds: int = _whole(5, 1, 60)
    """SpamAssassin's razor_timeout: then the mail passes without its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PyzorSettings:
    """Whether others' reports count."""

    enabled: bool = True
    """SpamAssassin's use_pyzor: a digest of each mail goes to Pyzor's servers."""
    timeout_seconds: int = _whole(5, 1, 60)
    """SpamAssassin's pyzor_timeout: then the mail passes without its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClamavSettings:
    """Whether viruses are looked for."""

    enabled: bool = True
    """clamd and freshclam; the full set of signatures takes 1.5 GiB of memory."""
    wait_for_signatures: bool = False
    """Mail waits until freshclam has fetched once; off: it is delivered, and marked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSettings:
    """Memory of the database."""

    buffer_pool_mib: int = _whole(64, 16, 65536)
    """MariaDB innodb_buffer_pool_size, MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostfixadminSettings:
    """Whether domains and mailboxes are looked after in the browser."""

    web: bool = True
    """PostfixAdmin's pages at /postfixadmin/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundcubeSettings:
    """Mail in the browser."""

    enabled: bool = True
    """Roundcube at /roundcube/."""
    processes: int = _whole(8, 1, 1000)
    """PHP-FPM pm.max_children: requests at once; none runs while nobody asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BindSettings:
    """Memory of the resolver."""

    max_cache_mib: int = _whole(64, 8, 65536)
    """BIND max-cache-size, MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NftablesSettings:
    """What the firewall lets through beside the services' own flows."""

    connections_per_minute: int = _whole(300, 60, 100000)
    """New connections from an address (IPv6: a /64) to one port in a minute; more have to wait."""
    apt: bool = False
    """apt may fetch packages: for a machine that apt keeps up to date, which an image isn't."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail2banSettings:
    """How many wrong passwords an address may try, and how long it is banned for more."""

    max_retry: int = _whole(10, 5, 1000)
    """fail2ban maxretry: wrong passwords from an address within find_minutes."""
    find_minutes: int = _whole(10, 1, 1440)
    """fail2ban findtime, minutes."""
    ban_minutes: int = _whole(10, 1, 10080)
    """fail2ban bantime: how long the first ban lasts, minutes; each further one twice as long."""
    ban_max_minutes: int = _whole(240, 1, 10080)
    """fail2ban bantime.maxtime: no ban lasts longer, minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSettings:
    """From when on status is red."""

    queue_mails: int = _whole(200, 1, 1 << 20)
    """More mails in Postfix' queue than these are a problem."""
    queue_hours: int = _whole(48, 1, 2400)
    """A mail that has waited longer in Postfix' queue is a problem, hours."""
    disk_percent: int = _whole(10, 1, 90)
    """With less of the state partition's space or inodes left, status warns, percent."""
    metrics: bool = True
    """Status for Prometheus, on a port of loopback."""
    page: bool = True
    """Status as a page at https://HOSTNAME/status/, behind PostfixAdmin's login."""
    probe_domains: str = "gmail.com outlook.com"
    """Domains, with spaces between: one's mail server greets this machine on port 25, or none of
    its mail can leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSettings:
    """Who may come in as an operator."""

    root_login: bool = False
    """sshd PermitRootLogin, with a key: for a machine whose only account is root."""
