"""Requests for a response, and what the service refuses about them.

Source: types of the ``openai`` package, 3.54; recordings of the service (seen 2026-03).
"""

from __future__ import annotations

from typing import Final

import msgspec

from omniroute.mock.dialect import BadAsk
from omniroute.mock.speech import IMAGE_TOKENS, Function, Heard
from omniroute.mock.words import words

_FOREIGN: Final = "omr1:"
"""Begins what a gateway hid in encrypted content: nothing this service made."""
_OWN: Final = "rs_mock"
"""Begins the id of reasoning the mock did: of that it is kept, of all other it must be told what it was."""
_MEDIA: Final = frozenset({"input_image", "input_file", "input_audio"})


class Part(msgspec.Struct):
    """A part of a message or of a call's output."""

    type: str
    text: str = ""


class Item(msgspec.Struct):
    """An item of ``input``, of any type: the members the answer or a rule depends on."""

    type: str = "message"
    id: str | None = None
    role: str = ""
    content: str | list[Part] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[Part] = ""
    encrypted_content: str | None = None


class Tool(msgspec.Struct):
    """A tool: functions are called here, free-text ones too, hosted ones are ignored."""

    type: str
    name: str = ""
    parameters: dict[str, object] | None = None


class Choice(msgspec.Struct):
    """``tool_choice`` that is an object."""

    type: str
    name: str = ""


class Format(msgspec.Struct):
    """``text.format``."""

    type: str
    schema: dict[str, object] | None = None


class Text(msgspec.Struct):
    """``text``."""

    format: Format | None = None


class Body(msgspec.Struct):
    """The members an answer depends on, or repeats; every other one is accepted and ignored."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[Tool] = []
    tool_choice: str | Choice = "auto"
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    previous_response_id: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None


class Echo(msgspec.Struct):
    """Members a response repeats as they came."""

    tools: msgspec.Raw = msgspec.Raw(b"[]")
    tool_choice: msgspec.Raw = msgspec.Raw(b'"auto"')
    text: msgspec.Raw = msgspec.Raw(b'{"format":{"type":"text"}}')


_BODY: Final = msgspec.json.Decoder(Body)
_ECHO: Final = msgspec.json.Decoder(Echo)


def read_body(body: bytes) -> tuple[Body, Echo]:
    """The request. Raises BadAsk."""
    try:
        asked, echo = _BODY.decode(body), _ECHO.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise BadAsk(f"the body is not a request for a response: {problem}") from problem
    if asked.previous_response_id:
        raise BadAsk(
            f"Previous response with id '{asked.previous_response_id}' not found.",
            "previous_response_id",
            code="previous_response_not_found",
        )
    _check(asked)
    return asked, echo


def heard(body: Body) -> Heard:
    """What the answer depends on."""
    items = _items(body)
    last = items[-1]
    answered = last.type in {"function_call_output", "custom_tool_call_output"}
    users = (item for item in reversed(items) if item.type == "message" and item.role == "user")
    spoken = last if answered else next(users, last)
    offered = () if body.tool_choice == "none" else body.tools
    form = body.text.format if body.text is not None else None
    told = [body.instructions or "", *(text_of(item) for item in items)]
    return Heard(
        model=body.model,
        stream=bool(body.stream),
        prompt_tokens=sum(len(words(text)) for text in told) + IMAGE_TOKENS * sum(map(_media_of, items)),
        said=text_of(spoken),
        answered=answered,
        functions=tuple(
            Function(tool.name, tool.parameters) for tool in offered if tool.type in {"function", "custom"}
        ),
        forced=body.tool_choice.name if isinstance(body.tool_choice, Choice) else "",
        limit=body.max_output_tokens,
        schema=form.schema if form is not None else None,
    )


def text_of(item: Item) -> str:
    """The text of a message or of a call's output."""
    content = item.content if item.type == "message" else item.output
    if isinstance(content, list):
        return "\n".join(part.text for part in content if part.type not in _MEDIA)
    return content or ""


def custom_tools(body: Body) -> frozenset[str]:
    """Names of the free-text tools."""
    return frozenset(tool.name for tool in body.tools if tool.type == "custom")


def _items(body: Body) -> list[Item]:
    return [Item(role="user", content=body.input)] if isinstance(body.input, str) else body.input


def _media_of(item: Item) -> int:
    content = item.content if item.type == "message" else item.output
    return sum(part.type in _MEDIA for part in content) if isinstance(content, list) else 0


def _check(body: Body) -> None:
    items = _items(body)
    if not items:
        raise BadAsk("input must not be empty", "input")
    if body.max_output_tokens is not None and body.max_output_tokens < 1:
        raise BadAsk("max_output_tokens must be at least 1", "max_output_tokens")
    called = {item.call_id for item in items if item.type in {"function_call", "custom_tool_call"}}
    told = [item.call_id for item in items if item.type in {"function_call_output", "custom_tool_call_output"}]
    for call_id in told:
        if call_id not in called:
            raise BadAsk(f"No tool call found for function call output with call_id {call_id}.", "input")
    for call_id in called - set(told):
        raise BadAsk(f"No tool output found for function call {call_id}.", "input")
    for place, item in enumerate(items):
        if item.type == "message" and item.role not in {"user", "assistant", "system", "developer"}:
            raise BadAsk(f"Invalid value: '{item.role}'.", f"input[{place}].role")
        if item.type == "reasoning" and not (item.encrypted_content or (item.id or "").startswith(_OWN)):
            raise BadAsk(
                f"Item with id '{item.id}' not found. Items are not persisted when `store` is set to false. Try again "
                "with `store` set to true, or remove this item from your input.",
                "input",
                status=404,
            )
        if item.type == "reasoning" and (item.encrypted_content or "").startswith(_FOREIGN):
            raise BadAsk(
                f"The encrypted content of input[{place}] could not be verified.",
                f"input[{place}]",
                code="invalid_encrypted_content",
            )
