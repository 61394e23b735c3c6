"""Turns of a client's request, read: contents and their parts (translation.md §6.2, §11.4, §11.9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from omniroute.errors import ClientError
from omniroute.translate import jsontext, media
from omniroute.translate.canonical import (
    Audio,
    Block,
    Document,
    Held,
    Image,
    Inline,
    Json,
    Link,
    Opaque,
    Reasoning,
    Role,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.dialects.gemini.schema import (
    NOTHING,
    Blob,
    Content,
    FileData,
    FunctionCall,
    FunctionResponse,
    Part,
    wire_name,
)
from omniroute.translate.dialects.gemini.words import ORIGIN

# Results came as ``function`` in the first version of the API, and still come as ``tool`` from some libraries.
_ROLES: Final[dict[str, Role]] = {"user": "user", "": "user", "function": "user", "tool": "user", "model": "assistant"}
_SERVER_PARTS: Final = ("executable_code", "code_execution_result", "tool_call", "tool_response")
_OWN_FILES: Final = "://generativelanguage.googleapis.com/"

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_turns(contents: Sequence[Content]) -> tuple[Turn, ...]:
    """One turn per content. Raises ClientError naming the part that is wrong."""
    return tuple(_turn(content, f"contents[{number}]") for number, content in enumerate(contents))


def read_system(instruction: Content | None) -> tuple[Text, ...]:
    """One text per part of ``systemInstruction``, empty ones left out. Raises ClientError for anything but text."""
    if instruction is None:
        return ()
    texts: list[Text] = []
    for number, part in enumerate(instruction.parts or ()):
        at = f"systemInstruction.parts[{number}]"
        if part.text is None:
            raise ClientError(f"'{at}' must have 'text': instructions are text.", param=at, code="invalid_value")
        if part.text:
            texts.append(Text(text=part.text, at=at))
    return tuple(texts)


def _turn(content: Content, at: str) -> Turn:
    role = _ROLES.get(content.role or "")
    if role is None:
        raise ClientError(
            f"'{at}.role' must be 'user' or 'model', not {content.role!r}.", param=f"{at}.role", code="invalid_value"
        )
    parts = enumerate(content.parts or ())
    return Turn(role=role, blocks=tuple(_block(part, f"{at}.parts[{number}]") for number, part in parts), at=at)


def _block(part: Part, at: str) -> Block:
    """What one part says."""
    if part.function_call is not None:
        return _call(part.function_call, part.thought_signature or "", at)
    if part.function_response is not None:
        return _result(part.function_response, at)
    if part.inline_data is not None:
        return _placed(_inline(part.inline_data, f"{at}.inlineData"), at=at)
    if part.file_data is not None:
        return _placed(*_file(part.file_data, f"{at}.fileData"), at=at)
    kind = next((name for name in _SERVER_PARTS if not _absent(getattr(part, name))), None)
    if kind is not None:
        return Opaque(origin=ORIGIN, raw=msgspec.json.encode(part), kind=wire_name(kind), at=at)
    return _text(part, at)


def _text(part: Part, at: str) -> Text | Reasoning:
    text, signature = part.text or "", part.thought_signature or ""
    if part.text is None and not signature:
        raise ClientError(
            f"'{at}' holds nothing the gateway knows: write 'text', 'inlineData', 'fileData', 'functionCall' or "
            "'functionResponse'.",
            param=at,
            code="unsupported_content",
        )
    if part.thought:
        return Reasoning(text=text, signature=signature, origin=ORIGIN, summary=True, at=at)
    return Text(text=text, signature=signature, at=at)


def _call(call: FunctionCall, signature: str, at: str) -> ToolCall:
    if not call.name:
        raise ClientError(
            f"'{at}.functionCall.name' is missing: name the function that was called.",
            param=f"{at}.functionCall.name",
            code="missing_required_parameter",
        )
    arguments = "{}" if _absent(call.args) else _object(call.args, f"{at}.functionCall.args").decode()
    return ToolCall(call_id=call.id or "", name=call.name, arguments=arguments, signature=signature, at=at)


def _result(result: FunctionResponse, at: str) -> ToolResult:
    at_response = f"{at}.functionResponse"
    if not result.name and not result.id:
        raise ClientError(
            f"'{at_response}.name' is missing: name the function that answered.",
            param=f"{at_response}.name",
            code="missing_required_parameter",
        )
    text, is_error = "", False
    if not _absent(result.response):
        text, is_error = _said(_object(result.response, f"{at_response}.response"))
    blocks: list[Block] = [Text(text=text, at=at)] if text or not result.parts else []
    for number, part in enumerate(result.parts or ()):
        place = f"{at_response}.parts[{number}]"
        if part.inline_data is not None:
            blocks.append(_placed(_inline(part.inline_data, f"{place}.inlineData"), at=place))
        elif part.file_data is not None:
            blocks.append(_placed(*_file(part.file_data, f"{place}.fileData"), at=place))
    return ToolResult(call_id=result.id or "", name=result.name or "", blocks=tuple(blocks), is_error=is_error, at=at)


def _said(response: Json) -> tuple[str, bool]:
    """The text of a function's response, and whether it is an error: lone members are unpacked (§11.4)."""
    members = _members.decode(response)
    if len(members) == 1:
        ((name, value),) = members.items()
        if name in {"output", "result", "error"}:
            return _unquoted(value), name == "error"
    return response.decode(), False


