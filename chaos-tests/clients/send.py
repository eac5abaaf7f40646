"""Sends messages over SMTP or LMTP with Python's smtplib, all of them on one connection.

send.py smtp|lmtp PORT [CA]    with a CA the connection goes over to TLS first

Reads one JSON object a line: id, from, to, file. Writes one a line: id, code and text of the reply that decided.
"""

import json
import smtplib
import ssl
import sys

protocol, port = sys.argv[1], int(sys.argv[2])
server = {"smtp": smtplib.SMTP, "lmtp": smtplib.LMTP}[protocol]("localhost", port, "python.example", timeout=120)
if len(sys.argv) > 3:
    server.starttls(context=ssl.create_default_context(cafile=sys.argv[3]))
server.ehlo_or_helo_if_needed()

for line in sys.stdin:
    errand = json.loads(line)
    with open(errand["file"], "rb") as file:
        message = file.read()
    code, text = server.mail(errand["from"])
    if code == 250:
        code, text = server.rcpt(errand["to"])
    if code == 250:
        # It doubles dots, ends the last line where it has no end, and changes nothing else of bytes.
        code, text = server.data(message)
    if code != 250:
        server.rset()
    print(json.dumps({"id": errand["id"], "code": code, "text": text.decode("latin-1")}), flush=True)

server.quit()
