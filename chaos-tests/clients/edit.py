"""Changes the mailboxes of a user with Python's imaplib.

edit.py PORT CA PASSWORD USER

Reads one JSON list a line, as below, and writes one a line: status and text of the tagged reply.
  create MAILBOX | append MAILBOX FLAGS FILE | store MAILBOX UID ITEM FLAGS | expunge MAILBOX UID
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


def create(mailbox):
    return server.create(quoted(mailbox))


def append(mailbox, flags, path):
    with open(path, "rb") as file:
        return server.append(quoted(mailbox), flags, None, file.read())


def store(mailbox, uid, item, flags):
    server.select(quoted(mailbox))
    return server.uid("STORE", uid, item, flags)


def expunge(mailbox, uid):
    server.select(quoted(mailbox))
    server.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
    return server.uid("EXPUNGE", uid)


def quoted(mailbox):
    return f'"{mailbox}"'


commands = {"create": create, "append": append, "store": store, "expunge": expunge}
for line in sys.stdin:
    command, *arguments = json.loads(line)
    status, data = commands[command](*arguments)
    print(json.dumps([status, str(data)]), flush=True)
server.logout()
