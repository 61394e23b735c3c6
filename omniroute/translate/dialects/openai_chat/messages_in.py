"""Messages of a client, read: the leading instructions, then the turns (translation.md §4.2, §11.2 to §11.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from omniroute.errors import ClientError
from omniroute.translate.canonical import (
    Audio,
    Block,
    Cache,
    Document,
    Held,
    Image,
    Inline,
    Link,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from omniroute.translate.dialects.openai_chat.calls import signature_of
from omniroute.translate.dialects.openai_chat.details import blocks_of, read_details
from omniroute.translate.dialects.openai_chat.schema import (
    AskedAudio,
    AskedCache,
    AskedCall,
    AskedFile,
    AskedMessage,
    AskedPart,
    AskedToolCall,
    AskedUrl,
)
from omniroute.translate.jsontext import compact, unescaped
from omniroute.translate.media import (
    audio_media_type,
    checked_base64,
    decoded_text,
    guess_media_type,
    read_picture_url,
    read_url,
)
from omniroute.translate.members import items, member, text
from omniroute.translate.notes import UnsupportedContent
from omniroute.translate.reading import read_body

ORIGIN: Final = "openai_chat"

_part: Final = msgspec.json.Decoder(AskedPart)
_string: Final = msgspec.json.Decoder(str)

_INSTRUCTIONS: Final = frozenset({"system", "developer"})
_ROLES: Final = "system, developer, user, assistant, tool or function"


def read_messages(messages: Sequence[AskedMessage]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """The leading instructions, one Text per message or part, and the turns. Raises ClientError naming the field."""
    system: list[Text] = []
    turns: list[Turn] = []
    for place, message in enumerate(messages):
        at = f"messages[{place}]"
        if turns or message.role not in _INSTRUCTIONS:
            turns.append(_turn(message, at))
        else:
            system += _instructions(message, at)
    return tuple(system), tuple(turns)


def _instructions(message: AskedMessage, at: str) -> list[Text]:
    content, role = message.content, message.role
    if isinstance(content, str):
        return [Text(text=content, role=role, at=at)]
    found: list[Text] = []
    for block in _blocks(content, at):
        if not isinstance(block, Text):
            raise ClientError(f"'{block.at}': instructions are text.", param=block.at, code="invalid_value")
        found.append(msgspec.structs.replace(block, role=role))
    return found


def _turn(message: AskedMessage, at: str) -> Turn:
    name = message.name or ""
    match message.role:
        case "user":
            return Turn(role="user", blocks=_blocks(message.content, at), name=name, at=at)
        case "assistant":
            return Turn(role="assistant", blocks=tuple(_said(message, at)), name=name, at=at)
        case "system" | "developer":
            blocks = tuple(_instructions(message, at))
            return Turn(role="system", blocks=blocks, name=name, developer=message.role == "developer", at=at)
        case "tool":
            if not message.tool_call_id:
                raise ClientError(
                    f"'{at}.tool_call_id' is missing: say which call this is the result of.",
                    param=f"{at}.tool_call_id",
                    code="missing_required_parameter",
                )
            result = ToolResult(call_id=message.tool_call_id, name=name, blocks=_blocks(message.content, at), at=at)
            return Turn(role="user", blocks=(result,), at=at)
        case "function":
            result = ToolResult(call_id="", name=name, blocks=_blocks(message.content, at), at=at)
            return Turn(role="user", blocks=(result,), at=at)
        case _:
            pass
    raise ClientError(
        f"'{at}.role' is '{message.role[:64]}'; it must be {_ROLES}.", param=f"{at}.role", code="invalid_value"
    )


def _said(message: AskedMessage, at: str) -> Iterator[Block]:
    """What the assistant said: reasoning, content, refusal, calls."""
    yield from _thoughts(message, at)
    signature = signature_of(bytes(message.extra_content)) if message.extra_content else ""
    for block in _blocks(message.content, at):
        if isinstance(block, Text) and signature:
            yield msgspec.structs.replace(block, signature=signature)
            signature = ""
        else:
            yield block
    if signature:
        yield Text(text="", signature=signature, at=at)
    if message.refusal:
        yield Refusal(text=message.refusal, at=f"{at}.refusal")
    if bytes(message.audio) not in (b"", b"null"):
        yield Opaque(origin=ORIGIN, kind="audio", raw=bytes(message.audio), at=f"{at}.audio")
    if message.function_call is not None:
        where = f"{at}.function_call"
        arguments = _arguments(message.function_call, f"{where}.arguments")
        yield ToolCall(call_id="", name=message.function_call.name, arguments=arguments, legacy=True, at=where)
    for place, call in enumerate(message.tool_calls or ()):
        yield _tool_call(call, f"{at}.tool_calls[{place}]")


def _thoughts(message: AskedMessage, at: str) -> Iterator[Reasoning]:
    """Reasoning by details, which are whole, else by one of the plain members; never two of them together."""
    blocks = blocks_of(read_details(bytes(message.reasoning_details))) if message.reasoning_details else ()
    plain = message.reasoning_content or message.reasoning
    if plain and not any(block.text for block in blocks):
        name = "reasoning_content" if message.reasoning_content else "reasoning"
        yield Reasoning(text=plain, at=f"{at}.{name}")
    for place, block in enumerate(blocks):
        yield msgspec.structs.replace(block, at=f"{at}.reasoning_details[{place}]")


def _tool_call(call: AskedToolCall, at: str) -> ToolCall:
    signature = signature_of(bytes(call.extra_content)) if call.extra_content else ""
    if call.custom is not None:
        return ToolCall(call_id=call.id or "", name=call.custom.name, arguments=call.custom.input, custom=True, at=at)
    if call.function is None:
        raise ClientError(f"'{at}' has neither 'function' nor 'custom'.", param=at, code="missing_required_parameter")
    arguments = _arguments(call.function, f"{at}.function.arguments")
    return ToolCall(call_id=call.id or "", name=call.function.name, arguments=arguments, signature=signature, at=at)


def _arguments(call: AskedCall, at: str) -> str:
    raw = bytes(call.arguments)
    if raw.startswith(b"{"):
        return compact(raw).decode()
    return "" if raw in (b"", b"null") else read_body(_string, raw, at)


# -- content -------------------------------------------------------------------------------------------------------
def _blocks(content: str | Sequence[Raw] | None, at: str) -> tuple[Block, ...]:
    """The content of the message at ``at``: one Text for a string, a block for each part."""
    if isinstance(content, str):
        return (Text(text=content, at=f"{at}.content"),)
    parts = enumerate(content or ())
    return tuple(block for place, raw in parts for block in _read_part(bytes(raw), f"{at}.content[{place}]"))


def _read_part(raw: bytes, at: str) -> Iterator[Block]:
    part = read_body(_part, raw, at)
    cache = _cache(part.cache_control)
    match part:
        case AskedPart(type="text" | "input_text" | "output_text", text=str(said)):
            yield Text(text=said, cache=cache, at=at)
        case AskedPart(type="image_url", image_url=AskedUrl(url=url, detail=detail)):
            yield Image(source=_picture(url, at), detail=detail or "", cache=cache, at=at)
        case AskedPart(type="image_url", image_url=str(url)):
            yield Image(source=_picture(url, at), cache=cache, at=at)
        case AskedPart(type="input_audio", input_audio=AskedAudio() as audio):
            data = checked_base64(audio.data, f"{at}.input_audio.data")
            yield Audio(source=Inline(audio_media_type(audio.format), data), format=audio.format, cache=cache, at=at)
        case AskedPart(type="file", file=AskedFile() as file):
            yield _file(file, cache, at)
        case AskedPart(type="refusal", refusal=str(said)):
            yield Refusal(text=said, at=at)
        case AskedPart(type="thinking"):
            thinking = bytes(part.thinking)
            listed = [unescaped(text(member(item, b"text"))) for item in items(thinking, len(thinking))]
            yield Reasoning(text=unescaped(text(thinking)) or "".join(listed), at=at)
        case AskedPart(type="text" | "image_url" | "input_audio" | "file" | "refusal"):
            raise ClientError(
                f"'{at}.{part.type}' is missing: a part of type '{part.type}' has it.",
                param=f"{at}.{part.type}",
                code="missing_required_parameter",
            )
        case _:
            raise UnsupportedContent(
                f"'{at}' is a part of type '{part.type[:64]}', which only some providers of this dialect know.",
                param=at,
            )


def _picture(url: str, at: str) -> Inline | Link:
    return read_picture_url(url, f"{at}.image_url.url")


def _file(file: AskedFile, cache: Cache | None, at: str) -> Document:
    name = file.filename or ""
    if file.file_id:
        return Document(source=Held(file.file_id, ORIGIN), filename=name, cache=cache, at=at)
    if not file.file_data:
        raise ClientError(
            f"'{at}.file' needs 'file_data' (a data URL) or 'file_id'.",
            param=f"{at}.file",
            code="missing_required_parameter",
        )
    where = f"{at}.file.file_data"
    kind = guess_media_type(name, "application/pdf")
    if file.file_data[:5].lower() == "data:" or "://" in file.file_data[:16]:
        source = read_url(file.file_data, where, default_type=kind)
    else:
        source = Inline(kind, checked_base64(file.file_data, where))
    if isinstance(source, Inline) and source.media_type.startswith("text/"):
        said = decoded_text(source.data)
        if said is not None:
            return Document(text=said, filename=name, title=name, cache=cache, at=at)
    return Document(source=source, filename=name, cache=cache, at=at)


def _cache(mark: AskedCache | None) -> Cache | None:
    return None if mark is None else Cache(mark.ttl or "")
