# Made from pyinfra_deploys/dovecot/rootfs/usr/share/postolka/sieve/folder.sieve
# Change it there: this file is part of the image.

# After a user's own filters, where none of them has taken the mail: user+folder goes to that folder
# (RFC 5233). People write an address in any case, so a folder that there is in another one is taken
# before a new one is made.
require ["envelope", "fileinto", "mailbox", "subaddress", "variables"];

if envelope :detail :matches "to" "?*" {
    set "folder" "${0}";
    set :lower "small" "${folder}";
    set :lower :upperfirst "first" "${folder}";
    set :upper "capital" "${folder}";
    if not mailboxexists "${folder}" {
        if mailboxexists "${first}" {
            set "folder" "${first}";
        } elsif mailboxexists "${small}" {
            set "folder" "${small}";
        } elsif mailboxexists "${capital}" {
            set "folder" "${capital}";
        }
    }
    fileinto "${folder}";
}
