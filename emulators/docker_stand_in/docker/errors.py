"""The exceptions of Docker's Python client that ministack tells apart."""


class DockerException(Exception):
    pass


class APIError(DockerException):
    def __init__(self, message):
        super().__init__(message)
        self.explanation = message


class NotFound(APIError):
    pass


class ImageNotFound(NotFound):
    pass
