# Made from pyinfra_deploys/dovecot/rootfs/usr/share/postolka/sieve/learn-spam.sieve
# Change it there: this file is part of the image.

# A user has moved a mail into Spam. :try, since what comes of it is no reason to hold up the move.
require ["copy", "vnd.dovecot.pipe"];

pipe :copy :try "learn" ["spam"];
