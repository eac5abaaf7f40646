"""Puts messages into mailboxes with Python's imaplib, one connection for each user.

append.py PORT CA PASSWORD

Reads one JSON object a line: id, to, file. Writes one a line: id, status and text of the tagged reply.
"""

import imaplib
import json
import re
import ssl
import sys

# Line ends are what is tested: this one matches none, so that it mends none.
imaplib.MapCRLF = re.compile(b"(?!)")

port, context, password = int(sys.argv[1]), ssl.create_default_context(cafile=sys.argv[2]), sys.argv[3]
servers = {}

for line in sys.stdin:
    errand = json.loads(line)
    user = errand["to"]
    if user not in servers:
        servers[user] = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=120)
        servers[user].login(user, password)
    with open(errand["file"], "rb") as file:
        message = file.read()
    try:
        status, data = servers[user].append("INBOX", None, None, message)
        text = data[0].decode("latin-1")
    except imaplib.IMAP4.error as error:
        status, text = "BAD", str(error)
    print(json.dumps({"id": errand["id"], "status": status, "text": text}), flush=True)

for server in servers.values():
    server.logout()
