"""For a machine of 1 GiB: without ClamAV, whose signatures alone take more."""

clamav_enabled = False
amavis_max_servers = 1
roundcube_processes = 2
mariadb_buffer_pool_mib = 32
bind_max_cache_mib = 32
