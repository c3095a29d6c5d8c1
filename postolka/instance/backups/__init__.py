"""Backups by restic, and the way back from them.

    plan        what is backed up: the rooms' precious state
    repository  restic itself: backups that there are, and the restoring of files
    taking      the program of postolka-backup.service: makes one
    outcome     what became of the last one, for status
    restoring   a whole machine comes back
    merging     files that come back beside those that are there
    mailbox     one mailbox, or a folder of it, comes back

https://restic.readthedocs.io/en/v0.18.0/
"""
