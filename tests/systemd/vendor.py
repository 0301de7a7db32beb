"""A LeadSquared that answers two calls about a small tree, for the tests of the unit: script/systemd.

What it does is told by files in /run/vendor, read at each call: `latency` (seconds for an answer) and `edition` (a number in
everybody's name). `latency.next` and `edition.next` take their place when the root's list is asked for: with the next walk.
"""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PORT = 8088
TOLD = Path("/run/vendor")
ACCESS_KEY, SECRET_KEY = "u$r1", "s+c of the vendor"
MANAGERS, REPORTS = 4, 5


def user_id(number):
    return f"5f0c1a10-0000-4000-8000-{number:012}"


ROOT = user_id(1)
REPORTS_OF = {ROOT: [user_id(100 * manager) for manager in range(1, MANAGERS + 1)]}
for manager in range(1, MANAGERS + 1):
    REPORTS_OF[user_id(100 * manager)] = [user_id(100 * manager + report) for report in range(1, REPORTS + 1)]
EVERYBODY = {ROOT, *(user for users in REPORTS_OF.values() for user in users)}


def told(name, default):
    try:
        return float((TOLD / name).read_text())
    except (OSError, ValueError):
        return default


def row(user):
    return {
        "UserId": user,
        "Name": f"User {int(user[-12:])}, edition {told('edition', 1):.0f}",
        "Mobile": None,
        "Email": f"user{int(user[-12:])}@example.com",
        "CheckedIn": "true",
        "IsActive": "true",
    }


class Vendor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query).get("userId", [""])[0]
        self.answer([row(user) for user in [asked] if user in EVERYBODY])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["UserId"] == ROOT:
            for settings in TOLD.glob("*.next"):
                settings.rename(settings.with_suffix(""))
        users = [row(user) for user in REPORTS_OF.get(body["UserId"], [])]
        self.answer({"SearchInfo": {"TotalUsers": len(users)}, "Users": users})

    def answer(self, body):
        time.sleep(told("latency", 0))
        status = 200
        if (self.headers["x-LSQ-AccessKey"], self.headers["x-LSQ-SecretKey"]) != (ACCESS_KEY, SECRET_KEY):
            status = 401
            body = {"Status": "Error", "ExceptionType": "MXInvalidAccessDetailsException", "ExceptionMessage": "Invalid Access Details."}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    TOLD.mkdir(exist_ok=True)
    ThreadingHTTPServer(("127.0.0.1", PORT), Vendor).serve_forever()
