"""A small internet to try a server in, for tests and for users: `vm run --lab`.

    world      its names and addresses
    zones      its DNS tree, signed                 keys       what signs it
    nameserver the programs that serve and ask it   userdata   how an instance learns of it
    segment    a wire with a router that hands out addresses
    outside    a stock Postfix that is somebody else's server, and a sink for mail
    acme       a certificate authority
    blocklists what its DNSBLs and URIBLs say       razor      a Razor2 server
    spam       reports mails to Pyzor and Razor     inhabitants  starts them all
    mirror     a web server of files                updates    rules and signatures on it
    programs   runs clients of all these
    server     the process that owns all of these   client     how other processes use it

It needs no address outside the machine, and nothing in it can reach one.
"""
