"""Signs a request with the Standard Webhooks library.

Reads {"secret","id","timestamp","body"} from stdin, the body in base64; prints the webhook-signature header.
"""

import base64
import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, hmac_data

asked = json.load(sys.stdin)
body = base64.b64decode(asked["body"])
try:
    text = body.decode()
except UnicodeDecodeError:
    # The library takes texts alone; of what is compressed, its own hash.
    key = base64.b64decode(asked["secret"].removeprefix("whsec_"))
    content = f"{asked['id']}.{asked['timestamp']}.".encode() + body
    print("v1," + base64.b64encode(hmac_data(key, content)).decode())
else:
    moment = datetime.fromtimestamp(asked["timestamp"], timezone.utc)
    print(Webhook(asked["secret"]).sign(asked["id"], moment, text))
