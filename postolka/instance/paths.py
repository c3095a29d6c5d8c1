"""Where the agent finds and keeps things on the machine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path the agent uses; `root` is / but in tests."""

    root: Path = Path("/")
    rendered: str = "run/postolka"
    """Below the root: where what is made from instance data goes."""

    @property
    def house(self) -> Path:
        """The image's manifest."""
        return self.root / "usr/share/postolka/house.json"

    @property
    def templates(self) -> Path:
        """Templates of the files that are rendered at boot, by their path below /."""
        return self.root / "usr/share/postolka/instance"

    @property
    def schema(self) -> Path:
        """The database's tables, as SQL."""
        return self.root / "usr/share/postolka/postfixadmin.sql"

    @property
    def roundcube_sql(self) -> Path:
        """Roundcube's own files for its tables."""
        return self.root / "usr/share/roundcube/SQL"

    @property
    def grants(self) -> Path:
        """The database's accounts and their rights, as SQL rendered at boot."""
        return self.root / "etc/mysql/postolka-grants.sql"

    @property
    def state(self) -> Path:
        """Survives reboots and upgrades."""
        return self.root / "var/lib/postolka"

    @property
    def kept(self) -> Path:
        """The last good instance data."""
        return self.state / "instance.yaml"

    @property
    def secrets(self) -> Path:
        """Secrets of this machine, one a file."""
        return self.state / "machine"

    @property
    def run(self) -> Path:
        """Made afresh at each boot."""
        return self.root / "run/postolka"

    @property
    def incoming(self) -> Path:
        """Instance data that the platform gave at this boot, one file a different part."""
        return self.run / "incoming"

    @property
    def user_data(self) -> Path:
        """All that the platform gave, as cloud-init keeps it."""
        return self.root / "var/lib/cloud/instance/user-data.txt"

    @property
    def etc(self) -> Path:
        """Rendered directories, mounted over those of /etc."""
        return self.root / self.rendered / "etc"

    @property
    def lower(self) -> Path:
        """The root file system once more, without what is mounted over its directories."""
        return self.run / "lower"

    @property
    def tls(self) -> Path:
        """Key and certificate in use."""
        return self.root / self.rendered / "tls"

    @property
    def staged(self) -> Paths:
        """The same machine, with what data would make of it beside what they made of it."""
        return replace(self, rendered=f"{self.rendered}/staged")

    @property
    def database_ca(self) -> Path:
        """Certificate of the authority that vouches for a database elsewhere."""
        return self.tls / "database.pem"

    @property
    def elsewhere(self) -> Path:
        """There while the database is another machine's."""
        return self.state / "database-elsewhere"

    @property
    def database_problem(self) -> Path:
        """What is wrong with a database elsewhere; there only while something is."""
        return self.run / "database-problem"

    @property
    def dkim(self) -> Path:
        """Signing keys, one file each, in a directory for each domain."""
        return self.root / self.rendered / "dkim"

    @property
    def configured(self) -> Path:
        """There once good data are rendered; the daemons start only then."""
        return self.run / "configured"

    @property
    def exceeded(self) -> Path:
        """Logins over their limit, as JSON; not there without that service."""
        return self.root / "run/postolka-ratelimit/exceeded.json"

    @property
    def report(self) -> Path:
        """What the last rendering found, as JSON."""
        return self.run / "report.json"

    @property
    def mail(self) -> Path:
        """Users' mail, by domain and mailbox (postolka.instance.homes)."""
        return self.root / "var/vmail"

    @property
    def deleted_mail(self) -> Path:
        """Mail of mailboxes that were deleted, until its days are over."""
        return self.mail / ".deleted"

    @property
    def quarantine(self) -> Path:
        """Where amavis keeps what it doesn't deliver."""
        return self.root / "var/lib/amavis/virusmails"

    @property
    def signatures(self) -> Path:
        """ClamAV's databases."""
        return self.root / "var/lib/clamav"

    @property
    def rules_asked(self) -> Path:
        """Touched whenever newer rules for SpamAssassin were asked for, and there was an answer."""
        return self.root / "var/lib/spamassassin/asked"

    @property
    def channels(self) -> Path:
        """Where newer rules for SpamAssassin come from."""
        return self.root / "etc/spamassassin/channels"

    @property
    def clock(self) -> Path:
        """Touched whenever a server has told the time (systemd-timesyncd(8))."""
        return self.root / "run/systemd/timesync/synchronized"

    @property
    def lookout(self) -> Path:
        """What `postolka.lookout` found, as JSON."""
        return self.root / "run/postolka-lookout/found.json"

    @property
    def lookout_facts(self) -> Path:
        """What it is told, as JSON."""
        return self.lookout.with_name("facts.json")

    @property
    def var(self) -> Path:
        """On the state partition."""
        return self.root / "var"

    @property
    def backup_target(self) -> Path:
        """Where backups go, as JSON; holds secrets."""
        return self.root / "etc/postolka/backup/target.json"

    @property
    def backup(self) -> Path:
        """What backups keep between two runs."""
        return self.root / "var/lib/postolka-backup"

    @property
    def restore(self) -> Path:
        """Where what comes out of a backup lies until it is in its place."""
        return self.root / "var/lib/postolka-restore"

    @property
    def razor(self) -> Path:
        """What Razor's client keeps."""
        return self.root / "var/lib/amavis/.razor"

    @property
    def acme(self) -> Path:
        """Certificates from an authority, and what else outlives a boot of ordering them."""
        return self.root / "var/lib/postolka-acme"

    @property
    def certificates(self) -> Path:
        """Chains that were checked, each named by its key."""
        return self.acme / "certificates"

    @property
    def acme_record(self) -> Path:
        """What the last orders came to, as JSON."""
        return self.acme / "record.json"

    @property
    def acme_next(self) -> Path:
        """From when on there may be something to order, in seconds since 1970."""
        return self.acme / "next"

    @property
    def acme_looked(self) -> Path:
        """Touched before the data are read to see what is to be ordered."""
        return self.acme / "looked"

    @property
    def acme_wanted(self) -> Path:
        """There while an operator waits for another certificate, due or not."""
        return self.acme / "wanted"

    @property
    def acme_desk(self) -> Path:
        """Where orders go out and certificates come in; theirs who speaks to the authority."""
        return self.root / "run/postolka-acme"

    @property
    def authorities(self) -> Path:
        """Debian's certification authorities."""
        return self.root / "etc/ssl/certs/ca-certificates.crt"
