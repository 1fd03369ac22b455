"""A hub of one's own: what `huggingface_hub` needs of Hugging Face to upload and download."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading


class Hub(http.server.ThreadingHTTPServer):
    """Repositories in memory.

    Attributes:
        commits: dict from a repository's name to a list of `(revision, files)`, oldest first.
        requests: list of `(method, path)`.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits, self.private, self.requests = {}, {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def files(self, repo, revision="main"):
        """The dict from name to bytes of a revision, and its hash; None if there is none."""
        for sha, files in reversed(self.commits.get(repo, [])):
            if revision in ("main", sha):
                return sha, files
        return None

    def commit(self, repo, new):
        """Adds or replaces files."""
        _, files = self.files(repo) or (None, {})
        number = len(self.commits.setdefault(repo, []))
        sha = hashlib.sha1(f"{repo} {number}".encode()).hexdigest()
        self.commits[repo].append((sha, {**files, **new}))
        return sha


@contextlib.contextmanager
def serving():
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(("POST", self.path))
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            private = asked.get("private") or asked.get("visibility") == "private"
            self.server.private.setdefault(repo, bool(private))
            return self.send({"url": f"{self.server.url}/{repo}"})
        if self.path == "/api/validate-yaml":
            return self.send({"errors": [], "warnings": []})
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main", self.path)
        if match[2] == "preupload":
            paths = [file["path"] for file in json.loads(body)["files"]]
            modes = {"uploadMode": "regular", "shouldIgnore": False}
            return self.send({"files": [{"path": path, **modes} for path in paths]})
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        sha = self.server.commit(match[1], files)
        return self.send(
            {"commitUrl": f"{self.server.url}/{match[1]}/commit/{sha}", "commitOid": sha}
        )

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.requests.append((self.command, self.path))
        path = self.path.partition("?")[0]
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/(\S+)", path)
        if match is None:
            match = re.fullmatch(r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(\S+)", path)
        if match is None or match[1] not in self.server.commits:
            return self.send({"error": "Repository not found"}, 404, "RepoNotFound")
        found = self.server.files(match[1], match[3])
        if found is None:
            return self.send({"error": "Invalid rev id"}, 404, "RevisionNotFound")
        sha, files = found
        if match[2] == "resolve":
            return self.send_file(sha, files[match[4]])
        if match[2] == "tree":
            return self.send(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": _hash(data)}
                    for name, data in files.items()
                ]
            )
        siblings = [{"rfilename": name} for name in files]
        return self.send({"id": match[1], "sha": sha, "siblings": siblings})

    def send(self, value, status=200, error=None):
        headers = {} if error is None else {"X-Error-Code": error}
        self.send_body(json.dumps(value).encode(), status, **headers)

    def send_file(self, sha, data):
        self.send_body(data, **{"X-Repo-Commit": sha, "ETag": f'"{_hash(data)}"'})

    def send_body(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _hash(data):
    return hashlib.sha1(data).hexdigest()
