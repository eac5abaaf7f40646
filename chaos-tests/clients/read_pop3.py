"""Reads the maildrops of users with Python's poplib, and leaves each message in a file.

read_pop3.py PORT CA PASSWORD DIRECTORY USER...

Writes one JSON object a line, in the order of message numbers: user, uidl, size, file.
"""

import json
import os
import poplib
import ssl
import sys

# It refuses lines of more than 2,048 octets otherwise, which real messages have.
poplib._MAXLINE = 1 << 24

port, context = int(sys.argv[1]), ssl.create_default_context(cafile=sys.argv[2])
password, directory = sys.argv[3:5]

for user in sys.argv[5:]:
    server = poplib.POP3_SSL("localhost", port, context=context, timeout=120)
    server.user(user)
    server.pass_(password)
    sizes = [line.split() for line in server.list()[1]]
    uidls = dict(line.split() for line in server.uidl()[1])
    assert len(uidls) == len(sizes) == server.stat()[0]
    for number, size in sizes:
        lines = server.retr(number.decode())[1]
        path = os.path.join(directory, f"{user}.{number.decode()}")
        with open(path, "wb") as file:
            # It takes line ends off; what it has read of a reply of no lines is nothing.
            file.writelines(line + b"\r\n" for line in lines)
        print(json.dumps({"user": user, "uidl": uidls[number].decode(), "size": int(size), "file": path}), flush=True)
    server.quit()
