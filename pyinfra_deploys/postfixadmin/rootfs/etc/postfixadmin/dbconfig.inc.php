<?php
// From pyinfra_deploys/postfixadmin/rootfs/etc/postfixadmin/dbconfig.inc.php: change it there.
// config.inc.php wants these, which dbconfig-common would write; config.local.php has the real ones.
$dbtype = $dbserver = $dbname = $dbuser = $dbpass = '';
