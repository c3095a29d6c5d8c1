<?php
// From pyinfra_deploys/roundcube/rootfs/usr/share/postolka/roundcube/index.php: change it there.
// The only program of Roundcube's that a browser reaches.
define('INSTALL_PATH', '/usr/share/roundcube/');
require INSTALL_PATH . 'index.php';
