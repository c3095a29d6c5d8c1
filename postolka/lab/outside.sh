#!/bin/sh
# Inside the lab's root: Postfix as Debian's package configures it for an internet site, which is
# what main.cf.debian and main.cf.tls are completed to below. Its user `friend` reads /var/mail/friend.
set -eu

name=mx.outside.example domain=outside.example

cat >>/etc/passwd <<'END'
postfix:x:101:101::/var/spool/postfix:/usr/sbin/nologin
friend:x:1000:1000::/nonexistent:/usr/sbin/nologin
END
cat >>/etc/group <<'END'
postfix:x:101:
postdrop:x:102:
friend:x:1000:
END
cp /lab/resolv.conf /etc/resolv.conf
echo "127.0.0.1 localhost" >/etc/hosts
mkdir -p /etc/ssl/certs /etc/ssl/private
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$name" \
	-keyout /etc/ssl/private/ssl-cert-snakeoil.key -out /etc/ssl/certs/ssl-cert-snakeoil.pem 2>/dev/null
# Without any authority in it Postfix turns TLS off; which ones doesn't matter at level `may`.
cp /etc/ssl/certs/ssl-cert-snakeoil.pem /etc/ssl/certs/ca-certificates.crt

# The only liberty: what was deferred is tried again after seconds, since nobody waits here for long.
cat /usr/share/postfix/main.cf.debian /usr/share/postfix/main.cf.tls >/etc/postfix/main.cf
cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf
cp /usr/share/postfix/dynamicmaps.cf /etc/postfix/dynamicmaps.cf
postconf -e "myhostname = $name" "mydestination = \$myhostname, $domain, localhost" \
	"mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128" "relayhost =" \
	"mailbox_size_limit = 0" "recipient_delimiter = +" "inet_interfaces = all" \
	"alias_maps =" "alias_database =" "smtp_tls_session_cache_database =" \
	"maillog_file = /dev/stdout" \
	"queue_run_delay = 5s" "minimal_backoff_time = 5s" "maximal_backoff_time = 30s"
install -d -o postfix -g root -m 0755 /var/lib/postfix
chown 0:8 /var/mail && chmod 2775 /var/mail
chgrp postdrop /usr/sbin/postdrop /usr/sbin/postqueue && chmod g+s /usr/sbin/postdrop /usr/sbin/postqueue
exec postfix start-fg
