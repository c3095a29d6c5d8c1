<?php
// Made from pyinfra_deploys/postfixadmin/instance/etc/postfixadmin/config.local.php.j2
// Change it there: this file is rendered at each boot, and holds secrets. It follows the order of
// config.inc.php, which says what each setting means.
$CONF['configured'] = true;
// No password opens setup.php, which isn't served either.
$CONF['setup_password'] = '';

// --- Database --------------------------------------------------------------------------------------
$CONF['database_type'] = 'mysqli';
$CONF['database_user'] = 'postfixadmin';
$CONF['database_password'] = 'postfixadmin-password';
$CONF['database_name'] = 'postfixadmin';
$CONF['database_socket'] = '/run/mysqld/mysqld.sock';

// --- Who writes, and what isn't written ---------------------------------------------------------------
$CONF['admin_email'] = 'postmaster@example.test';
// Not even to a new mailbox: the page for people says how to set up a mail program, and a mail from
// here would come unsigned.
$CONF['sendmail'] = 'NO';
$CONF['mailbox_struct_hook'] = 'without_welcome_mail';
function without_welcome_mail($struct) {
    $struct['welcome_mail']['default'] = 0;
    $struct['welcome_mail']['display_in_form'] = 0;
    return $struct;
}

// --- Passwords -----------------------------------------------------------------------------------------
// bcrypt, as in the instance's data and as `postolka-instance user` writes it (doveadm pw -r 12).
$CONF['encrypt'] = 'php_crypt:BLOWFISH:12';
// As `postolka-instance user` asks: eight characters (NIST SP 800-63B, 5.1.1.2), and no more bytes
// than bcrypt looks at. The rules of the default would have people write "abc12".
$CONF['password_validation'] = [
    '/^.{8}/u' => 'password_too_short 8',
    'not_beyond_bcrypt' => fn($password) => strlen($password) > 72 ? 'The password is longer than 72 bytes.' : '',
];
// Nothing of the server looks at that date.
$CONF['password_expiration'] = 'NO';
// A code by mail is no help to somebody who can't read his mail.
$CONF['forgotten_user_password_reset'] = false;
$CONF['forgotten_admin_password_reset'] = false;

// --- Domains and mailboxes ------------------------------------------------------------------------------
// The addresses that a domain has to answer for (RFC 2142), as `postolka-instance domain add` makes them.
$CONF['default_aliases'] = [
    'abuse' => 'admin@example.test',
    'hostmaster' => 'admin@example.test',
    'postmaster' => 'admin@example.test',
    'root' => 'admin@example.test',
    'webmaster' => 'admin@example.test',
];
// As the agent writes it, domain/user/, and a number: nobody may find what somebody who had the address
// before has left there. The agent sets that aside later (postolka-deleted-mail.service).
$CONF['maildir_name_hook'] = 'home_of_its_own';
function home_of_its_own($domain, $address) {
    return $domain . '/' . strstr($address, '@', true) . ',' . bin2hex(random_bytes(4)) . '/';
}
// A new domain isn't limited; the defaults are ten aliases and ten mailboxes of 10 MB.
$CONF['aliases'] = '0';
$CONF['mailboxes'] = '0';
$CONF['maxquota'] = '0';
$CONF['domain_quota_default'] = '0';
// What Dovecot enforces, in MiB, and what it says of use.
$CONF['quota'] = 'YES';
$CONF['domain_quota'] = 'NO';
$CONF['quota_multiplier'] = '1048576';
$CONF['used_quotas'] = 'YES';
$CONF['new_quota_table'] = 'YES';
// What is made here comes before its records in the DNS.
$CONF['emailcheck_resolve_domain'] = 'NO';
$CONF['recipient_delimiter'] = '+';

// --- What isn't here --------------------------------------------------------------------------------
// Users write vacation notes as a filter (ManageSieve); fetchmail isn't installed.
$CONF['vacation'] = 'NO';
$CONF['fetchmail'] = 'NO';
$CONF['backup'] = 'NO';
$CONF['xmlrpc_enabled'] = false;

// --- Looks ----------------------------------------------------------------------------------------------
$CONF['page_size'] = '50';
$CONF['show_footer_text'] = 'YES';
$CONF['footer_text'] = 'mail.example.test';
$CONF['footer_link'] = 'https://mail.example.test/';
$CONF['show_undeliverable'] = 'NO';
$CONF['show_vacation'] = 'NO';
$CONF['show_expired'] = 'NO';
$CONF['show_custom_domains'] = [];
$CONF['show_custom_colors'] = [];