def _unquoted(raw: msgspec.Raw) -> str:
    text = jsontext.inner(raw)
    return jsontext.unescaped(text) if text is not None else jsontext.compact(raw).decode()


def _object(raw: msgspec.Raw, at: str) -> Json:
    text = jsontext.compact(raw)
    if not text.startswith(b"{"):
        raise ClientError(f"'{at}' must be an object.", param=at, code="invalid_value")
    return text


def _absent(raw: msgspec.Raw) -> bool:
    return raw is NOTHING or bytes(raw).strip() in (b"", b"null")


# -- media -------------------------------------------------------------------------------------------------------
def _inline(blob: Blob, at: str) -> Inline:
    if not blob.mime_type:
        raise ClientError(
            f"'{at}.mimeType' is missing: say what the data is, e.g. 'image/png'.",
            param=f"{at}.mimeType",
            code="missing_required_parameter",
        )
    data = media.checked_base64(blob.data or "", f"{at}.data")
    if "-" in data or "_" in data:  # Google's own SDK writes the URL-safe alphabet, which nobody else reads
        data = media.standard_base64(data)
    return Inline(blob.mime_type.lower(), data)


def _file(file: FileData, at: str) -> tuple[Source, str]:
    """Where a file is, and what it is."""
    uri = file.file_uri or ""
    media_type = (file.mime_type or media.guess_media_type(uri, "")).lower()
    if not uri:
        raise ClientError(
            f"'{at}.fileUri' is missing: give the file's URL.",
            param=f"{at}.fileUri",
            code="missing_required_parameter",
        )
    if _OWN_FILES in uri or uri.startswith(("files/", "gs://")):
        return Held(uri, ORIGIN), media_type
    if media.urlsplit_scheme(uri) not in {"http", "https"}:
        raise ClientError(f"'{at}.fileUri' must be an http(s) URL.", param=f"{at}.fileUri", code="invalid_value")
    return Link(uri, media_type), media_type


def _placed(source: Source, media_type: str = "", *, at: str = "") -> Block:
    """A source as the block its media type makes it: what is neither picture nor sound is a file."""
    kind = source.media_type if isinstance(source, Inline) else media_type
    if kind.startswith("image/"):
        return Image(source=source, at=at)
    if kind.startswith("audio/"):
        return Audio(source=source, format=media.audio_format(kind), at=at)
    return Document(source=source, at=at)
