"""A phone: sends and reads mail of one account over TLS, at one of the addresses of a name whose certificate it checks.

    phone.py ADDRESS NAME USER read             a line of JSON for each message of INBOX: uid, flags, subject
    phone.py ADDRESS NAME USER send SUBJECT     to itself

The password is the first line of the input.
"""
import email, imaplib, json, re, smtplib, socket, ssl, sys

address, name, user, verb = sys.argv[1:5]
password = sys.stdin.readline().rstrip("\n")
context = ssl.create_default_context()
PATIENCE_S = 60


def connect(port):
    connection = socket.create_connection((address, port), timeout=PATIENCE_S)
    return context.wrap_socket(connection, server_hostname=name)


class Imap(imaplib.IMAP4):
    def _create_socket(self, timeout):
        return connect(993)


class Smtp(smtplib.SMTP):
    def _get_socket(self, host, port, timeout):
        return connect(465)


if verb == "send":
    with Smtp(name, 465) as client:
        client.login(user, password)
        message = f"From: {user}\r\nTo: {user}\r\nSubject: {sys.argv[5]}\r\n\r\nfrom a phone\r\n"
        client.sendmail(user, [user], message)
else:
    with Imap(name) as client:
        client.login(user, password)
        client.select("INBOX", readonly=True)
        for part in client.uid("FETCH", "1:*", "(UID FLAGS BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                head, body = part
                flags = sorted(flag.decode() for flag in imaplib.ParseFlags(head) if flag != b"\\Recent")
                subject = email.message_from_bytes(body)["Subject"]
                print(json.dumps({"uid": int(re.search(rb"UID (\d+)", head)[1]), "flags": flags, "subject": subject}))
