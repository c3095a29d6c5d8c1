# Made from pyinfra_deploys/dovecot/rootfs/usr/share/postolka/sieve/learn-ham.sieve
# Change it there: this file is part of the image.

# A user has moved a mail out of Spam: it was none, unless it was thrown away.
require ["copy", "environment", "imapsieve", "vnd.dovecot.pipe"];

if environment :is "imap.mailbox" "Trash" {
    stop;
}
pipe :copy :try "learn" ["ham"];
