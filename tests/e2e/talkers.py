"""The vendors' own clients, unchanged, behind one small face: what each heard of an answer, and how it goes on from it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import ClassVar, Final, Protocol

import anthropic
import msgspec
import ollama
import openai
import pydantic
from google import genai
from google.genai import errors, types

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LIMIT: Final = 100


class Weather(pydantic.BaseModel):
    """What a structured answer is to be."""

    city: str
    days: int


class Heard(msgspec.Struct, kw_only=True):
    """An answer, as the client's own types tell it."""

    text: str
    thought: str
    calls: Sequence[tuple[str, Mapping[str, object]]]
    ids: Sequence[str]
    """Of the calls; empty where the dialect has none."""
    cut: bool
    """It ended at the limit."""
    usage: tuple[int, int]
    turn: object
    """What the client sends back of it."""


class Talker(Protocol):
    """One vendor's client."""

    failure: ClassVar[type[Exception]]
    broken: ClassVar[type[Exception]]
    """What a stream that failed raises."""

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        """Ask, and listen to the end."""
        ...

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        """Give the results of the calls that were heard, in order."""
        ...

    def parse(self, model: str, text: str) -> Weather:
        """Ask for a structured answer."""
        ...

    def status_of(self, failure: Exception) -> int:
        """The HTTP status of a ``failure``."""
        ...


class Chat:
    failure = openai.APIError
    broken = openai.APIError

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
        content = [{"type": "text", "text": text}, url] if image else text
        return self._ask(model, [{"role": "user", "content": content}], stream, tools, limit)

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        told = [
            {"role": "tool", "tool_call_id": one, "content": result}
            for one, result in zip(heard.ids, results, strict=True)
        ]
        return self._ask(model, [{"role": "user", "content": text}, heard.turn, *told], False, tools, LIMIT)

    def _ask(self, model: str, messages: list[object], stream: bool, tools: Sequence[str], limit: int) -> Heard:
        asked = {"model": model, "messages": messages, "max_tokens": limit}
        if tools:
            asked["tools"] = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in tools]
        if stream:
            with self._client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
                answer = events.until_done().get_final_completion()
        else:
            answer = self._client.chat.completions.create(**asked)
        (choice,) = answer.choices
        calls = choice.message.tool_calls or []
        turn = {"role": "assistant", "content": choice.message.content}
        if calls:
            kept = [{"name": call.function.name, "arguments": call.function.arguments} for call in calls]
            turn["tool_calls"] = [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(calls, kept, strict=True)
            ]
        return Heard(
            text=choice.message.content or "",
            thought=getattr(choice.message, "reasoning_content", None) or "",
            calls=[(call.function.name, msgspec.json.decode(call.function.arguments)) for call in calls],
            ids=[call.id for call in calls],
            cut=choice.finish_reason == "length",
            usage=(answer.usage.prompt_tokens, answer.usage.completion_tokens),
            turn=turn,
        )

    def parse(self, model: str, text: str) -> Weather:
        said = [{"role": "user", "content": text}]
        return (
            self._client.chat.completions.parse(model=model, messages=said, response_format=Weather)
            .choices[0]
            .message.parsed
        )

    def complete(self, model: str, text: str, *, stream: bool) -> str:
        """The legacy endpoint: a prompt to its text."""
        answer = self._client.completions.create(model=model, prompt=text, stream=stream)
        return "".join(chunk.choices[0].text for chunk in (answer if stream else [answer]) if chunk.choices)

    def status_of(self, failure: Exception) -> int:
        assert isinstance(failure, openai.APIStatusError)
        return failure.status_code


