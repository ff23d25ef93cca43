"""A worker that serves nothing. Its settings say how it behaves, by its number and how often it was started."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path


def main() -> None:
    line = socket.socket(fileno=os.dup(0))
    brief = json.loads(line.makefile("rb").readline())
    starts = Path(brief["directory"], str(brief["number"]))
    with starts.open("a") as log:
        log.write(f"{os.getpid()}\n")
    ways = json.loads(brief["settings"]).get(str(brief["number"]), ["works"])
    way = ways[min(len(starts.read_text().splitlines()), len(ways)) - 1]
    if way == "cannot":
        line.sendall(b"the port is taken")
        sys.exit(1)
    if way == "crashes":
        sys.exit(3)
    if way == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if way != "silent":
        line.sendall(b"listening\n")
    while line.recv(1):
        time.sleep(1)


main()
