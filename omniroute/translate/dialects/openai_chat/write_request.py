def write_request(*_: object) -> None:
    raise NotImplementedError
