"""Acts on OpenDMARC's verdicts: refuse, put off, send to Spam, or let pass.

    judge      what becomes of a mail; pure
    suffixes   where an organisation's domain begins; pure
    milter     the daemon that Postfix asks, behind OpenDMARC

It runs on the image's Python with Debian's python3-milter and python3-dnspython alone.
"""
