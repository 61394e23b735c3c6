def read_request(*_: object) -> None:
    raise NotImplementedError
