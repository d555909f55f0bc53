"""YAML that is a bomb, a bottomless pit, or code."""

from __future__ import annotations

_WIDE = ",".join("*a" for _ in range(9))

FILES: dict[str, bytes] = {
    "billion laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)),
    "merge bomb": b"a: &a {x: 1}\n"
    + b"".join(b"%c: &%c {<<: [%s]}\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 50)) for n in range(9)),
    "an alias to itself": b"a: &a [*a]",
    "nested lists": b"[" * 50_000,
    "nested mappings": b"{a: " * 50_000,
    "nested by indent": b"".join(b" " * n + b"a:\n" for n in range(1000)),
    "code by a tag": b"!!python/object/apply:os.system ['touch pwned']",
    "a module by a tag": b"seed: !!python/module:os",
    "a name by a tag": b"model: !!python/name:os.system",
    "an own tag": b"seed: !evil 1",
    "binary": b"seed: !!binary |\n  gASVHgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOU\n",
    "a set": b"seed: !!set {a, b}",
    "a megabyte of list": b"- a\n" * 250_000,
    "a megabyte of keys": b"".join(b"k%d: 1\n" % n for n in range(90_000)),
    "a megabyte of flow": b"[" + b"a," * 500_000 + b"]",
    "a megabyte of anchors": b"".join(b"- &a%d x\n" % n for n in range(90_000)),
    "two megabytes of comment": b"#" * (2 << 20),
    "a number of 100,000 digits": b"seed: " + b"9" * 100_000,
    "a number of 100,000 hex digits": b"seed: 0x" + b"f" * 100_000,
    "an exponent of 100,000 digits": b"seed: 1e" + b"9" * 100_000,
    "a key of a megabyte": b"? " + b"a" * 1_000_000 + b"\n: 1\n",
    "keys that are lists": b"? [a, b]\n: 1\n",
    "not UTF-8": b"seed: \xff\xfe",
    "UTF-16": "seed: 0".encode("utf-16"),
    "zeros": bytes(1000),
    "control characters": b"seed: \x1b[31m",
    "two documents": b"seed: 0\n---\nseed: 1\n",
    "a directive": b"%YAML 9.9\n---\nseed: 0\n",
    "extends outside": b"extends: ../secret\n",
    "extends a device": b"extends: /dev/zero\n",
    "extends itself": b"extends: a.yaml\n",
}
