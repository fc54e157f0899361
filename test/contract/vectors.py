"""Reads the test vectors with Debian's python3-msgpack: another library has to find the same."""

import json
import sys

import msgpack

with open(sys.argv[1], encoding="utf-8") as file:
    vectors = json.load(file)

agree = 0
for vector in vectors["messages"] + vectors["packets"]:
    message = bytes.fromhex(vector["hex"])
    body = msgpack.unpackb(message[4:], raw=False, strict_map_key=True)
    if body[0] == 3:
        body[5] = body[5].hex()
    if int.from_bytes(message[:4], "big") != len(message) - 4 or body != vector["body"]:
        sys.exit(f"{vector['name']}: {body} is not {vector['body']}")
    agree += 1
print(agree, "agree")
