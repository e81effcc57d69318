"""A Hugging Face Hub of this process: a real HTTP server with the routes that publishing and loading ask.

Written from huggingface_hub's own requests (create, validate-yaml, preupload, LFS batch, PUT, commit; tree,
info, resolve, whoami). It checks what it is sent: tokens, owners, digests, the YAML of cards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_stand_in"
USER = "aurora"
LARGE = (".safetensors", ".parquet")  # sent by LFS, as the Hub's .gitattributes has it


class StandInHub:
    """What the server holds, and how to reach it."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}  # "models/owner/name" -> path -> content
        self.private: dict[str, bool] = {}
        self.commits: dict[str, list[str]] = {}  # repository -> their messages
        self.objects: dict[str, bytes] = {}  # LFS, by SHA-256
        self.asked: list[str] = []  # every request, as "PUT /lfs/..."
        self.refuses = ""  # a path that is answered with 403
        self.endpoint = ""

    def sha(self, repository: str) -> str:
        state = repr((self.commits[repository], sorted(self.files[repository].items())))
        return hashlib.sha1(state.encode()).hexdigest()


@contextmanager
def stand_in_hub() -> Iterator[StandInHub]:
    """A hub that listens on a free port of this machine."""
    hub = StandInHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[StandInHub]

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.refuses and re.search(self.hub.refuses, path):
            self.fault(403, "you may not", "")
            return
        for method, pattern, reply in self.ROUTES:
            found = re.fullmatch(pattern, path)
            if found and self.command in method:
                # An upload goes to an address that is signed.
                if method == "POST" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self.fault(401, "Invalid username or password.", "")
                    return
                reply(self, body, **found.groupdict())
                return
        self.fault(404, f"no route {self.command} {path}", "")

    # Answers

    def send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, content: Any, status: int = 200) -> None:
        self.send(status, json.dumps(content).encode(), Content_Type="application/json")

    def fault(self, status: int, message: str, code: str) -> None:
        told = json.dumps({"error": message}).encode()
        self.send(status, told, X_Error_Code=code, X_Error_Message=message, Content_Type="application/json")

    def held(self, kind: str, name: str) -> str | None:
        """The repository's key; where it is not there that is answered."""
        repository = f"{kind}s/{name}"
        if repository in self.hub.files:
            return repository
        self.fault(404, "Repository not found", "RepoNotFound")
        return None

    # Routes

    def whoami(self, body: bytes) -> None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.fault(401, "Invalid username or password.", "")
            return
        self.json({"type": "user", "name": USER, "orgs": [{"name": "lights"}]})

    def create(self, body: bytes) -> None:
        said = json.loads(body)
        owner = said.get("organization") or USER
        if owner not in (USER, "lights"):
            self.fault(403, f"You don't have the rights to create a model under the namespace {owner}", "")
            return
        name = f"{owner}/{said['name']}"
        repository = f"{said.get('type') or 'model'}s/{name}"
        if repository in self.hub.files:
            self.fault(409, "You already created this repo", "")
            return
        self.hub.files[repository] = {".gitattributes": b"*.safetensors filter=lfs\n"}
        self.hub.commits[repository] = ["initial commit"]
        self.hub.private[repository] = said.get("visibility") == "private" or bool(said.get("private"))
        self.json({"url": f"{self.hub.endpoint}/{name}", "id": name, "name": name})

    def validate_yaml(self, body: bytes) -> None:
        said = json.loads(body)
        found = re.match(r"---\n(.*?)\n---\n", said["content"], re.DOTALL)
        data = yaml.safe_load(found[1]) if found else {}
        faults = [f'"{key}" must be a string' for key in ("license",) if not isinstance(data.get(key), str)]
        index = data.get("model-index", [])
        if any(
            not isinstance(one["metrics"][0]["value"], float | int) for m in index for one in m["results"]
        ):
            faults.append('"model-index" has no numbers')
        self.json(
            {"errors": [{"message": fault} for fault in faults], "warnings": []}, 400 if faults else 200
        )

    def preupload(self, body: bytes, kind: str, name: str) -> None:
        if repository := self.held(kind, name):
            there = self.hub.files[repository]
            answer = [
                {
                    "path": one["path"],
                    "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular",
                    "shouldIgnore": False,
                    "oid": git_oid(there[one["path"]]) if one["path"] in there else None,
                }
                for one in json.loads(body)["files"]
            ]
            self.json({"files": answer})

    def lfs_batch(self, body: bytes, dataset: str, name: str) -> None:
        def action(one: dict[str, Any]) -> dict[str, Any]:
            if one["oid"] in self.hub.objects:
                return {}
            return {"actions": {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}", "header": {}}}}

        if self.held("dataset" if dataset else "model", name):
            objects = [{**one, **action(one)} for one in json.loads(body)["objects"]]
            self.json({"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            self.fault(400, "another digest", "")
            return
        self.hub.objects[oid] = body
        self.send(200, b"")

    def commit(self, body: bytes, kind: str, name: str) -> None:
        repository = self.held(kind, name)
        if repository is None:
            return
        for line in body.splitlines():
            said = json.loads(line)
            value = said["value"]
            if said["key"] == "header":
                self.hub.commits[repository].append(value["summary"])
            elif said["key"] == "file":
                self.hub.files[repository][value["path"]] = base64.b64decode(value["content"])
            elif said["key"] == "lfsFile":
                self.hub.files[repository][value["path"]] = self.hub.objects[value["oid"]]
        sha = self.hub.sha(repository)
        self.json(
            {"success": True, "commitOid": sha, "commitUrl": f"{self.hub.endpoint}/{name}/commit/{sha}"}
        )

    def tree(self, body: bytes, kind: str, name: str) -> None:
        if repository := self.held(kind, name):
            self.json([entry(path, data) for path, data in self.hub.files[repository].items()])

    def info(self, body: bytes, kind: str, name: str) -> None:
        if repository := self.held(kind, name):
            siblings = [{"rfilename": path} for path in self.hub.files[repository]]
            sha = self.hub.sha(repository)
            private = self.hub.private[repository]
            self.json(
                {"_id": "1", "id": name, "sha": sha, "siblings": siblings, "private": private, "tags": []}
            )

    def resolve(self, body: bytes, dataset: str, name: str, path: str) -> None:
        repository = self.held("dataset" if dataset else "model", name)
        if repository is None:
            return
        data = self.hub.files[repository].get(path)
        if data is None:
            self.fault(404, "Entry not found", "EntryNotFound")
            return
        etag = hashlib.sha256(data).hexdigest() if path.endswith(LARGE) else git_oid(data)
        self.send(200, data, ETag=f'"{etag}"', X_Repo_Commit=self.hub.sha(repository))

    KIND, NAME = r"/api/(?P<kind>model|dataset)s", r"(?P<name>[\w.-]+/[\w.-]+)"
    OTHER = rf"/(?P<dataset>datasets/)?{NAME}"
    ROUTES: ClassVar = [
        ("GET", "/api/whoami-v2", whoami),
        ("POST", "/api/repos/create", create),
        ("POST", "/api/validate-yaml", validate_yaml),
        ("POST", rf"{KIND}/{NAME}/preupload/main", preupload),
        ("POST", rf"{OTHER}\.git/info/lfs/objects/batch", lfs_batch),
        ("PUT", r"/lfs/(?P<oid>\w{64})", put),
        ("POST", rf"{KIND}/{NAME}/commit/main", commit),
        ("GET", rf"{KIND}/{NAME}/tree/\w+", tree),
        ("GET", rf"{KIND}/{NAME}(/revision/\w+)?", info),
        ("GET HEAD", rf"{OTHER}/resolve/\w+/(?P<path>.+)", resolve),
    ]


def entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the Hub lists it."""
    lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
    return {
        "type": "file",
        "path": path,
        "size": len(data),
        "oid": git_oid(data),
        **({"lfs": lfs} if path.endswith(LARGE) else {}),
    }


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
