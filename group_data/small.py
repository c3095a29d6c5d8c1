"""For a machine of 512 MiB: without ClamAV, and one mail at a time through the filter."""

clamav_enabled = False
amavis_max_servers = 1
roundcube_processes = 2
mariadb_buffer_pool_mib = 32
bind_max_cache_mib = 32
