<?php
// Made from pyinfra_deploys/roundcube/instance/etc/roundcube/config.inc.php.j2
// Change it there: this file is rendered at each boot, and holds secrets. It follows the order of
// defaults.inc.php, which says what each setting means; the plugins' come last.

// --- Database --------------------------------------------------------------------------------------
$config['db_dsnw'] = 'mysql://roundcube:roundcube-password@unix(/run/mysqld/mysqld.sock)/roundcube';

// --- Logging: journalctl -t roundcube ------------------------------------------------------------------
$config['log_driver'] = 'syslog';
$config['syslog_facility'] = LOG_MAIL;
// Each login, good or bad, with the client's address, which Dovecot doesn't see.
$config['log_logins'] = true;

// --- IMAP, submission ------------------------------------------------------------------------------------
// On loopback. Dovecot takes a connection from the machine to itself, where nobody can listen, for
// secured as it is. Postfix wants TLS on 587 from everybody; whose certificate that is needs no proof.
$config['imap_host'] = '127.0.0.1:143';
$config['smtp_host'] = 'tls://127.0.0.1:587';
$config['smtp_conn_options'] = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
$config['smtp_helo_host'] = 'mail.example.test';

// --- System ------------------------------------------------------------------------------------------------
$config['temp_dir'] = '/var/cache/roundcube';
$config['use_https'] = true;
// A login by another name would set its cookie there.
$config['trusted_host_patterns'] = ['^mail\\.example\\.test(:\\d+)?$'];
$config['enable_installer'] = false;
$config['product_name'] = 'mail.example.test';
$config['support_url'] = 'https://mail.example.test/';
$config['display_product_info'] = 0;
// Minutes without a word from the page, which keeps a session alive for as long as it is open.
$config['session_lifetime'] = 30;
$config['session_samesite'] = 'Strict';
$config['session_path'] = '/roundcube/';
// Of this machine alone: passwords of those who are logged in lie in the database under it. Whoever has
// a cookie of a session still needs the cookie's other half.
$config['des_key'] = base64_decode('cm91bmQ=');
$config['cipher_method'] = 'AES-256-GCM';
// In the Message-ID, and where a login is typed without its domain.
$config['mail_domain'] = 'example.test';
$config['username_domain'] = 'example.test';
$config['max_message_size'] = '50M';
// Whether somebody has read a mail, and by which program and from where one was written, is nobody's
// business.
$config['useragent'] = null;
$config['http_received_header'] = false;
// Names are everybody's own; addresses are those that Postfix lets a login send from.
$config['identities_level'] = 1;

// --- Folders, as Dovecot makes them ---------------------------------------------------------------------
$config['drafts_mbox'] = 'Drafts';
$config['junk_mbox'] = 'Spam';
$config['sent_mbox'] = 'Sent';
$config['trash_mbox'] = 'Trash';
$config['lock_special_folders'] = true;

// --- What needs another server ---------------------------------------------------------------------------
// The default asks a dictionary's; browsers check spelling themselves.
$config['enable_spellcheck'] = false;

// --- What a user may change, and begins with ----------------------------------------------------------------
$config['language'] = null;
$config['skin'] = 'elastic';
$config['skins_allowed'] = ['elastic'];
$config['default_charset'] = 'UTF-8';
// Pictures from elsewhere tell their sender that a mail was read.
$config['show_images'] = 0;
$config['mdn_requests'] = 2;

// --- Plugins ---------------------------------------------------------------------------------------------
$config['plugins'] = [
    'archive',
    'managesieve',
    'markasjunk',
    'password',
    'postolka',
    'virtuser_query',
];
$config['archive_mbox'] = 'Archive';
// Vacation notes on a page of their own, beside all filters.
$config['managesieve_host'] = '127.0.0.1:4190';
$config['managesieve_vacation'] = 1;
// Into Spam and out of it: Dovecot has the filter learn from that.
$config['markasjunk_spam_mbox'] = 'Spam';
$config['markasjunk_ham_mbox'] = 'INBOX';
// bcrypt, as everybody's (postolka-instance user passwd); the account may write this column of
// the table, and read no password.
$config['password_confirm_current'] = true;
$config['password_minimum_length'] = 8;
$config['password_algorithm'] = 'blowfish-crypt';
$config['password_algorithm_options'] = ['cost' => 12];
$config['password_query'] = 'UPDATE postfixadmin.mailbox SET password = %P, modified = NOW() WHERE username = %u';
// A new user's identities: the login's address, and those whose alias leads to it.
$config['virtuser_query'] = [
    'email' => "SELECT address FROM postfixadmin.alias WHERE active = 1 AND (address = '%u' OR goto = '%u') AND address NOT LIKE '@%' ORDER BY address <> '%u', address",
];
// Whose verdicts are shown.
$config['postolka_authserv_id'] = 'mail.example.test';
