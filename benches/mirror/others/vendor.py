"""Pages through the children of the account's root, as the vendor documents it."""

import http.client
import json
from urllib.parse import urlencode, urlsplit

PAGE = 1000


def pages(url: str, root: str):
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    offset = 0
    while True:
        query = urlencode({
            "associationEntityIdentifierType": "externalId",
            "associationEntityIdentifierValue": root,
            "limit": PAGE,
            "offset": offset,
        })
        connection.request("GET", f"/v2/customers/bulk?{query}")
        rows = json.load(connection.getresponse())["entity"]["customers"]
        if not rows:
            return
        yield rows
        offset += len(rows)
