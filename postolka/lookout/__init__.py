"""What others see of this server: whether its mail gets out, and what the DNS says of it.

It costs network time, so a timer runs it, as a user that has no rights: `look` is the program,
`facts` what it is told, and `postolka.instance.checks.network` reads what it has found.

It runs on the image's Python with Debian's python3-dnspython alone; `facts` is made by root.
"""
