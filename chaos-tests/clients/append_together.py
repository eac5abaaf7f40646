"""Puts several messages into INBOX with each command (MULTIAPPEND, RFC 3502), through Python's imaplib, which waits for
leave before each literal.

append_together.py PORT CA PASSWORD USER

Reads one JSON list of files a line. Writes one a line: status and text of the tagged reply, and how many literals the
server asked for.
"""

import imaplib
import json
import re
import ssl
import sys

# Line ends stay as they are: this matches none.
imaplib.MapCRLF = re.compile(b"(?!)")

port, context = int(sys.argv[1]), ssl.create_default_context(cafile=sys.argv[2])
password, user = sys.argv[3:5]
server = imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=120)
server.login(user, password)
assert "MULTIAPPEND" in server.capability()[1][0].decode().split()


class Messages:
    """Gives one message after the other, each with the announcement of the next one behind it."""

    def __init__(self, messages):
        self.messages = messages
        self.asked = 0

    def next(self, _):
        message = self.messages[self.asked]
        self.asked += 1
        if self.asked == len(self.messages):
            return message
        return message + b" (\\Draft) {%d}" % len(self.messages[self.asked])


for line in sys.stdin:
    messages = []
    for path in json.loads(line):
        with open(path, "rb") as file:
            messages.append(file.read())
    source = Messages(messages)
    server.literal = source.next
    try:
        status, data = server._simple_command("APPEND", "INBOX", "(\\Seen)", "{%d}" % len(messages[0]))
        text = data[0].decode("latin-1")
    except imaplib.IMAP4.error as error:
        status, text = "BAD", str(error)
    server.literal = None
    print(json.dumps([status, text, source.asked]), flush=True)
server.logout()
