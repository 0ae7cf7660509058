"""A stand-in for Docker's Python client, for ministack's ECS on a machine without Docker.

ministack runs the containers of an ECS task through `import docker`. With this package first on PYTHONPATH no
container runs: what becomes of one is read off its image's tag.

    ...missing...   the registry has no such image: pulling fails
    ...crash...     exits with status 1 soon after its start, as `exit-1` does
    exit-N          exits with status N soon after its start
    anything else   runs until it is stopped

Only what ministack calls is here; anything else is an AttributeError in ministack's log.
"""

import hashlib
import itertools
import re
import time

from . import errors

# ministack takes a task for healthy one second after its start: a crash has to come before that.
SECONDS_UNTIL_EXIT = 0.3

_image_of_digest = {}


def from_env(**_options):
    return _Client()


def _digest(image):
    digest = "sha256:" + hashlib.sha256(image.encode()).hexdigest()
    _image_of_digest[digest] = image
    return digest


def _tag(image):
    """ministack resolves tags to digests before it runs anything: find the tag again."""
    if "@" in image:
        image = _image_of_digest.get(image.partition("@")[2], "")
    return image.rpartition("/")[2].partition(":")[2]


def _look_up(image):
    if "missing" in _tag(image):
        raise errors.ImageNotFound(f"manifest for {image} not found: manifest unknown: Requested image not found")
    return _Image(_digest(image))


class _Image:
    def __init__(self, digest):
        self.id = digest

    def tag(self, _repository, tag=None):
        return True


class _Images:
    def get_registry_data(self, image, **_options):
        return _look_up(image)

    def get(self, image):
        return _look_up(image)

    def pull(self, image, **_options):
        return _look_up(image)


class _Container:
    attrs = {}

    def __init__(self, number, image, labels):
        self.id = f"{number:064x}"
        self.image = image
        self.labels = labels or {}
        wanted = re.search(r"exit-(\d+)|crash", _tag(image))
        self._exit_status = int(wanted[1] or 1) if wanted else None
        self._exits_at = time.monotonic() + SECONDS_UNTIL_EXIT if wanted else None

    @property
    def status(self):
        exited = self._exits_at is not None and time.monotonic() >= self._exits_at
        return "exited" if exited else "running"

    def reload(self):
        pass

    def wait(self, **_options):
        while self.status != "exited":
            time.sleep(0.05)
        return {"StatusCode": self._exit_status}

    def stop(self, **_options):
        # What Docker reports after SIGTERM, unless the container had ended by itself.
        if self.status == "running":
            self._exit_status = 143
            self._exits_at = time.monotonic()

    def remove(self, **_options):
        _containers.pop(self.id, None)

    def logs(self, stream=False, **_options):
        lines = [f"started {self.image}\n".encode()]
        if self._exit_status:
            lines.append(f"fatal: exiting with status {self._exit_status}\n".encode())
        return iter(lines) if stream else b"".join(lines)


class _Containers:
    def run(self, image, labels=None, **_options):
        _look_up(image)
        container = _Container(next(_numbers), image, labels)
        _containers[container.id] = container
        return container

    def get(self, container_id):
        try:
            return _containers[container_id]
        except KeyError:
            raise errors.NotFound(f"No such container: {container_id}") from None

    def list(self, **_options):
        return list(_containers.values())


class _Client:
    images = _Images()
    containers = _Containers()


_numbers = itertools.count(1)
_containers = {}
