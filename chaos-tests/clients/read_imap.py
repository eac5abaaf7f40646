"""Reads all mailboxes of users with Python's imaplib, and leaves each message in a file.

read_imap.py PORT CA PASSWORD DIRECTORY USER...

Writes one JSON object a line, in the order in which messages are told: user, mailbox, uid,
size, flags without backslashes, file.
"""

import imaplib
import itertools
import json
import os
import re
import ssl
import sys

port, context = int(sys.argv[1]), ssl.create_default_context(cafile=sys.argv[2])
password, directory = sys.argv[3:5]
numbers = itertools.count()

for user in sys.argv[5:]:
    server = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=120)
    server.login(user, password)
    names = [re.search(rb'\) "/" "?(.*?)"?$', line).group(1).decode() for line in server.list()[1]]
    for mailbox in names:
        status, [count] = server.select(f'"{mailbox}"', readonly=True)
        if count == b"0":
            continue
        status, data = server.fetch("1:*", "(UID RFC822.SIZE FLAGS BODY.PEEK[])")
        assert status == "OK", data
        # A message is told as a pair: what stands before its octets, and those.
        for head, message in (part for part in data if isinstance(part, tuple)):
            uid = int(re.search(rb"UID (\d+)", head).group(1))
            size = int(re.search(rb"RFC822.SIZE (\d+)", head).group(1))
            flags = re.search(rb"FLAGS \((.*?)\)", head).group(1).decode().replace("\\", "").split()
            path = os.path.join(directory, f"{user}.{next(numbers)}")
            with open(path, "wb") as file:
                file.write(message)
            told = {"user": user, "mailbox": mailbox, "uid": uid, "size": size, "file": path}
            print(json.dumps(told | {"flags": [flag for flag in flags if flag != "Recent"]}), flush=True)
    server.logout()