class Responses:
    failure = openai.APIError
    broken = RuntimeError  # its helper waits for response.completed, and says so

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        parts = [{"type": "input_text", "text": text}]
        if image:
            parts.append({"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{PNG}"})
        return self._ask(model, [{"role": "user", "content": parts}], stream, tools, limit)

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        told = [
            {"type": "function_call_output", "call_id": one, "output": result}
            for one, result in zip(heard.ids, results, strict=True)
        ]
        return self._ask(model, [{"role": "user", "content": text}, *heard.turn, *told], False, tools, LIMIT)

    def _ask(self, model: str, items: list[object], stream: bool, tools: Sequence[str], limit: int) -> Heard:
        asked = {"model": model, "input": items, "max_output_tokens": limit}
        if tools:
            asked["tools"] = [
                {"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in tools
            ]
        if stream:
            with self._client.responses.stream(**asked) as events:
                answer = events.until_done().get_final_response()
        else:
            answer = self._client.responses.create(**asked)
        calls = [item for item in answer.output if item.type == "function_call"]
        thoughts = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
        return Heard(
            text=answer.output_text,
            thought="".join(thoughts),
            calls=[(call.name, msgspec.json.decode(call.arguments)) for call in calls],
            ids=[call.call_id for call in calls],
            cut=answer.incomplete_details is not None and answer.incomplete_details.reason == "max_output_tokens",
            usage=(answer.usage.input_tokens, answer.usage.output_tokens),
            turn=[
                item.model_dump(
                    exclude_none=True, exclude={"parsed_arguments": True, "content": {"__all__": {"parsed"}}}
                )
                for item in answer.output
            ],
        )

    def parse(self, model: str, text: str) -> Weather:
        return self._client.responses.parse(model=model, input=text, text_format=Weather).output_parsed

    def status_of(self, failure: Exception) -> int:
        assert isinstance(failure, openai.APIStatusError)
        return failure.status_code


class Anthropic:
    failure = anthropic.APIError
    broken = anthropic.APIError

    def __init__(self, client: anthropic.Anthropic) -> None:
        self._client = client

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        content: list[object] = [{"type": "text", "text": text}]
        if image:
            content.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
        return self._ask(model, [{"role": "user", "content": content}], stream, tools, limit)

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        told = [
            {"type": "tool_result", "tool_use_id": one, "content": result}
            for one, result in zip(heard.ids, results, strict=True)
        ]
        turns = [{"role": "assistant", "content": heard.turn}, {"role": "user", "content": told}]
        return self._ask(model, [{"role": "user", "content": text}, *turns], False, tools, LIMIT)

    def _ask(self, model: str, messages: list[object], stream: bool, tools: Sequence[str], limit: int) -> Heard:
        asked = {"model": model, "messages": messages, "max_tokens": limit}
        if tools:
            asked["tools"] = [{"name": name, "input_schema": SCHEMA} for name in tools]
        if stream:
            with self._client.messages.stream(**asked) as events:
                answer = events.get_final_message()
        else:
            answer = self._client.messages.create(**asked)
        calls = [block for block in answer.content if block.type == "tool_use"]
        return Heard(
            text="".join(block.text for block in answer.content if block.type == "text"),
            thought="".join(block.thinking for block in answer.content if block.type == "thinking"),
            calls=[(call.name, call.input) for call in calls],
            ids=[call.id for call in calls],
            cut=answer.stop_reason == "max_tokens",
            usage=(answer.usage.input_tokens, answer.usage.output_tokens),
            turn=answer.content,
        )

    def parse(self, model: str, text: str) -> Weather:
        said = [{"role": "user", "content": text}]
        return self._client.messages.parse(
            model=model, max_tokens=LIMIT, messages=said, output_format=Weather
        ).parsed_output

    def status_of(self, failure: Exception) -> int:
        assert isinstance(failure, anthropic.APIStatusError)
        return failure.status_code


class Gemini:
    failure = errors.APIError
    broken = errors.APIError

    def __init__(self, client: genai.Client) -> None:
        self._client = client

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        parts = [types.Part(text=text)]
        if image:
            parts.append(types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png"))
        return self._ask(model, [types.Content(role="user", parts=parts)], stream, tools, limit)

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        called = [part.function_call for part in heard.turn if part.function_call]
        told = [
            types.Part(
                function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": result})
            )
            for call, result in zip(called, results, strict=True)
        ]
        turns = [types.Content(role="model", parts=heard.turn), types.Content(role="user", parts=told)]
        return self._ask(
            model, [types.Content(role="user", parts=[types.Part(text=text)]), *turns], False, tools, LIMIT
        )

    def _ask(self, model: str, contents: list[types.Content], stream: bool, tools: Sequence[str], limit: int) -> Heard:
        declared = [types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA) for name in tools]
        config = types.GenerateContentConfig(
            max_output_tokens=limit, tools=[types.Tool(function_declarations=declared)] if tools else None
        )
        asked = {"model": model, "contents": contents, "config": config}
        if stream:
            answers = list(self._client.models.generate_content_stream(**asked))
        else:
            answers = [self._client.models.generate_content(**asked)]
        parts = [part for answer in answers for part in answer.candidates[0].content.parts or ()]
        calls = [part.function_call for part in parts if part.function_call]
        usage = answers[-1].usage_metadata
        return Heard(
            text="".join(part.text for part in parts if part.text and not part.thought),
            thought="".join(part.text for part in parts if part.text and part.thought),
            calls=[(call.name, call.args) for call in calls],
            ids=[],
            cut=answers[-1].candidates[0].finish_reason is types.FinishReason.MAX_TOKENS,
            usage=(usage.prompt_token_count, (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)),
            turn=parts,
        )

    def parse(self, model: str, text: str) -> Weather:
        config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Weather)
        return self._client.models.generate_content(model=model, contents=text, config=config).parsed

    def status_of(self, failure: Exception) -> int:
        assert isinstance(failure, errors.APIError)
        return failure.code


