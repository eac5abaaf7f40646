"""Plain file operations below a directory, one after the other: each line of input is one, as a list in JSON, and each
line of output what it came to: {"ok": VALUE} or {"failed": ERRNO}. Files that are opened stay open under a label."""

import errno
import json
import os
import sys

FLAGS = {"r": os.O_RDONLY, "w": os.O_RDWR, "c": os.O_RDWR | os.O_CREAT, "t": os.O_RDWR | os.O_CREAT | os.O_TRUNC}
opened = {}


def sync_directory(path):
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def space(path):
    return os.statvfs(path).f_bavail


OPERATIONS = {
    "open": lambda label, path, flags: opened.update({label: os.open(path, FLAGS[flags], 0o600)}),
    "read": lambda label, offset, size: os.pread(opened[label], size, offset).decode("latin-1"),
    "write": lambda label, offset, text: os.pwrite(opened[label], text.encode("latin-1"), offset),
    "truncate": lambda label, size: os.ftruncate(opened[label], size),
    "allocate": lambda label, offset, size: os.posix_fallocate(opened[label], offset, size),
    "sync": lambda label: os.fsync(opened[label]),
    "close": lambda label: os.close(opened.pop(label)),
    "sync-directory": sync_directory,
    "list": lambda path: sorted(os.fsencode(name).decode("latin-1") for name in os.listdir(path)),
    "size": lambda path: os.stat(path).st_size,
    "rename": os.rename,
    "link": os.link,
    "remove": os.remove,
    "make-directory": os.mkdir,
    "remove-directory": os.rmdir,
    "space": space,
}

os.chdir(sys.argv[1])
for line in sys.stdin:
    operation, *arguments = json.loads(line)
    try:
        answer = {"ok": OPERATIONS[operation](*arguments)}
    except OSError as error:
        answer = {"failed": errno.errorcode[error.errno]}
    print(json.dumps(answer), flush=True)
