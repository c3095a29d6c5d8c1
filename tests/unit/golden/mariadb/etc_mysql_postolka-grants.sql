-- Made from pyinfra_deploys/mariadb/instance/etc/mysql/postolka-grants.sql.j2
-- Change it there: this file is rendered at each boot.

-- The database's accounts and what each may do. Read at each boot, after the tables are made and
-- before the daemons start: new passwords take effect, and what an older image granted and this one
-- doesn't is taken back. Columns, not tables, where a daemon needs no more: nobody but Dovecot and
-- PostfixAdmin ever sees a password's hash.
-- https://mariadb.com/kb/en/grant/#column-privileges

CREATE USER IF NOT EXISTS 'postfix'@'localhost' ACCOUNT LOCK;
ALTER USER 'postfix'@'localhost'
  IDENTIFIED BY 'postfix-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'postfix'@'localhost';

CREATE USER IF NOT EXISTS 'dovecot'@'localhost' ACCOUNT LOCK;
ALTER USER 'dovecot'@'localhost'
  IDENTIFIED BY 'dovecot-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'dovecot'@'localhost';

CREATE USER IF NOT EXISTS 'dovecot_quota'@'localhost' ACCOUNT LOCK;
ALTER USER 'dovecot_quota'@'localhost'
  IDENTIFIED BY 'dovecot-quota-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'dovecot_quota'@'localhost';

CREATE USER IF NOT EXISTS 'postfixadmin'@'localhost' ACCOUNT LOCK;
ALTER USER 'postfixadmin'@'localhost'
  IDENTIFIED BY 'postfixadmin-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'postfixadmin'@'localhost';

CREATE USER IF NOT EXISTS 'amavis'@'localhost' ACCOUNT LOCK;
ALTER USER 'amavis'@'localhost'
  IDENTIFIED BY 'amavis-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'amavis'@'localhost';

CREATE USER IF NOT EXISTS 'roundcube'@'localhost' ACCOUNT LOCK;
ALTER USER 'roundcube'@'localhost'
  IDENTIFIED BY 'roundcube-password' ACCOUNT UNLOCK;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'roundcube'@'localhost';

-- postfix: whose mail is taken, and where it goes.
GRANT SELECT (domain, active, backupmx, transport)
  ON postfixadmin.domain TO 'postfix'@'localhost';
GRANT SELECT (username, local_part, domain, maildir, quota, active)
  ON postfixadmin.mailbox TO 'postfix'@'localhost';
GRANT SELECT (address, goto, domain, active)
  ON postfixadmin.alias TO 'postfix'@'localhost';
GRANT SELECT (alias_domain, target_domain, active)
  ON postfixadmin.alias_domain TO 'postfix'@'localhost';

-- dovecot: who may log in, how much fits, and into whose mailbox an alias leads.
GRANT SELECT (username, password, local_part, domain, maildir, quota, active)
  ON postfixadmin.mailbox TO 'dovecot'@'localhost';
GRANT SELECT (domain, active)
  ON postfixadmin.domain TO 'dovecot'@'localhost';
GRANT SELECT (address, goto, active)
  ON postfixadmin.alias TO 'dovecot'@'localhost';
GRANT SELECT (alias_domain, target_domain, active)
  ON postfixadmin.alias_domain TO 'dovecot'@'localhost';
GRANT SELECT (username, bytes)
  ON postfixadmin.quota2 TO 'dovecot'@'localhost';

-- dovecot_quota: what each mailbox holds, for PostfixAdmin to show.
GRANT SELECT, INSERT, UPDATE, DELETE
  ON postfixadmin.quota2 TO 'dovecot_quota'@'localhost';

-- postfixadmin: its own database, with the tables that a newer version may want.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES
  ON postfixadmin.* TO 'postfixadmin'@'localhost';

-- amavis: which domains are ours.
GRANT SELECT (domain)
  ON postfixadmin.domain TO 'amavis'@'localhost';
GRANT SELECT (alias_domain)
  ON postfixadmin.alias_domain TO 'amavis'@'localhost';
-- restic: the dump of all that is kept here. The machine's own user of that name, by the socket; there
-- is no password. --single-transaction needs no lock.
CREATE USER IF NOT EXISTS 'restic'@'localhost' IDENTIFIED VIA unix_socket;
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'restic'@'localhost';
GRANT SELECT, SHOW VIEW
  ON *.* TO 'restic'@'localhost';

-- roundcube: its own database, without its tables' form; a login's own addresses, and its new password.
GRANT SELECT, INSERT, UPDATE, DELETE
  ON roundcube.* TO 'roundcube'@'localhost';
GRANT SELECT (address, goto, active)
  ON postfixadmin.alias TO 'roundcube'@'localhost';
GRANT SELECT (username), UPDATE (password, modified)
  ON postfixadmin.mailbox TO 'roundcube'@'localhost';
