"""Both vendors on loopback, with companies that a test can change. For script/bi.

The program's own simulator stands inside the program, where a test cannot reach its data. This one answers the few calls that a walk
makes, and leaves limits and faults to the tests in Rust.
"""

import itertools
import json
import random
import re
import threading
import time
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HIERARCHY = "/v2/UserManagement.svc/Hierarchy"
ACCESS_KEY, SECRET_KEY, TILL, PASSWORD = "access", "secret", "bi.till", "pass"


class Company:
    """Who stands below whom, in the vendor's order."""

    def __init__(self, root, new_id, heads, size, seed):
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self.new_id = new_id
        self.root = root
        self.below = {root: []}
        self.parent = {}
        self.edition = {}
        self.stamp = {root: now()}
        self.heads = [self.join(root) for _ in range(heads)]
        while len(self.below) < size:
            # Below one of the first few who have little above them, so that the tree is wide above and five levels deep.
            self.join(self.random.choice(list(self.below)[1 : size // 3]))

    def join(self, parent):
        with self.lock:
            node = self.new_id()
            self.below[node] = []
            self.stamp[node] = now()
            self.hang(node, parent)
            return node

    def hang(self, node, parent):
        if node in self.parent:
            self.below[self.parent[node]].remove(node)
        self.parent[node] = parent
        self.below[parent].append(node)

    def leaves(self):
        with self.lock:
            return [node for node in self.below if node != self.root and not self.below[node]]

    def leave(self, node):
        with self.lock:
            self.below[self.parent.pop(node)].remove(node)
            del self.below[node]

    def come_back(self, node, parent):
        with self.lock:
            self.below[node] = []
            self.stamp[node] = now()
            self.hang(node, parent)

    def rename(self, node):
        with self.lock:
            self.edition[node] = self.edition.get(node, 1) + 1
            self.stamp[node] = now()

    def is_below(self, node, head):
        while node is not None and node != head:
            node = self.parent.get(node)
        return node == head

    def move(self):
        """Somebody moves, with all that is below it, to another head."""
        with self.lock:
            node = self.random.choice([node for node in self.parent if node not in self.heads])
            head = self.random.choice([head for head in self.heads if not self.is_below(head, node)])
            self.hang(node, head)
            self.stamp[node] = now()

    def live(self):
        """A little of everything."""
        with self.lock:
            self.move()
            self.leave(self.random.choice(self.leaves()))
            self.join(self.random.choice(self.heads))
            self.rename(self.random.choice(list(self.parent)))


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def customers():
    numbers = iter(range(700000001, 700100000))
    return Company(700000000, lambda: next(numbers), heads=8, size=200, seed=7)


def users():
    numbers = iter(range(2, 100000))

    def user_id(number):
        return str(uuid.UUID(f"5f0c1a10-0000-4000-8000-{number:012}"))

    return Company(user_id(1), lambda: user_id(next(numbers)), heads=5, size=50, seed=7)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


class Capillary(Handler):
    """Identifiers: a mobile number that ends with the id, and for every third customer an external id with a quote in it."""

    def do_GET(self):
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        asked = {name: values[0] for name, values in query.items()}
        with self.company.lock:
            if path == "/v2/customers/lookup":
                self.answer(200, {"entity": self.meant(asked["identifierValue"]), "warnings": []})
            elif path == "/v2/customers/bulk":
                self.answer(200, self.children(asked))
            else:
                # No row of its own for a root: hiersync keeps a place for it.
                self.answer(404, {"errors": [{"code": 8015, "message": "Customer not found for the given identifiers", "status": False}]})

    def meant(self, value):
        return int(re.sub(r"^(91|EMP')", "", value))

    def children(self, asked):
        below = self.company.below.get(self.meant(asked["associationEntityIdentifierValue"]), [])
        start = int(asked.get("offset", 0))
        page = [self.row(node) for node in below[start : start + int(asked["limit"])]]
        entity = {"customers": page, "count": len(page), "errors": [], "warnings": []}
        return {"entity": entity, "warnings": [], "errors": [], "success": True}

    def row(self, node):
        identifiers = [{"type": "mobile", "value": f"91{node}"}]
        if node % 3 == 0:
            identifiers.insert(0, {"type": "externalId", "value": f"EMP'{node}"})
        edition = self.company.edition.get(node, 1)
        profile = {
            "firstName": f"Zoë {node}",
            "lastName": f"100% \"{edition}\"" if node % 2 else None,
            "fields": {},
            "identifiers": identifiers,
            "commChannels": [],
            "source": "INSTORE",
            "userId": node,
            "accountId": "",
            "autoUpdateTime": self.company.stamp[node],
            "identifiersAll": identifiers,
        }
        return {
            "profiles": [profile],
            "extendedFields": {"city": "Pune"},
            "roleCode": "Manager" if self.company.below[node] else None,
            # A date that people enter where a date is mandatory: tools must read it, too.
            "createdDate": "1900-01-01T00:00:00Z" if node % 7 == 0 else "2024-11-18T10:02:11Z",
            "noOfChildren": len(self.company.below[node]),
            "defaultChild": node == self.company.below[self.company.parent[node]][0],
        }


class LeadSquared(Handler):
    """Who reports to one user, and one user by itself."""

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query).get("userId", [""])[0]
        with self.company.lock:
            self.answer(200, [self.row(asked)] if asked in self.company.below else [])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.company.lock:
            reports = [self.row(node) for node in self.company.below.get(body["UserId"], [])]
        self.answer(200, {"SearchInfo": {"TotalUsers": len(reports)}, "Users": reports})

    def row(self, node):
        number = int(node[-12:])
        return {
            "UserId": node,
            "Name": f"User {number}, edition {self.company.edition.get(node, 1)}",
            "Mobile": f"+91-{number:010}" if number % 2 else None,
            "Email": f"user{number}@example.com",
            "CheckedIn": str(number % 4 == 0).lower(),
            "IsActive": str(number % 5 != 0).lower(),
            "Role": "Sales User" if number % 3 else None,
        }


class Vendors:
    """Both, each at a port of its own."""

    def __init__(self):
        self.customers, self.users = customers(), users()
        self.customers_at = self.start(Capillary, self.customers)
        self.users_at = self.start(LeadSquared, self.users)

    def start(self, handler, company):
        server = ThreadingHTTPServer(("127.0.0.1", 0), type(handler.__name__, (handler,), {"company": company}))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    def live_for(self, seconds):
        """Changes both companies all the time, as a thread that is returned.

        Moves mostly: of too many who are gone at once the program believes nothing (`retire_guard`).
        """

        def live():
            until = time.monotonic() + seconds
            for step in itertools.count():
                if time.monotonic() > until:
                    return
                for company in [self.customers, self.users]:
                    company.move() if step % 10 else company.live()
                time.sleep(0.2)

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        return thread