class Ollama:
    failure = ollama.ResponseError
    broken = ollama.ResponseError

    def __init__(self, client: ollama.Client) -> None:
        self._client = client

    def say(
        self,
        model: str,
        text: str,
        *,
        stream: bool = False,
        tools: Sequence[str] = (),
        limit: int = LIMIT,
        image: bool = False,
    ) -> Heard:
        message = {"role": "user", "content": text} | ({"images": [PNG]} if image else {})
        return self._ask(model, [message], stream, tools, limit)

    def go_on(self, model: str, text: str, heard: Heard, results: Sequence[str], tools: Sequence[str]) -> Heard:
        told = [
            {"role": "tool", "tool_name": name, "content": result}
            for (name, _), result in zip(heard.calls, results, strict=True)
        ]
        return self._ask(model, [{"role": "user", "content": text}, heard.turn, *told], False, tools, LIMIT)

    def _ask(self, model: str, messages: list[object], stream: bool, tools: Sequence[str], limit: int) -> Heard:
        offered = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in tools]
        options = {"num_predict": limit}
        answer = self._client.chat(model=model, messages=messages, tools=offered, stream=stream, options=options)
        lines = list(answer) if stream else [answer]
        calls = [call for line in lines for call in line.message.tool_calls or ()]
        text = "".join(line.message.content or "" for line in lines)
        thought = "".join(line.message.thinking or "" for line in lines)
        return Heard(
            text=text,
            thought=thought,
            calls=[(call.function.name, call.function.arguments) for call in calls],
            ids=[],
            cut=lines[-1].done_reason == "length",
            usage=(lines[-1].prompt_eval_count, lines[-1].eval_count),
            turn=ollama.Message(role="assistant", content=text, thinking=thought or None, tool_calls=calls or None),
        )

    def parse(self, model: str, text: str) -> Weather:
        said = [{"role": "user", "content": text}]
        answer = self._client.chat(model=model, messages=said, format=Weather.model_json_schema())
        return Weather.model_validate_json(answer.message.content)

    def status_of(self, failure: Exception) -> int:
        assert isinstance(failure, ollama.ResponseError)
        return failure.status_code


@contextmanager
def talkers(root: str, key: str) -> Iterator[Mapping[str, Talker]]:
    """One of each, by dialect; ``root``: where the gateway is, without a version."""
    with ExitStack() as stack:
        chat = stack.enter_context(openai.OpenAI(base_url=f"{root}/v1", api_key=key, max_retries=0))
        messages = stack.enter_context(anthropic.Anthropic(base_url=root, api_key=key, max_retries=0))
        google = stack.enter_context(genai.Client(api_key=key, http_options=types.HttpOptions(base_url=root)))
        lines = ollama.Client(host=root, headers={"authorization": f"Bearer {key}"})
        stack.callback(lines._client.close)  # noqa: SLF001 - it has no way of its own to close
        yield {
            "openai_chat": Chat(chat),
            "openai_responses": Responses(chat),
            "anthropic": Anthropic(messages),
            "gemini": Gemini(google),
            "ollama": Ollama(lines),
        }
