#!/bin/sh
# Write PostfixAdmin's tables as SQL to the file $1: what its own upgrade.php makes in an empty
# database of a MariaDB that lives for this script only, on a socket in a directory of its own.
# Nothing is read but the packages' files and nothing else stays. Same packages, same bytes.
# $2 tells this script from others, in the first line of the file.
#
# The SQL may be read again at any time, also after it was read halfway: tables that are there stay
# as they are, and the row with the schema's version comes last.

set -eu
output=$1
key=$2

# shellcheck disable=SC2016 # dpkg-query's own fields
versions=$(dpkg-query --show --showformat='${Package}=${Version} ' \
    mariadb-server-core php8.4-cli postfixadmin)
stamp="-- key: $key ${versions% }"

work=$(mktemp --directory --tmpdir=/run postfixadmin-schema.XXXXXXXXXX)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# --no-defaults: what this machine's configuration says must not matter. Without the system tables
# (they take longer than all the rest) there is no account to check, hence --skip-grant-tables; the
# socket's directory is open to root alone. What only guards against a crash is off.
mkdir "$work/data"
mariadbd --no-defaults --user=root --datadir="$work/data" --socket="$work/socket" \
    --pid-file="$work/pid" --skip-networking --skip-grant-tables --debug-no-sync \
    --innodb-buffer-pool-size=16M --innodb-log-file-size=4M --innodb-undo-tablespaces=0 \
    --innodb-data-file-path=ibdata1:5M:autoextend --innodb-temp-data-file-path=ibtmp1:4M:autoextend \
    --innodb-doublewrite=OFF --innodb-flush-log-at-trx-commit=0 >"$work/log" 2>&1 &
server=$!
sql() {
    tool=$1
    shift
    "$tool" --no-defaults --socket="$work/socket" "$@"
}
until sql mariadb-admin --silent ping >/dev/null 2>&1; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$work/log" >&2
        echo "postfixadmin-schema: the database server doesn't start" >&2
        exit 1
    fi
    sleep 0.05
done
sql mariadb --execute='CREATE DATABASE postfixadmin CHARACTER SET utf8mb4'

# A copy, since PostfixAdmin looks for its configuration beside its own files.
cp --recursive --dereference /usr/share/postfixadmin "$work/postfixadmin"
cat >"$work/postfixadmin/config.local.php" <<PHP
<?php
\$CONF['database_type'] = 'mysqli';
\$CONF['database_socket'] = '$work/socket';
\$CONF['database_user'] = 'root';
\$CONF['database_password'] = '';
\$CONF['database_name'] = 'postfixadmin';
PHP
# config.inc.php wants Debian's dbconfig.inc.php, which may hold this machine's password: an empty
# one comes first. The four variables are what it would have set.
: >"$work/postfixadmin/public/dbconfig.inc.php"
cat >"$work/prepend.php" <<'PHP'
<?php
define('POSTFIXADMIN_CLI', 1);
$dbtype = $dbuser = $dbpass = $dbname = '';
PHP
cd "$work/postfixadmin/public"
if ! php -n -d extension=mysqlnd -d extension=pdo -d extension=pdo_mysql -d extension=mbstring \
    -d include_path=. -d auto_prepend_file="$work/prepend.php" upgrade.php >"$work/log.php" 2>&1
then
    cat "$work/log.php" >&2
    echo "postfixadmin-schema: PostfixAdmin's upgrade.php failed" >&2
    exit 1
fi
cd /

dump() {
    sql mariadb-dump --compact --skip-dump-date --skip-no-autocommit "$@" | sed '/^\/\*/d'
}
if [ -n "$(dump --no-create-info --ignore-table=postfixadmin.config postfixadmin)" ]; then
    echo "postfixadmin-schema: upgrade.php writes rows that this script doesn't know" >&2
    exit 1
fi
{
    echo "$stamp"
    echo '-- Tables of PostfixAdmin, as its own upgrade.php makes them.'
    dump --no-data postfixadmin |
        sed -e 's/^CREATE TABLE /&IF NOT EXISTS /' -e 's/ AUTO_INCREMENT=[0-9]*//'
    dump --no-create-info --insert-ignore --complete-insert postfixadmin config
} >"$work/schema.sql"
if ! grep --quiet "'version','[1-9][0-9]*'" "$work/schema.sql"; then
    cat "$work/log.php" >&2
    echo "postfixadmin-schema: upgrade.php left no version" >&2
    exit 1
fi
install -D --mode=0644 "$work/schema.sql" "$output.new"
mv --no-target-directory "$output.new" "$output"
