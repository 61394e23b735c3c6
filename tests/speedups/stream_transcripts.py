"""One short stream in each upstream dialect, and the shapes of its hot events. Written for these tests."""

from __future__ import annotations

from typing import Final

from omniroute._speedups import ANY, CHOICE, EMPTY, FALSE, INDEX, NULL, STASH, TEXT, TRUE, Is

CHAT_SHAPES: Final = tuple(
    {
        "id": ANY, "object": ANY, "created": ANY, "model": ANY, "usage": NULL, "obfuscation": ANY,
        "choices": [{"index": CHOICE, "delta": delta, "logprobs": NULL, "finish_reason": NULL}],
    }
    for delta in (
        {"role": ANY, "content": TEXT, "reasoning_content": NULL, "tool_calls": EMPTY},
        {"role": ANY, "content": EMPTY, "reasoning_content": TEXT},
        {"content": NULL, "tool_calls": [{"index": INDEX, "type": ANY, "function": {"arguments": TEXT}}]},
    )
)  # fmt: skip

CHAT: Final = (
    b": OPENROUTER PROCESSING\n\n"
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":'
    b'{"role":"assistant","content":"","reasoning_content":null},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"hm"},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"","reasoning_content":", \\"so\\""},"finish_reason":null}]}\n\n'
    b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi "},"logprobs":null,"finish_reason":null}],"obfuscation":"x"}\n\n'
    b'data: { "choices" : [ { "finish_reason" : null, "delta" : { "content" : "a <b> \\ud83d" }, "index" : 0 } ] }\n\n'
    b'data: {"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":null}]}\r\n\r\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00 \xe2\x82\xac <omni"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"more"},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"id":"t","type":"function","function":{"name":"f",'
    b'"arguments":""}}]},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"function":{"arguments":"{\\"a\\":"}}]},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":2,"function":{"arguments":" 1}"}}]},"finish_reason":null}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"late"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n'
    b"data: [DONE]\n\n"
)

ANTHROPIC_SHAPES: Final = tuple(
    {"type": Is(b"content_block_delta"), "index": INDEX, "delta": {"type": Is(kind), member: TEXT}}
    for kind, member in (
        (b"text_delta", "text"),
        (b"thinking_delta", "thinking"),
        (b"input_json_delta", "partial_json"),
    )
)

ANTHROPIC: Final = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3}}   }\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}      }\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" there\\n"}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}\nevent: content_block_delta\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta",\ndata: "index":0,"delta":{"type":"text_delta","text":"two"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"\xf0\x9f\x98\x80"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" "}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"  }\n\n'
)

GEMINI_SHAPES: Final = tuple(
    {
        "candidates": [{"content": {"parts": [part], "role": ANY}, "index": CHOICE, "safetyRatings": ANY}],
        "usageMetadata": STASH, "modelVersion": ANY, "responseId": ANY,
    }
    for part in ({"text": TEXT}, {"text": TEXT, "thought": TRUE})
)  # fmt: skip

GEMINI: Final = (
    b'data: {"candidates": [{"content": {"parts": [{"text": "one","thought": true}],"role": "model"},"index": 0}],'
    b'"usageMetadata": {"promptTokenCount": 9}}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "two","thought": true}],"role": "model"}}],'
    b'"usageMetadata": {"promptTokenCount": 9,"candidatesTokenCount": 2},"modelVersion": "g"}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "A"}]}}],"usageMetadata": {"promptTokenCount": 10}}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "B\\u003cx"}]},"index": 0}]}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "C"},{"text": "D"}]},"index": 0}]}\r\n\r\n'
    b'data: {"candidates": [{"content": {"parts": [{"text": "E"}]},"finishReason": "STOP","index": 0}]}\r\n\r\n'
)

GEMINI_ARRAY: Final = (
    b'[{\n  "candidates": [{"content": {"parts": [{"text": "A"}]}}],\n  "modelVersion": "g]"\n}\n,\r\n'
    b'{"candidates": [{"content": {"parts": [{"text": "B"}]}}]},{"candidates": [{"content": {"parts": [{"text": "C"}]}}]}\n,'
    b'{"candidates": [{"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 9}}\n]\n'
)

RESPONSES_SHAPES: Final = tuple(
    {
        "type": Is(kind), "sequence_number": ANY, "item_id": ANY, "output_index": INDEX, "content_index": ANY,
        "delta": TEXT, "logprobs": EMPTY, "obfuscation": ANY,
    }
    for kind in (b"response.output_text.delta", b"response.function_call_arguments.delta")
)  # fmt: skip

RESPONSES: Final = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,"item_id":"m",'
    b'"output_index":0,"content_index":0,"delta":"I","logprobs":[],"obfuscation":"zz"}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":5,"item_id":"m",'
    b'"output_index":0,"content_index":0,"delta":"\\t\\"am\\"","logprobs":[ ],"obfuscation":"zz"}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":6,"item_id":"m",'
    b'"output_index":0,"content_index":0,"delta":" here","logprobs":[1]}\n\n'
    b'event: response.function_call_arguments.delta\ndata: {"type":"response.function_call_arguments.delta","output_index":1,'
    b'"delta":"{}"}\n\n'
    b'event: response.function_call_arguments.delta\ndata: {"type":"response.function_call_arguments.delta","output_index":1,'
    b'"delta":"\\ud800"}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":9,"response":{"id":"r"}}\n\n'
)

OLLAMA_SHAPES: Final = (
    {"model": ANY, "created_at": ANY, "message": {"role": ANY, "content": TEXT, "thinking": EMPTY}, "done": FALSE},
    {"model": ANY, "created_at": ANY, "message": {"role": ANY, "content": EMPTY, "thinking": TEXT}, "done": FALSE},
)

OLLAMA: Final = (
    b'{"model":"q","created_at":"t","message":{"role":"assistant","content":"","thinking":"why"},"done":false}\n'
    b'{"model":"q","created_at":"t","message":{"role":"assistant","content":"","thinking":" not"},"done":false}\r\n'
    b"\n"
    b'{"model":"q","created_at":"t","message":{"role":"assistant","content":"a"},"done":false}\n'
    b' {"model":"q","created_at":"t","message":{"role":"assistant","content":"\\u000a"},"done":false} \n'
    b'{"model":"q","created_at":"t","message":{"role":"assistant","content":"b"},"done":true,"eval_count":5}'
)

DIALECTS: Final = {
    "openai_chat": (CHAT_SHAPES, "sse", CHAT),
    "anthropic": (ANTHROPIC_SHAPES, "sse", ANTHROPIC),
    "gemini": (GEMINI_SHAPES, "sse", GEMINI),
    "gemini_array": (GEMINI_SHAPES, "sse", GEMINI_ARRAY),
    "openai_responses": (RESPONSES_SHAPES, "sse", RESPONSES),
    "ollama": (OLLAMA_SHAPES, "ndjson", OLLAMA),
}
